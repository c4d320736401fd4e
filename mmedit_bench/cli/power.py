"""`mmedit-bench power`: how many edits it takes to see a difference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.compare import checked_all
from mmedit_bench.cli.output import Output, speaks
from mmedit_bench.cli.report import FamilyName
from mmedit_bench.cli.score import SECRET

if TYPE_CHECKING:
    from mmedit_bench.scoring.power import Needed

FORMATS = ("terminal", "markdown")
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("other", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@SECRET
@click.option(
    "--difference", type=click.FloatRange(0, 100, min_open=True), default=1.0, show_default=True,
    help="The difference to be seen, in points.",
)  # fmt: skip
@click.option("--power", type=SHARE, default=0.8, show_default=True, help="Chance of seeing it.")
@click.option("--alpha", type=SHARE, default=0.05, show_default=True, help="Level of the two-sided test.")
@click.option(
    "--family", type=FamilyName(), default="generation", show_default=True, help="What is measured."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True)
@speaks
def power(
    run: Path,
    other: Path | None,
    secret: Path | None,
    difference: float,
    power: float,
    alpha: float,
    family: str,
    form: str,
    output: Output,
) -> None:
    """How many edits are needed to see a difference, from the variance of runs at hand.

    With two runs on the same edits, the variance is that of their difference, edit by edit. With one
    run it is assumed that another editor varies as much and independently of it, which asks for more
    edits than a paired comparison usually needs.

    \b
    Examples:
      mmedit-bench power runs/*--ft--* --difference 2
      mmedit-bench power runs/A runs/B --power 0.9
    """
    from mmedit_bench.rendering.grid import Grid, rendered
    from mmedit_bench.scoring.columns import SHOWN, column
    from mmedit_bench.scoring.planning import planned_for

    runs = checked_all([run, *([other] if other else [])], secret)
    plan = planned_for(list(runs.values()), family, SHOWN, difference, power=power, alpha=alpha)
    rows = [{"column": name} | _values(found) for name, found in plan.needed.items()]
    per = "edit by edit" if plan.paired else "as if another editor varied as much, independently"
    at_hand = f"{plan.edits} edits" + (
        "" if plan.clusters == plan.edits else f" in {plan.clusters} clusters, which are what counts"
    )
    grid = Grid(
        f"Edits needed to see {difference:g} points",
        f"By {family}, in {100 * power:g} % of attempts at level {alpha:g}; {per}. At hand: {at_hand}.",
        ("column", "edits", "clusters", "seen with those at hand", "chance with those at hand"),
        tuple((column(name).short, *_texts(found)) for name, found in plan.needed.items()),
    )
    text = rendered([grid], form)
    if None in plan.needed.values():
        text += "\n–: all edits agree here, or there are too few; nothing is known of the variance.\n"
    settings = {"difference": difference, "power": power, "alpha": alpha, "family": family}
    counts = {"edits": plan.edits, "clusters": plan.clusters, "paired": plan.paired}
    output.result(settings | counts | {"columns": rows}, prose=text.rstrip("\n"))


def _values(found: Needed | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(("edits", "clusters", "detectable", "power_at_hand"))
    return {
        "edits": found.edits,
        "clusters": found.clusters,
        "detectable": found.detectable,
        "power_at_hand": found.power,
    }


def _texts(found: Needed | None) -> tuple[str, ...]:
    if found is None:
        return ("–",) * 4
    return (
        f"{found.edits:,}",
        f"{found.clusters:,}",
        f"{found.detectable:.1f} points",
        f"{100 * found.power:.0f} %",
    )
