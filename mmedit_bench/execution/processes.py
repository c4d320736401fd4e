"""How processes of this machine begin: where they can, from one that has imported what all need."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerContext, SpawnContext

_WARM = "mmedit_bench.execution.warm"
_LONGEST_FOLDER = 60
"""Characters of the temporary folder's name up to which the server's socket, of 107 at most, has a place."""


def context(accelerators: int = 0) -> ForkServerContext | SpawnContext:
    """How to begin processes that use that many accelerators.

    Never by a fork of the caller: torch's threads do not survive it, and what the caller holds is not
    the worker's. Without accelerators each is a fork of a server that imports torch and transformers
    and does nothing else: that takes seconds, once and not for every process. CUDA cannot begin in a
    fork of a process that has looked for devices, as an import may, so that the others are spawned; so
    is all where a process with a system's frameworks loaded does not survive a fork, as on macOS.
    """
    if accelerators or sys.platform != "linux" or len(tempfile.gettempdir()) > _LONGEST_FOLDER:
        return multiprocessing.get_context("spawn")
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([_WARM])
    return forks


def as_caller(environment: Mapping[str, str]) -> None:
    """Give this process the caller's environment variables: a fork has those that its server began with."""
    os.environ.clear()
    os.environ.update(environment)


def own_process(accelerators: int = 0) -> ProcessPoolExecutor:
    """One process for a question whose answer may run a plugin's code; it ends with the pool."""
    return ProcessPoolExecutor(1, context(accelerators), as_caller, (dict(os.environ),))
