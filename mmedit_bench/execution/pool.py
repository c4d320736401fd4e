"""Many runs over a few processes, with nothing done twice."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.runs.provenance import resolved

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order."""

    order: Order
    folder: Path | None
    """None if the run could not be made."""
    failed: int
    """Edits that could not be made."""
    error: str | None
    seconds: float


def default_jobs() -> int:
    """As many runs at once as there are cores, up to four: each holds a backbone."""
    return min(4, os.cpu_count() or 1)


def carry_out(
    orders: Sequence[Order],
    out: Path,
    *,
    jobs: int = 1,
    artefacts: Path | None = None,
    told: Callable[[Outcome], object] = lambda outcome: None,
) -> list[Outcome]:
    """All runs below `out`, in the order given; those that are complete are not made again.

    Every run is made in a process that began for this call, never in the caller's: what an editor
    leaves behind in a process cannot reach who scores. The first run of every baseline comes first:
    the others find the unedited backbone's answers stored. A run that cannot be made is an outcome
    with an error, and the rest goes on; so is one whose editor has a defect (its traceback is
    logged), and one whose process died.
    """
    first = list({_baseline(order): i for i, order in reversed(list(enumerate(orders)))}.values())
    rest = [i for i in range(len(orders)) if i not in set(first)]
    outcomes: dict[int, Outcome] = {}
    # one process takes them in this order anyway, and need not begin twice
    for stage in (sorted(first), rest) if jobs > 1 else ([*sorted(first), *rest],):
        left = stage
        while left:
            for i, outcome in _some(left, orders, out, jobs, artefacts):
                outcomes[i] = outcome
                told(outcome)
            left = [i for i in left if i not in outcomes]
    return [outcomes[i] for i in range(len(orders))]


def look_over(orders: Sequence[Order], artefacts: Path | None = None) -> None:
    """Load the parts of all orders once, in a process of its own, before any of them is carried out.

    Raises `BenchError` as the first one does whose parts cannot be had or whose options are out of
    their range.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(artefacts,)) as pool:
        if problem := pool.submit(_problem, list(orders)).result():
            raise BenchError(problem)


def _problem(orders: Sequence[Order]) -> str | None:
    assert _workshop is not None
    for order in orders:
        try:
            made = _workshop.experiment(order)
            resolved(made.editor, made.backbone, order.options)
        except BenchError as error:
            return str(error)
    return None


def _baseline(order: Order) -> tuple[object, ...]:
    return (
        order.suite, order.split, order.backbone, order.device, order.dtype, order.batch_size, order.threads,
        order.evidence,
    )  # fmt: skip


def _some(
    indices: Sequence[int], orders: Sequence[Order], out: Path, jobs: int, artefacts: Path | None
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes as they come. Ends early, after an outcome for one of them, if a process dies."""
    # spawned, not forked: torch's threads and CUDA do not survive a fork
    with ProcessPoolExecutor(
        min(jobs, len(indices)), get_context("spawn"), initializer=_begin, initargs=(artefacts,)
    ) as pool:
        waiting: dict[Future[Outcome], int] = {pool.submit(_run, orders[i], out): i for i in indices}
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                i = waiting.pop(future)
                error = future.exception()
                if error is None:
                    yield i, future.result()
                    continue
                if not isinstance(error, OSError | RuntimeError):
                    raise error
                # Nobody can tell which of the runs under way ended the process; one of them is given
                # up for this call, and the others are begun anew, where they were.
                yield i, Outcome(orders[i], None, 0, f"its process ended ({error}); run again", 0.0)
                return


_workshop: Workshop | None = None


def _begin(artefacts: Path | None) -> None:
    global _workshop
    _workshop = Workshop(artefacts)


def _run(order: Order, out: Path) -> Outcome:
    assert _workshop is not None
    started = time.monotonic()
    try:
        result = _workshop.run(order, out)
    except BenchError as error:
        return Outcome(order, None, 0, str(error), time.monotonic() - started)
    except Exception as error:  # an editor's code may raise anything; the other runs go on
        log.exception("%s on %s, %s: a defect", order.editor, order.backbone, order.suite)
        said = f"{type(error).__name__}: {error}"
        return Outcome(order, None, 0, said, time.monotonic() - started)
    return Outcome(order, result.folder, result.failed, None, time.monotonic() - started)
