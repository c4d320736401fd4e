"""Workers that are actors of Ray, one backbone each.

Ray places actors and carries messages; it is not asked to restart or retry anything, and neither
its pool nor its data sets are used: both lose items when actors die for good.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Hand, Job, Message, Needs
from mmedit_bench.execution.worker import Worker

STORE = 128 << 20
"""Bytes of Ray's object store where it is started here: messages are small, and nothing else goes there."""

REACH = 5.0
"""Seconds within which a named cluster must accept a connection; Ray itself would try for minutes."""


class RayEngine:
    """Actors on the cluster at `address`, or on a Ray that is started on this machine."""

    here = False
    queued = False
    lag = 60.0

    def __init__(self, workers: int = 1, options: Mapping[str, Any] | None = None) -> None:
        """`options` may hold the `address`: `ray://HOST:PORT`, `HOST:PORT` or `auto`.

        Without it, the environment's RAY_ADDRESS is taken. Raises `BenchError` without the extra.
        """
        try:
            import ray  # noqa: F401
        except ImportError:
            raise BenchError("executor 'ray' needs Ray: pip install 'mmedit-bench[ray]'") from None
        given = dict(options or {})
        self.workers = workers
        self._address = given.pop("address", None) or os.environ.get("RAY_ADDRESS")
        if given:
            raise BenchError(f"executor 'ray' has no setting {min(given)!r}; it has address")

    @contextmanager
    def session(self, job: Job, room: Path) -> Iterator[_Actors]:
        self._connect(job.needs)
        yield _Actors(job)

    def _connect(self, needs: Needs) -> None:
        """Ray stays connected until this process ends, so that the next session need not wait again."""
        import ray

        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address in (None, "local"):
            settings |= {
                "address": "local", "num_cpus": self.workers * needs.cpus, "include_dashboard": False,
                "object_store_memory": STORE,
            }  # fmt: skip
        else:
            _reach(str(self._address))
            settings["address"] = self._address
        try:
            with redirect_stdout(sys.stderr):  # stdout is for the command's result
                ray.init(**settings)
        except Exception as error:  # of many kinds, by what is wrong and by version
            where = "Ray cannot be started here" if self._address is None else self._unreached()
            raise BenchError(f"{where}: {_line(str(error)) or type(error).__name__}") from None

    def _unreached(self) -> str:
        return (
            f"the Ray cluster at {self._address} cannot be used (one that wants a token is called with "
            "RAY_AUTH_MODE=token)"
        )


class Actor:
    """A worker in Ray's hands."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def begin(self) -> Message:
        return self._worker.begin()

    def do(self, batch: Sequence[Any]) -> Message:
        return self._worker.do(batch)


class _Actors:
    def __init__(self, job: Job) -> None:
        self._job = job

    def start(self) -> Hand:
        return _Actor(self._job)

    def heard(self, hands: Sequence[Hand], seconds: float) -> list[tuple[Hand, Message]]:
        import ray

        waiting = {hand.future: hand for hand in hands if isinstance(hand, _Actor) and hand.future}
        if not waiting:
            time.sleep(seconds)
            return []
        try:
            ready, _ = ray.wait(list(waiting), timeout=seconds)
            return [(waiting[future], waiting[future].said()) for future in ready]
        except (ConnectionError, ray.exceptions.RaySystemError) as error:
            raise BenchError(
                f"the Ray cluster was lost ({_line(str(error))}); what was finished is kept, run again"
            ) from None


class _Actor:
    def __init__(self, job: Job) -> None:
        import ray

        needs = job.needs
        placed = ray.remote(Actor).options(
            num_cpus=needs.cpus, num_gpus=needs.gpus, max_restarts=0, max_task_retries=0
        )
        self._actor = placed.remote(job)
        self.future: Any = self._actor.begin.remote()
        """Of what it is doing; None while it does nothing."""

    def give(self, batch: Sequence[Any]) -> None:
        self.future = self._actor.do.remote(list(batch))

    def end(self, patience: float) -> None:
        import ray

        with suppress(Exception):  # it may be gone, or the cluster with it
            ray.kill(self._actor, no_restart=True)

    def said(self) -> Message:
        """What its future holds, which is ready."""
        import ray

        future, self.future = self.future, None
        try:
            told: Message = ray.get(future)
        except ray.exceptions.RaySystemError:
            raise
        except ray.exceptions.RayError as error:
            return {"is": "gone", "text": _reason(str(error))}
        return told


def _reach(address: str) -> None:
    """Raises `BenchError` if nobody listens at `HOST:PORT`, with or without `ray://`."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address)
    if not found:
        if address != "auto":
            raise BenchError(f"--ray-address {address!r} is none of ray://HOST:PORT, HOST:PORT and auto")
        return
    try:
        socket.create_connection((found[1], int(found[2])), REACH).close()
    except (OSError, OverflowError) as error:
        raise BenchError(f"no Ray cluster can be reached at {address} ({error}); see --ray-address") from None


def _reason(text: str) -> str:
    """Why an actor died, in a line: what it raised last, or what Ray says of its process."""
    if "Error raised in its creation task" in text or "creation task" in text:
        return _line(text.strip().splitlines()[-1])
    said = re.search(r"Worker exit (?:type|detail): .*", text)
    return _line(said[0] if said else text)


def _line(text: str) -> str:
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return first[:200]
