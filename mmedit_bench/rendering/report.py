"""Several runs as tables, in the form asked for."""

from __future__ import annotations

from collections.abc import Sequence

from mmedit_bench.errors import BenchError
from mmedit_bench.rendering.table import ALL, blocks
from mmedit_bench.scoring.scores import RunScores

FORMATS = ("terminal", "markdown", "latex", "csv")


def render(
    runs: Sequence[RunScores],
    *,
    family: str = "generation",
    form: str = "terminal",
    sort: str = ALL,
    section: str | None = None,
    width: int = 100,
    color: bool = False,
) -> str:
    """Tables of one scorer family, one for each suite, backbone, protocol, split and baseline.

    With `section`, such as "harm" or "spread", tables of that instead, made of the family's measurements
    (CSV always holds all of them). `sort` is "all", "correction" or "counterfactual" (CSV always holds
    all three); `width` and `color` matter to the terminal only. Raises `BenchError` for unknown names,
    for no runs, and for numbers that must not share a column.
    """
    if form not in FORMATS:
        raise BenchError(f"there is no format {form!r}; choose one of {', '.join(FORMATS)}")
    if not runs:
        raise BenchError("there is no run to report; name at least one scored run")
    found = blocks(runs, family, sort=sort, by_baseline=True)
    match form:
        case "csv":
            from mmedit_bench.rendering.long_csv import long_csv

            return long_csv([row.scores for block in found for row in block.rows], family)
        case _ if section is not None:
            from mmedit_bench.rendering.grid import rendered
            from mmedit_bench.rendering.sections import grids

            return rendered(grids(found, section), form)
        case "markdown":
            from mmedit_bench.rendering.markdown import markdown

            return markdown(found)
        case "latex":
            from mmedit_bench.rendering.latex import latex

            return latex(found)
    from mmedit_bench.rendering.terminal import terminal  # rich is slow to import

    return terminal(found, width=width, color=color)
