"""Many runs over a few workers, with nothing done twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.gang import gang
from mmedit_bench.execution.jobs import OrdersJob, elsewhere, needs_of
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.processes import own_process
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.plugins.registry import BACKBONES, EDITORS
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.provenance import resolved


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


def default_workers() -> int:
    """As many runs at once as there are cores, up to four: each holds a backbone."""
    return min(4, os.cpu_count() or 1)


def carry_out(
    orders: Sequence[Order],
    out: Path,
    *,
    engine: Engine,
    artefacts: Path | None = None,
    told: Callable[[Outcome], object] = lambda outcome: None,
) -> list[Outcome]:
    """All runs below `out`, in the order given; those that are complete are not made again.

    Every run is made in a process that began for this call, never in the caller's: what an editor
    leaves behind in a process cannot reach who scores. The first run of every baseline comes first:
    the others find the unedited backbone's answers stored. A run that cannot be made is an outcome
    with an error, and the rest goes on; so is one whose editor has a defect (its traceback is
    logged), and one over which several workers died.
    """
    first = list({_baseline(order): i for i, order in reversed(list(enumerate(orders)))}.values())
    rest = [i for i in range(len(orders)) if i not in set(first)]
    # one worker takes them in this order anyway, and need not be asked twice
    alone = engine.workers == 1
    stages = ([*sorted(first), *rest],) if alone else (sorted(first), rest)
    books = _Runs(orders, out, told)
    with elsewhere(engine, out) as shared:
        kept = (artefacts or default_folder()).absolute()
        job = OrdersJob(tuple(orders), out.absolute(), kept, shared)
        with gang(engine, job, out) as workers:
            for stage in stages:
                workers.have_done(stage, books)
    return [books.outcomes[i] for i in range(len(orders))]


def look_over(orders: Sequence[Order], artefacts: Path | None = None) -> None:
    """Load the parts of all orders once, in a process of its own, before any of them is carried out.

    Raises `BenchError` as the first one does whose parts cannot be had or whose options are out of
    their range.
    """
    with own_process(needs_of(orders).gpus) as pool:  # backbones are loaded where they will run
        if problem := pool.submit(_problem, list(orders), artefacts).result():
            raise BenchError(problem)


def look_first(order: Order, *, apart: bool = False) -> None:
    """Refuse names that nobody bears, and options that are not taken, before anything is measured.

    The editor's options are tried in a process that ends with this call; no backbone is loaded for it.
    An editor that runs `apart` says what it takes in its own process alone, once that is started.
    Raises `BenchError`.
    """
    EDITORS.entry(order.editor)
    BACKBONES.entry(order.backbone)
    Workshop.protocol(order)
    if order.options and not apart:
        with own_process(needs_of([order]).gpus) as pool:
            if problem := pool.submit(_refusal, order).result():
                raise BenchError(problem)


def _refusal(order: Order) -> str | None:
    try:
        Workshop.editor(order)
    except BenchError as error:
        return str(error)
    return None


def _problem(orders: Sequence[Order], artefacts: Path | None) -> str | None:
    workshop = Workshop(artefacts)
    for order in orders:
        try:
            made = workshop.experiment(order)
            resolved(made.editor, made.backbone, order.options)
        except BenchError as error:
            return str(error)
    return None


def _baseline(order: Order) -> tuple[object, ...]:
    return (
        order.suite, order.secret, order.split, order.backbone, order.device, order.dtype,
        tuple(sorted(order.loading.items())), order.batch_size, order.threads, order.evidence,
    )  # fmt: skip


class _Runs:
    """The books of many runs: one is done when its folder is complete, or an error is known."""

    def __init__(self, orders: Sequence[Order], out: Path, told: Callable[[Outcome], object]) -> None:
        self._orders = orders
        self._out = out
        self._told = told
        self._said: dict[int, Outcome] = {}
        """What workers say."""
        self.outcomes: dict[int, Outcome] = {}
        """What is so."""

    def batch(self, items: Sequence[int]) -> list[Any]:
        return list(items)

    def take(self, items: Sequence[int], result: Any) -> None:
        for item, found in zip(items, result, strict=True):
            folder = self._out / Path(found["folder"]).name if found["folder"] else None
            self._said[item] = Outcome(
                self._orders[item], folder, found["failed"], found["error"], found["seconds"]
            )

    def missing(self, items: Sequence[int]) -> list[int]:
        for item in items:
            if item not in self.outcomes and (said := self._said.get(item)) and _confirmed(said):
                self._settle(item, said)
        return [item for item in items if item not in self.outcomes]

    def name(self, item: int) -> str:
        order = self._orders[item]
        return f"the run of {order.editor} on {order.backbone}, {order.suite}"

    def give_up(self, item: int, deaths: int, reason: str) -> None:
        why = f" ({reason})" if reason else ""
        error = f"{deaths} workers ended while they made it{why}; run again with fewer --workers"
        self._settle(item, Outcome(self._orders[item], None, 0, error, 0.0))

    def tick(self) -> None:
        """Runs are told of as they are done."""

    def _settle(self, item: int, outcome: Outcome) -> None:
        self.outcomes[item] = outcome
        self._told(outcome)


def _confirmed(said: Outcome) -> bool:
    """Whether the folder holds what is said of it."""
    if said.folder is None:
        return said.error is not None
    try:
        return read_run(said.folder).complete
    except BadRecord:
        return False
