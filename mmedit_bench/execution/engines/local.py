"""Workers that are processes of this machine."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Hand, Job, Message
from mmedit_bench.execution.processes import as_caller, context
from mmedit_bench.execution.worker import Worker

MOST_MESSAGE = 16 << 20


class LocalEngine:
    """`workers` processes that begin for the job."""

    here = True
    queued = False
    lag = 0.0

    def __init__(
        self,
        workers: int = 1,
        options: Mapping[str, Any] | None = None,
        *,
        started: Callable[[int], object] = lambda pid: None,
    ) -> None:
        """`started` is told the process id of every worker."""
        if options:
            raise BenchError(f"executor 'local' has no setting {min(options)!r}")
        self.workers = workers
        self._started = started

    @contextmanager
    def session(self, job: Job, room: Path) -> Iterator[_Processes]:
        yield _Processes(job, self._started)


class _Processes:
    def __init__(self, job: Job, started: Callable[[int], object]) -> None:
        self._job = job
        self._started = started

    def start(self) -> Hand:
        return _Process(self._job, self._started)

    def heard(self, hands: Sequence[Hand], seconds: float) -> list[tuple[Hand, Message]]:
        pipes = {hand.pipe: hand for hand in hands if isinstance(hand, _Process)}
        ready = wait(list(pipes), seconds)
        return [(pipes[pipe], _message(pipe)) for pipe in ready if isinstance(pipe, Connection)]


class _Process:
    """A process and the caller's end of the pipe to it."""

    def __init__(self, job: Job, started: Callable[[int], object]) -> None:
        begins = context(job.needs.gpus)
        self.pipe, far = begins.Pipe()
        self.process = begins.Process(target=_labour, args=(far, job, dict(os.environ)), daemon=True)
        self.process.start()
        far.close()
        if self.process.pid is not None:
            started(self.process.pid)

    def give(self, batch: Sequence[Any]) -> None:
        with suppress(OSError):  # it is dead, and its pipe will say so
            self.pipe.send_bytes(json.dumps(list(batch)).encode())

    def end(self, patience: float) -> None:
        self.pipe.close()
        if patience and self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGINT)
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _message(pipe: Connection) -> Message:
    try:
        told = json.loads(pipe.recv_bytes(MOST_MESSAGE))
    except (EOFError, OSError, ValueError):
        return {"is": "gone"}
    return told if isinstance(told, dict) else {"is": "gone"}


def _labour(pipe: Connection, job: Job, environment: Mapping[str, str]) -> None:
    """A worker, from its beginning until the pipe is closed."""
    as_caller(environment)
    threading.Thread(target=_follow, daemon=True).start()
    worker = Worker(job)
    # the caller is done, or was ended
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        told = worker.begin()
        pipe.send_bytes(json.dumps(told).encode())
        while told["is"] in ("begun", "done"):
            told = worker.do(json.loads(pipe.recv_bytes()))
            pipe.send_bytes(json.dumps(told).encode())


def _follow() -> None:
    """End this process when the caller is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
