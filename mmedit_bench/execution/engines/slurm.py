"""Workers that are jobs of SLURM, submitted as arrays through submitit.

A batch waits in SLURM's queue, so each worker gets its whole share at once. A job that is preempted
or runs out of time is queued again with the same batch, and goes on from what it laid down.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Hand, Job, Message, Needs
from mmedit_bench.execution.worker import Worker

MINUTES = 60
"""Minutes that a job asks for unless `time` says otherwise."""
MOST_TIMEOUTS = 20
"""How often a job that ran out of time is queued again."""
ALIASES = {"time": "timeout_min", "gpus": "gpus_per_node", "cpus": "cpus_per_task", "job_name": "name"}
SHARED = ("timeout_min", "mem_gb", "gpus_per_node", "cpus_per_task", "name")
"""Settings that submitit gives the same meaning everywhere; all others are SLURM's own."""
FIXED = ("nodes", "tasks_per_node", "ntasks_per_node")
"""A worker is one task on one node."""


class SlurmEngine:
    """Job arrays with as many tasks as there are workers."""

    here = False
    queued = True

    def __init__(self, workers: int = 1, options: Mapping[str, Any] | None = None) -> None:
        """`options`: of sbatch, as submitit names them, and `cluster=local` for processes in SLURM's place.

        Raises `BenchError` without the extra, where there is no SLURM, and for an unknown setting.
        """
        try:
            import submitit  # noqa: F401
        except ImportError:
            raise BenchError(
                "executor 'submitit' needs submitit: pip install 'mmedit-bench[slurm]'"
            ) from None
        given = {key: str(value) for key, value in (options or {}).items()}
        self.workers = workers
        self._cluster = given.pop("cluster", "slurm")
        if self._cluster not in ("slurm", "local"):
            raise BenchError(f"--slurm cluster={self._cluster}: it is slurm or local")
        if self._cluster == "slurm" and not (shutil.which("srun") and shutil.which("sbatch")):
            raise BenchError(
                "there is no SLURM here (no srun and sbatch on the PATH); call this where it is, or add "
                "--slurm cluster=local to have the jobs run as processes of this machine"
            )
        self.lag = 60.0 if self._cluster == "slurm" else 0.0
        self._settings = dict(_setting(key, value) for key, value in given.items())

    @contextmanager
    def session(self, job: Job, room: Path) -> Iterator[_Jobs]:
        place = room.absolute() / "slurm"
        place.mkdir(parents=True, exist_ok=True)
        yield _Jobs(job, self._executor(place, job.needs), self._cluster == "local")
        shutil.rmtree(place, ignore_errors=True)  # what jobs printed is kept where something went wrong

    def _executor(self, place: Path, needs: Needs) -> Any:
        import submitit

        executor = submitit.AutoExecutor(place, self._cluster, slurm_max_num_timeout=MOST_TIMEOUTS)
        asked: dict[str, Any] = {
            "name": "mmedit-bench", "timeout_min": MINUTES, "nodes": 1, "tasks_per_node": 1,
            "cpus_per_task": needs.cpus,
        }  # fmt: skip
        if needs.gpus:
            asked["gpus_per_node"] = needs.gpus
        try:
            executor.update_parameters(**asked | self._settings)
        except (NameError, ValueError, AssertionError, TypeError) as error:
            told = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BenchError(f"--slurm: {told[0] if told else type(error).__name__}") from None
        return executor


class Errand:
    """What a job of SLURM calls. It can be called again: what is laid down is not done twice."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, batch: Sequence[Any]) -> Message:
        worker = Worker(self._job)
        told = worker.begin()
        return worker.do(batch) if told["is"] == "begun" else told

    def checkpoint(self, batch: Sequence[Any]) -> Any:
        """Called by submitit before the job is queued again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, batch)


class _Jobs:
    def __init__(self, job: Job, executor: Any, local: bool) -> None:
        self._errand = Errand(job)
        self._executor = executor
        self._local = local

    def start(self) -> Hand:
        return _Job(self._local)

    def heard(self, hands: Sequence[Hand], seconds: float) -> list[tuple[Hand, Message]]:
        own = [hand for hand in hands if isinstance(hand, _Job)]
        new = [hand for hand in own if hand.batch is not None and hand.job is None]
        if new:
            self._submit(new)
        said: list[tuple[Hand, Message]] = [(hand, told) for hand in own if (told := hand.said())]
        if not said:
            time.sleep(seconds)
        return said

    def _submit(self, new: Sequence[_Job]) -> None:
        try:
            jobs = self._executor.map_array(self._errand, [hand.batch for hand in new])
        except Exception as error:  # whatever sbatch says
            told = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise BenchError(
                f"SLURM takes no jobs: {told[-1] if told else type(error).__name__}; see --slurm"
            ) from None
        for hand, job in zip(new, jobs, strict=True):
            hand.job = job


class _Job:
    """Stands for one job after the other: each batch is a job of its own."""

    def __init__(self, local: bool) -> None:
        self._local = local
        self._begun = False
        self.batch: Sequence[Any] | None = None
        self.job: Any = None

    def give(self, batch: Sequence[Any]) -> None:
        self.batch = list(batch)

    def end(self, patience: float) -> None:
        if self.job is not None and not self.job.done():
            with suppress(Exception):  # it may have ended by itself
                self.job.cancel(check=False)
        if self._local and self.job is not None:
            with suppress(Exception):
                self.job._process.wait(PATIENCE)

    def said(self) -> Message | None:
        """That a place in the queue is free, or what became of its job, once."""
        if not self._begun:
            self._begun = True
            return {"is": "begun"}
        if self.job is None or not self.job.done():
            return None
        job, self.job, self.batch = self.job, None, None
        if self._local and not job.paths.result_pickle.exists():
            return {"is": "gone", "text": f"see {job.paths.stderr}"}
        failed = job.exception()
        if failed is not None:
            return {"is": "gone", "text": f"job {job.job_id}, {job.state}; see {job.paths.stderr}"}
        told: Message = job.result()
        return told


PATIENCE = 10.0
"""Seconds that a process in SLURM's place has to end when it is told to."""


def _setting(key: str, value: str) -> tuple[str, Any]:
    """A setting as submitit takes it."""
    name = ALIASES.get(key, key)
    if name in FIXED:
        raise BenchError(f"--slurm {key}: a worker is one task on one node; set --workers")
    if name == "timeout_min":
        return name, _minutes(value)
    number: Any = int(value) if re.fullmatch(r"\d+", value) else value
    if name == "mem_gb":
        number = float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else value
    return (name if name in SHARED else f"slurm_{name}"), number


def _minutes(text: str) -> int:
    """Minutes from `MINUTES`, `HH:MM:SS`, `D-HH`, `D-HH:MM` or `D-HH:MM:SS`, rounded up."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    found = re.fullmatch(r"(?:(\d+)-(\d+)(?::(\d+)(?::(\d+))?)?)|(?:(\d+):(\d+):(\d+))", text)
    if not found:
        raise BenchError(f"--slurm time={text}: give minutes, HH:MM:SS or D-HH:MM:SS")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    if found[5] is not None:
        hours, minutes, seconds = (int(part) for part in found.groups()[4:])
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)
