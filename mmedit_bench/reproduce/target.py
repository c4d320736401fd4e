"""A table or figure of the paper by its name: its runs, its document, and the files made from that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.reproduce import figures, latent_spaces, results, tables, wall_time
from mmedit_bench.reproduce.finished import finished
from mmedit_bench.reproduce.plan import Plan
from mmedit_bench.reproduce.plan_runs import Means, PlannedRun, made
from mmedit_bench.reproduce.plans import PLANS
from mmedit_bench.runs.files import make_folder, write_whole

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite


@dataclass(frozen=True, slots=True)
class Produced:
    """What a call came to."""

    written: tuple[Path, ...]
    incomplete: tuple[str, ...]
    """A line for each run that could not be made or in which edits failed."""


def plan_of(target: str) -> Plan:
    """Raises `BenchError` listing the targets."""
    if target not in PLANS:
        raise BenchError(f"there is no target {target!r}; choose one of {', '.join(PLANS)}")
    return PLANS[target]


def produced(
    target: str | Plan,
    out: Path,
    runs: Path,
    means: Means,
    *,
    command: str,
    limit: int | None = None,
    as_they_lie: bool = False,
    told: Callable[[PlannedRun], object] = lambda run: None,
) -> Produced:
    """Make the runs that are missing below `runs`, and write the target's files into `out`.

    With `as_they_lie` none is made, and no backbone loaded: they were made elsewhere. `told` is called
    with each run as it ends. Raises `BenchError` if no run could be made, or found.
    """
    plan = target if isinstance(target, Plan) else plan_of(target)
    if limit is not None:
        plan = dataclasses.replace(plan, limit=limit if plan.limit is None else min(limit, plan.limit))
    if as_they_lie and plan.form == "spaces":
        raise BenchError(f"{plan.target} is drawn from a loaded editor; make it where its backbone is")
    make_folder(out)  # a place that cannot be written is told before hours of work, not after
    own = finished(plan, runs, means) if as_they_lie else made(plan, runs, means, told=told)
    if not any(run.folder for run in own):
        had = "found" if as_they_lie else "made"
        raise BenchError(f"{plan.target}: no run could be {had}; the first says: {own[0].trouble}")
    suites: dict[str, Suite] = {place.suite: SUITES.load(place.suite)() for place in plan.places}
    wall = wall_time.total(runs, plan)
    document = results.collect(plan, own, suites, command=command, wall=wall)
    if plan.form == "spaces":
        document |= latent_spaces.measured(plan, own, suites, means)
    path = out / f"{plan.target}.json"
    write_whole(path, results.text_of(document).encode())
    incomplete = tuple(f"{run.title}: {run.trouble}" for run in own if run.trouble)
    # from the file and not from memory, so that a later rendering has the same to work with
    return Produced((path, *_rendered(results.read(path), out)), incomplete)


def rendered(target: str, out: Path) -> list[Path]:
    """Everything but the JSON, written anew from the JSON. Raises `BadRecord` for one that is none."""
    path = out / f"{plan_of(target).target}.json"
    document = results.read(path)
    try:
        return _rendered(document, out)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise BadRecord(
            f"{path} is not as this version writes it ({type(error).__name__}: {error}); reproduce it again"
        ) from error


def _rendered(document: Mapping[str, Any], out: Path) -> list[Path]:
    files: dict[str, bytes] = {"md": tables.markdown(document).encode()}
    match document["form"]:
        case "table" | "means":
            files["tex"] = tables.latex(document).encode()
        case "decay":
            files |= figures.decay(document)
        case "curves":
            files |= figures.curves(document)
        case "bars":
            files |= figures.bars(document)
        case "spaces":
            suites = {block["suite"]: SUITES.load(block["suite"])() for block in document["blocks"]}
            files |= latent_spaces.drawn(document, suites)
    written = []
    for suffix, data in files.items():
        path = out / f"{document['target']}.{suffix}"
        write_whole(path, data)
        written.append(path)
    return written
