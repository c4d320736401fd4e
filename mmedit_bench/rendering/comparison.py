"""Runs compared pair by pair, as tables."""

from __future__ import annotations

from collections.abc import Iterator

from mmedit_bench.rendering.escaping import cell as harmless
from mmedit_bench.rendering.grid import Grid, csv_of, rendered
from mmedit_bench.rendering.wording import difference
from mmedit_bench.scoring.columns import column
from mmedit_bench.scoring.comparison import Comparison, Pair

FIELDS = (
    "family", "column", "label", "first", "second", "difference", "low", "high", "p", "p_holm", "won", "lost",
    "tied", "edits", "clusters",
)  # fmt: skip


def render(found: Comparison, form: str) -> str:
    """`form` is "terminal", "markdown", "latex" or "csv" (one line for each pair and column, exact)."""
    if form == "csv":
        return csv_of(FIELDS, [tuple(map(harmless, _exact(found, pair))) for pair in found.pairs])
    return rendered([_places(found), _pairs(found)], form)


def _places(found: Comparison) -> Grid:
    columns = [column(name) for name in found.columns]
    level = f"{100 * (1 - found.alpha):g} %"
    return Grid(
        f"Means in percent and places, {found.edits} edits each",
        f"By {found.family}. In brackets the places that the tests below leave, all right at once in "
        f"{level} of such comparisons.",
        ("run", *(item.short for item in columns)),
        tuple((name, *(_place(found, item.key, name) for item in columns)) for name in found.names),
    )


def _place(found: Comparison, column: str, run: str) -> str:
    return f"{found.values[column][run].value:.1f} [{found.ranks[column][run]}]"


def _pairs(found: Comparison) -> Grid:
    clustered = "" if found.clusters == found.edits else f" in {found.clusters} clusters"
    return Grid(
        "Differences in points with 95 % intervals",
        "p: two-sided paired permutation test, as it is and after Holm's correction over the pairs of a "
        f"column; won and lost count edits{clustered}.",
        ("column", "first", "second", "first - second", "p", "p Holm", "won", "lost", "tied"),
        tuple(_row(pair) for pair in found.pairs),
        words=3,
    )


def _row(pair: Pair) -> tuple[str, ...]:
    one = pair.difference
    counts = (str(pair.won), str(pair.lost), str(pair.tied))
    return (
        column(pair.column).short, pair.first, pair.second, difference(one.value, one.low, one.high),
        chance(pair.p), chance(pair.holm), *counts,
    )  # fmt: skip


def chance(p: float) -> str:
    """A p-value with as many decimals as say something: 0.34, 0.012, <0.0001."""
    if p < 1e-4:
        return "<0.0001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.001 else f"{p:.4f}"


def _exact(found: Comparison, pair: Pair) -> tuple[object, ...]:
    one = pair.difference
    return (
        found.family, pair.column, found.labels[pair.column], pair.first, pair.second,
        one.value, one.low, one.high, pair.p, pair.holm, pair.won, pair.lost, pair.tied,
        found.edits, found.clusters,
    )  # fmt: skip


def as_rows(found: Comparison) -> Iterator[dict[str, object]]:
    """The pairs for scripts."""
    for pair in found.pairs:
        yield dict(zip(FIELDS, _exact(found, pair), strict=True))
