"""Carrying out a plan: many runs over a few processes, with nothing done twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.local import Order, Workshop
from mmedit_bench.reproduce.plans import Entry, Place, Plan

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run."""

    place: Place
    entry: Entry
    folder: Path | None
    """None if the run could not be made."""
    failed: int
    """Edits that raised."""
    error: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """On what a plan is carried out. None of it but device and dtype changes a number."""

    jobs: int = 1
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 16
    artefacts: Path | None = None


def carry_out(
    plan: Plan, out: Path, means: Means, *, note: Notify, progress: Callable[[int, int], None]
) -> list[Outcome]:
    """All runs of a plan, in its order, below `out`; those that are complete are not made again.

    The first run of every block comes first: the others find the unedited backbone's answers
    stored. A run that cannot be made is reported as an outcome and the rest goes on. Processes
    share the cores; each has its own backbone.
    """
    started = time.monotonic()
    jobs = list(plan.jobs())
    first = [index for index, (_, entry) in enumerate(jobs) if entry is plan.entries[0]]
    rest = [index for index in range(len(jobs)) if index not in set(first)]
    outcomes: dict[int, Outcome] = {}
    orders = [_order(plan, place, entry, means) for place, entry in jobs]

    def finished(index: int, outcome: tuple[Path | None, int, str | None, float]) -> None:
        place, entry = jobs[index]
        outcomes[index] = Outcome(place, entry, *outcome)
        what = f"{place.backbone} {place.suite} {entry.key}"
        _, failed, error, seconds = outcome
        said = (
            f"failed: {error}"
            if error
            else f"{seconds:.0f} s" + (f", {failed} edits failed" if failed else "")
        )
        note(f"{len(outcomes)}/{len(jobs)} {what}: {said}")
        progress(len(outcomes), len(jobs))

    try:
        if means.jobs == 1:
            workshop = Workshop(means.artefacts)
            for index in (*first, *rest):
                finished(index, _made(workshop, orders[index], out))
        else:
            with _pool(means) as pool:
                for stage in (first, rest):
                    waiting: dict[Future[tuple[Path | None, int, str | None, float]], int] = {
                        pool.submit(_run, orders[index], out): index for index in stage
                    }
                    while waiting:
                        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in done:
                            finished(waiting.pop(future), future.result())
    finally:
        _log(out, plan.target, time.monotonic() - started, means.jobs, len(outcomes))
    return [outcomes[index] for index in range(len(jobs))]


def wall_seconds(out: Path, target: str) -> float:
    """Wall seconds that all calls for a target have taken so far."""
    return sum(float(entry["seconds"]) for entry in _logged(out, target))


def _order(plan: Plan, place: Place, entry: Entry, means: Means) -> Order:
    return Order(
        suite=place.suite,
        backbone=place.backbone,
        editor=entry.editor,
        split=plan.split,
        limit=plan.limit,
        options=entry.options,
        device=means.device,
        dtype=means.dtype,
        batch_size=means.batch_size,
    )


def _made(workshop: Workshop, order: Order, out: Path) -> tuple[Path | None, int, str | None, float]:
    started = time.monotonic()
    try:
        result = workshop.run(order, out)
    except BenchError as error:
        return None, 0, str(error), time.monotonic() - started
    return result.folder, result.failed, None, time.monotonic() - started


# ---- processes

_workshop: Workshop | None = None


def _pool(means: Means) -> ProcessPoolExecutor:
    # spawned, not forked: torch's threads and CUDA do not survive a fork
    threads = max(1, (os.cpu_count() or 1) // means.jobs)
    return ProcessPoolExecutor(
        means.jobs, get_context("spawn"), initializer=_begin, initargs=(threads, means.artefacts)
    )


def _begin(threads: int, artefacts: Path | None) -> None:
    global _workshop
    import torch

    torch.set_num_threads(threads)
    _workshop = Workshop(artefacts)


def _run(order: Order, out: Path) -> tuple[Path | None, int, str | None, float]:
    assert _workshop is not None
    return _made(_workshop, order, out)


# ---- how long it took


def _log(out: Path, target: str, seconds: float, jobs: int, runs: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"target": target, "seconds": round(seconds, 1), "jobs": jobs, "runs": runs})
    with (out / "reproduce.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _logged(out: Path, target: str) -> Iterator[Mapping[str, Any]]:
    path = out / "reproduce.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # torn by a killed writer; times are for people
        if entry.get("target") == target:
            yield entry
