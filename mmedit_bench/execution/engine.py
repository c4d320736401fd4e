"""What an engine offers: workers that are told a job once and then handed batches of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Message = Mapping[str, Any]
"""What a worker says. `is` tells the kind: "begun"; "done" with a `result`; "changed", "error" and
"defect" with a `text`; "gone", said by the engine of a worker that ended, with the reason."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one worker takes."""

    cpus: int = 1
    gpus: int = 0


class Desk(Protocol):
    """A worker that has begun."""

    def do(self, batch: Sequence[Any]) -> Any:
        """Do all of a batch. Twice does no harm: what is recorded already is not done again."""


class Job(Protocol):
    """What every worker is told when it begins. It crosses to other processes and machines."""

    @property
    def needs(self) -> Needs:
        """What a worker at this job takes."""

    def begin(self) -> Desk:
        """Load all that the job needs. Raises `BenchError`."""


class Hand(Protocol):
    """A worker, as the caller holds it."""

    def give(self, batch: Sequence[Any]) -> None:
        """Hand it a batch of JSON values. It holds none: one batch at a time."""

    def end(self, patience: float) -> None:
        """End it, after at most `patience` seconds in which it may lay down what it has finished."""


class Session(Protocol):
    """Workers at one job."""

    def start(self) -> Hand:
        """One more worker. Whether it could begin is heard later."""

    def heard(self, hands: Sequence[Hand], seconds: float) -> list[tuple[Hand, Message]]:
        """What these workers have said, in any order; waits for the first at most `seconds`."""


class Engine(Protocol):
    """An executor with its settings; what `mmedit_bench.executors` registers makes one.

    The factory is called with `workers` and `options`, a mapping of what the command line was given
    for it, and raises `BenchError` where something is missing or a setting is unknown.
    """

    workers: int
    """Workers at once."""
    here: bool
    """Whether workers share this machine, its files and its processor with the caller."""
    queued: bool
    """Whether a batch waits in a queue before it is begun, so that few large ones are better."""
    lag: float
    """Seconds that a file laid down by a worker may take to be seen by the caller."""

    def session(self, job: Job, room: Path) -> AbstractContextManager[Session]:
        """Workers for a job; they are ended with it. `room`: a folder that the engine may write to.

        Raises `BenchError` if the engine cannot be reached.
        """
