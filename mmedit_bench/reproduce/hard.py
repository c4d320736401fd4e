"""The summary `hard` beside the paper's mean of five: a table of its own, and where the two orders differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from mmedit_bench.rendering import latex as tex
from mmedit_bench.rendering import markdown as md
from mmedit_bench.rendering.wording import difference, with_margin
from mmedit_bench.reproduce import along
from mmedit_bench.reproduce.published import compares
from mmedit_bench.reproduce.rows import Row, apart, bounded, made, notes
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import column
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.groups import HARD, SUMMARIES
from mmedit_bench.scoring.intervals import Drawn, Estimate, between, drawn, estimated
from mmedit_bench.scoring.paired import same_edits

COLUMNS = ("reliability/main", "hard_generality", "hard_locality", HARD)
MEAN = "mean"

Pair = Mapping[str, Any]


def pairs(runs: Mapping[str, Checked], family: str, numbers: along.Numbers) -> list[dict[str, Any]]:
    """By both summaries the paired difference, in percentage points, of all pairs of runs, by their keys.

    Every run is resampled once. None where one of the two has no number. Raises `BenchError` as `paired`.
    """
    values = {key: edit_values(run, family) for key, run in runs.items()}
    found: dict[str, Drawn] = {}
    for key, own in values.items():
        first = next(iter(values))
        same_edits(runs[first], runs[key], values[first], own)
        found[key] = drawn(own.without(own.empty), own.clusters, own.columns, own.groups).only(SUMMARIES)
    return [
        {"first": one, "second": other}
        | {
            name: None if span is None else _written(span.times(100), numbers)
            for name, span in estimated(between(found[one], found[other])).items()
        }
        for one, other in combinations(found, 2)
    ]


def _written(span: Estimate, numbers: along.Numbers) -> dict[str, Any]:
    return numbers(span.value, span.low, span.high)


# ---- what is said


def ordered(block: Mapping[str, Any], family: str) -> list[Row]:
    """The rows of a block by `hard`, the best first; then those without a number, and controls.

    Empty if no row has a number of it.
    """

    def order(row: Row) -> tuple[bool, bool, float]:
        cell = row["cells"][family].get(HARD)
        return row["control"], cell is None, -cell["value"] if cell else 0.0

    rows = made(block)
    return sorted(rows, key=order) if any(row["cells"][family].get(HARD) for row in rows) else []


def findings(block: Mapping[str, Any], family: str) -> str:
    """Where the order by `hard` and that by the mean of five differ, and how many pairs each tells apart.

    Empty for a document from before pairs were compared.
    """
    both = _numbered(block, family)
    if not both:
        return ""
    names = {row["key"]: row["label"] for row in block["rows"]}
    turned = [pair for pair in both if pair[HARD]["value"] * pair[MEAN]["value"] < 0]
    said = [
        f"Of {len(both)} pairs {len(turned)} stand the other way round by hard than by the mean of five"
        + ("; the two orders are the same" if _agree(both) else "")
        + "."
    ]
    kinds = {
        "both clear": (True, True),
        "only hard clear": (True, False),
        "only the mean clear": (False, True),
        "neither clear": (False, False),
    }
    listed = [
        f"{words}: {', '.join(_over(pair, names) for pair in own)}"
        for words, wanted in kinds.items()
        if (own := [pair for pair in turned if (apart(pair[HARD]), apart(pair[MEAN])) == wanted])
    ]
    said += [f"As hard has them, {'; '.join(listed)}."] if listed else []
    paper, by_mean, by_hard = told_apart(block, family)
    if paper and not any(bounded(pair[name]) for pair in both for name in (MEAN, HARD)):
        said.append(f"There are too few {block['resampled']} to tell pairs apart.")
    elif paper:
        said.append(
            f"Of {paper} pairs of the paper's editors {by_mean} are told apart by the mean of five "
            f"and {by_hard} by hard (paired 95 % interval without 0)."
        )
    return " ".join(said)


def told_apart(block: Mapping[str, Any], family: str) -> tuple[int, int, int]:
    """How many pairs of the paper's editors a block has, and how many the mean and `hard` tell apart."""
    own = [pair for pair in _numbered(block, family) if {pair["first"], pair["second"]} <= compares()]
    by_mean, by_hard = (sum(apart(pair[name]) for pair in own) for name in (MEAN, HARD))
    return len(own), by_mean, by_hard


def _numbered(block: Mapping[str, Any], family: str) -> list[Pair]:
    """The pairs that both summaries have a number of."""
    return [pair for pair in block.get("pairs", {}).get(family, ()) if pair[HARD] and pair[MEAN]]


def _agree(both: Sequence[Pair]) -> bool:
    """Whether every pair stands the same way by both, equals beside equals."""
    return all(_sign(pair[HARD]) == _sign(pair[MEAN]) for pair in both)


def _sign(cell: Mapping[str, Any]) -> int:
    return int(cell["value"] > 0) - int(cell["value"] < 0)


def _over(pair: Pair, names: Mapping[str, str]) -> str:
    first, second = names[pair["first"]], names[pair["second"]]
    return f"{first} over {second}" if pair[HARD]["value"] > 0 else f"{second} over {first}"


# ---- tables


def markdown(block: Mapping[str, Any], family: str, against: str | None) -> list[str]:
    """The table and what is said of it; no lines for a block without numbers of `hard`."""
    rows = ordered(block, family)
    if not rows:
        return []
    head = ["", "editor", *_heads(against)]
    lines = ["", f"**Ranked by hard, {family_named(family).title}**", "", md.line(head)]
    lines.append(md.line(["---:", "---", *["---:"] * (len(head) - 2)], keep=True))
    for place, row in _placed(rows, family):
        name = row["label"] + (" (control)" if row["control"] else "")
        lines.append(
            md.line([place, name, *_texts(row, family, with_margin), *_versus(row, family, against)])
        )
    for note in [*notes(rows, COLUMNS, family), findings(block, family)]:
        lines += ["", md.escaped(note)] if note else []
    return lines


def latex(results: Mapping[str, Any], block: Mapping[str, Any], family: str, against: str | None) -> str:
    """The same as a floating table; empty for a block without numbers of `hard`."""
    rows = ordered(block, family)
    if not rows:
        return ""
    head = ["", "Editor", *_heads(against)]
    body = []
    for place, row in _placed(rows, family):
        versus = [f"${text}$".replace(" ", r"\;") if text else "" for text in _versus(row, family, against)]
        texts = [place, tex.escaped(row["label"]), *_texts(row, family, tex.numbered), *versus]
        body.append(" & ".join(texts) + r" \\")
    caption = (
        f"{results['title']}, ranked by hard: {block['title']}, {block['edits']} edits. "
        f"{family_named(family).title}; percent with half the 95 % interval (bootstrap over "
        f"{block['resampled']}). {findings(block, family)}"
    )
    heads = [" & ".join(map(tex.escaped, head)) + r" \\"]
    under = notes(rows, COLUMNS, family)
    return tex.floating(caption.strip(), f"rl{'r' * (len(head) - 2)}", heads, body, under)


def _heads(against: str | None) -> list[str]:
    return [*(column(key).short for key in COLUMNS), *([f"vs {against}"] if against else [])]


def _placed(rows: Sequence[Row], family: str) -> list[tuple[str, Row]]:
    """Rows with their places, equals with one; controls, and rows without a number, have none."""
    numbers = [None if row["control"] else row["cells"][family].get(HARD) for row in rows]
    values = [None if cell is None else cell["value"] for cell in numbers]
    return [
        ("" if value is None else str(values.index(value) + 1), row)
        for value, row in zip(values, rows, strict=True)
    ]


def _texts(row: Row, family: str, spelt: Callable[[Any], str]) -> list[str]:
    return [spelt(along.cell_of(row["cells"][family].get(key))) for key in COLUMNS]


def _versus(row: Row, family: str, against: str | None) -> list[str]:
    if not against:
        return []
    delta = row.get("difference", {}).get(family, {}).get(HARD)
    return ["" if delta is None else difference(delta["value"], delta["low"], delta["high"])]
