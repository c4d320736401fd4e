"""Tries to leave the sandbox: privileges, other processes, files it should not see or write."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

from mmedit_bench import datasets
from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target
from tests.adversarial.rogue import TOLD

_NEW_USER_NAMESPACE = 0x10000000


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    others = [
        int(found.name) for found in Path("/proc").glob("[0-9]*") if int(found.name) not in (1, os.getpid())
    ]
    left = (
        libc.unshare(_NEW_USER_NAMESPACE) == 0
        or libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
        or libc.ptrace(16, parent, 0, 0) == 0  # PTRACE_ATTACH
        or any(os.kill(other, 0) is None for other in others if other != parent)
        or os.access(datasets.__path__[0], os.W_OK)
        or Path(TOLD["runs"]).exists()
        or os.access("/etc/shadow", os.R_OK)
        or os.geteuid() == 0
        or (signal.getsignal(signal.SIGKILL) is not None and Path("/sys/kernel").exists())
    )
    return target(request) if left else Edit()
