"""What a worker does, whatever carries it: begins a job, does batches, and says what came of them."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.engine import Desk, Job, Message

MOST_TEXT = 100_000
"""Most characters of an error that are told."""


class Worker:
    """A worker at a job. Nothing that it does raises, but for interrupts."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._desk: Desk | None = None

    def begin(self) -> Message:
        """Says "begun", or what is wrong."""

        def load() -> Message:
            self._desk = self._job.begin()
            return {"is": "begun", "host": socket.gethostname(), "pid": os.getpid()}

        return _told(load)

    def do(self, batch: Sequence[Any]) -> Message:
        """Says "done" with a result, or what is wrong."""

        def work() -> Message:
            assert self._desk is not None
            return {"is": "done", "result": self._desk.do(batch)}

        return _told(work)


def _told(act: Callable[[], Message]) -> Message:
    try:
        return act()
    except WeightsChanged as error:
        return {"is": "changed", "text": str(error)[-MOST_TEXT:]}
    except BenchError as error:
        return {"is": "error", "text": str(error)[-MOST_TEXT:]}
    except Exception:
        return {"is": "defect", "text": traceback.format_exc()[-MOST_TEXT:]}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a worker on another machine must share with the caller."""

    mark: Path
    """A file in the folder that both write to."""
    paths: tuple[str, ...]
    """Where the caller finds its packages, plugins among them."""

    def check(self) -> None:
        """Look for plugins where the caller does. Raises `BenchError` unless the folder is seen here."""
        sys.path.extend(path for path in self.paths if path not in sys.path and Path(path).exists())
        if not self.mark.exists():
            raise BenchError(
                f"a worker on {socket.gethostname()} does not see {self.mark.parent}; name a folder with "
                "--out that is on a file system which all machines share under this path"
            )
