"""One call for a target: its runs, its document, and the files made from that."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.reproduce import figures, results, spaces, tables
from mmedit_bench.reproduce.plans import PLANS, Plan
from mmedit_bench.reproduce.work import Means, Notify, carry_out, wall_seconds

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


@dataclass(frozen=True, slots=True)
class Produced:
    """What a call came to."""

    written: tuple[Path, ...]
    incomplete: tuple[str, ...]
    """A line for each run that could not be made or in which edits failed."""


def default_jobs() -> int:
    """As many runs at once as there are cores, up to four: each holds a backbone."""
    return min(4, os.cpu_count() or 1)


def plan_of(target: str) -> Plan:
    """Raises `BenchError` listing the targets."""
    if target not in PLANS:
        raise BenchError(f"there is no target {target!r}; choose one of {', '.join(PLANS)}")
    return PLANS[target]


def produce(
    target: str | Plan,
    out: Path,
    runs: Path,
    means: Means,
    *,
    command: str,
    limit: int | None = None,
    note: Notify = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Produced:
    """Make the runs that are missing below `runs`, and write the target's files into `out`."""
    plan = target if isinstance(target, Plan) else plan_of(target)
    if limit is not None:
        plan = dataclasses.replace(plan, limit=min(limit, plan.limit))
    outcomes = carry_out(plan, runs, means, note=note, progress=progress)
    if not any(outcome.folder for outcome in outcomes):
        raise BenchError(f"{plan.target}: no run could be made; the first says: {outcomes[0].error}")
    suites: dict[str, Suite] = {place.suite: SUITES.load(place.suite)() for place in plan.places}
    wall = wall_seconds(runs, plan.target)
    document = results.collect(plan, outcomes, suites, command=command, wall=wall)
    if plan.form == "spaces":
        document |= spaces.measured(plan, outcomes, suites, means)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{plan.target}.json"
    _write(path, results.text_of(document).encode())
    incomplete = tuple(
        f"{o.place.backbone} {o.place.suite} {o.entry.key}: {o.error or f'{o.failed} edits failed'}"
        for o in outcomes
        if o.error or o.failed
    )
    # from the file and not from memory, so that a later rendering has the same to work with
    return Produced((path, *_rendered(results.read(path), out)), incomplete)


def render(target: str, out: Path) -> list[Path]:
    """Everything but the JSON, written anew from the JSON. Raises `BadRecord` where there is none."""
    return _rendered(results.read(out / f"{plan_of(target).target}.json"), out)


def _rendered(document: Mapping[str, Any], out: Path) -> list[Path]:
    files: dict[str, bytes] = {"md": tables.markdown(document).encode()}
    match document["form"]:
        case "table":
            files["tex"] = tables.latex(document).encode()
        case "curves":
            files |= figures.curves(document)
        case "bars":
            files |= figures.bars(document)
        case "spaces":
            suites = {block["suite"]: SUITES.load(block["suite"])() for block in document["blocks"]}
            files |= spaces.drawn(document, suites)
    written = []
    for suffix, data in files.items():
        path = out / f"{document['target']}.{suffix}"
        _write(path, data)
        written.append(path)
    return written


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.write_bytes(data)
    unfinished.replace(path)
