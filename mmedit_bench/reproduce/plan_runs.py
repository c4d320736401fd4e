"""The runs of a plan: what is ordered for each row, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.pool import Outcome, carry_out
from mmedit_bench.reproduce import wall_time
from mmedit_bench.reproduce.plan import Place, Plan, PlanRow


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One row on one block, with its outcome."""

    place: Place
    row: PlanRow
    outcome: Outcome

    @property
    def folder(self) -> Path | None:
        """None if the run could not be made; `outcome.error` says why."""
        return self.outcome.folder

    @property
    def title(self) -> str:
        """Which run this is, in one line."""
        return f"{self.place.title}: {self.row.key}"

    @property
    def trouble(self) -> str | None:
        """What a reader of the numbers must know; None for a run that is as it should be."""
        if self.outcome.error:
            return self.outcome.error
        return f"{self.outcome.failed} edits failed" if self.outcome.failed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """On what a plan is carried out. None of it but device and dtype changes a number."""

    engine: Engine = field(default_factory=LocalEngine)
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 16
    artefacts: Path | None = None
    loading: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By backbone, what is asked of it beyond its name: revision, weights, device_map."""


def made(
    plan: Plan, out: Path, means: Means, *, told: Callable[[PlannedRun], object] = lambda run: None
) -> list[PlannedRun]:
    """All runs of a plan, in its order, below `out`; those that are complete are not made again.

    A run that cannot be made is among them with its error. How long the call took is logged as runs
    end, so that little is lost of a call that is killed.
    """
    planned = list(plan.runs())
    orders = [order_for(plan, place, row, means) for place, row in planned]
    since = time.monotonic()

    def log(runs: int) -> None:
        nonlocal since
        now = time.monotonic()
        wall_time.log(out, plan, now - since, workers=means.engine.workers, runs=runs)
        since = now

    def tell(outcome: Outcome) -> None:
        log(1)
        told(PlannedRun(*planned[orders.index(outcome.order)], outcome))

    try:
        outcomes = carry_out(orders, out, engine=means.engine, artefacts=means.artefacts, told=tell)
    finally:
        log(0)
    return [PlannedRun(*own, outcome) for own, outcome in zip(planned, outcomes, strict=True)]


def order_for(plan: Plan, place: Place, row: PlanRow, means: Means) -> Order:
    """The run of a row on a block, as `mmedit-bench run` would order it."""
    return Order(
        suite=place.suite,
        backbone=place.backbone,
        editor=row.editor,
        protocol=place.protocol,
        protocol_options=dict(place.protocol_options),
        split=plan.split,
        limit=min((own for own in (place.limit, plan.limit) if own is not None), default=None),
        options=row.options,
        device=means.device,
        dtype=means.dtype,
        batch_size=means.batch_size,
        loading=means.loading.get(place.backbone, {}),
    )
