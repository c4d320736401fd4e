"""What sequences add to a table: every number stands where its heading says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from mmedit_bench.reproduce import along, results
from mmedit_bench.reproduce.figures import decay
from mmedit_bench.scoring.columns import CONCISE
from mmedit_bench.scoring.retention import MeasureCell


def cell(value: float, half: float | None = 1.0) -> dict[str, Any]:
    low, high = (None, None) if half is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high}


def cells(value: float, half: float | None = 1.0) -> dict[str, Any]:
    return {key: cell(value, half) for key in CONCISE}


def row(label: str, base: float, **more: Any) -> dict[str, Any]:
    own = {
        "length": 20, "sequences": 6, "orders": 2,
        "curve": [{"at": 1, "cells": cells(base)}, {"at": 20, "cells": cells(base - 9, None)}],
        "retention": [{"at": 0, "cells": cells(base - 1)}, {"at": 10, "cells": cells(base - 60)}],
        "half_life": {
            "reliability/main": {"edits": 10, "low": None, "high": None, "oldest": 10, "reason": None}
        },
        "area": cells(base - 4), "order_deviation": cells(1.5),
        "interference": {"all": cells(2), "vqa": cells(3)},
    }  # fmt: skip
    measured = {
        "lm-eval facts acc": {
            "value": 0.5, "start": 0.75, "delta": cell(-0.25, 0.125), "collapsed": None, "units": 6,
        },
        "lm-eval answers perplexity": {
            "value": 9.0, "start": 3.0, "delta": cell(6.0, 0.5), "collapsed": 4, "units": 6,
        },
    }  # fmt: skip
    return {
        "label": label, "sequences": {"generation": own}, "tasks": {"generation": {"vqa": cells(base - 2)}},
        "measures": measured, "gap": cells(7), **more,
    }  # fmt: skip


def lines(text: list[str], label: str) -> list[list[str]]:
    return [
        [part.strip() for part in line.replace("\\", "").split("|")[1:-1]]
        for line in text
        if line.startswith(f"| {label}")
    ]


def heads(text: list[str]) -> list[list[str]]:
    return lines(text, "editor")


def test_each_number_stands_under_its_heading() -> None:
    text = along.tables([row("A", 90.0)])
    first, tasks, left = (
        dict(zip(head, own, strict=True)) for head, own in zip(heads(text), lines(text, "A"), strict=True)
    )
    assert first == {
        "editor": "A", "Rel after 1": "90.0 ±1.0", "Rel after 20": "81.0", "Rel at age 0": "89.0 ±1.0",
        "Rel at age 10": "30.0 ±1.0", "half-life": "10", "area": "86.0 ±1.0", "order": "1.5 ±1.0",
        "gap": "+7.0 [+6.0, +8.0]",
    }  # fmt: skip
    assert tasks["vqa: Rel"] == "88.0 ±1.0" and tasks["vqa: interference"] == "+3.0 [+2.0, +4.0]"
    assert left["collapsed"] == "4 of 6"
    assert left["lm-eval answers perplexity"] == "+6 [+5.5, +6.5]"
    assert left["lm-eval facts acc"] == "-0.25 [-0.375, -0.125]"
    told = "\n".join(text)
    assert "6 sequences of 20 edits, 2 orders each" in told and "perplexity 3" in told


def test_what_was_not_measured_has_no_column() -> None:
    bare = row("A", 90.0)
    own = bare["sequences"]["generation"]
    own |= {"retention": [], "half_life": {}, "interference": {}, "curve": own["curve"][:1]}
    bare |= {"gap": None, "tasks": {"generation": {}}, "measures": {}}
    text = along.tables([bare])
    assert heads(text) == [["editor", "Rel after 1", "order"]]
    assert "Half-life" not in "\n".join(text)
    assert along.tables([{"label": "A"}]) == []


def test_a_score_that_never_falls_under_half_says_how_long_it_was_watched() -> None:
    steady = row("A", 90.0)
    steady["sequences"]["generation"]["half_life"]["reliability/main"] |= {"edits": None, "oldest": 50}
    text = along.tables([steady])
    assert dict(zip(heads(text)[0], lines(text, "A")[0], strict=True))["half-life"] == "over 50"


def test_what_never_held_has_no_half_life_and_says_why() -> None:
    never = row("A", 90.0)
    never["sequences"]["generation"]["half_life"]["reliability/main"] |= {
        "edits": None, "oldest": None, "reason": "nothing was held at age 0",
    }  # fmt: skip
    text = along.tables([never, row("B", 80.0)])
    assert dict(zip(heads(text)[0], lines(text, "A")[0], strict=True))["half-life"] == "–"
    assert "–: no half-life, nothing was held at age 0 (A)." in text


def test_a_share_is_written_as_exactly_as_a_percentage() -> None:
    cell = MeasureCell(0.28584474885844746, 0.29, -0.0049123, -0.0074999, -0.0000001, 70, 5, None, 0)
    scores = SimpleNamespace(sequences={}, families={}, measures={"lm-eval": {"end": {"acc": cell}}})
    found = along.measured(scores, results._numbers, results._shares)  # type: ignore[arg-type]
    own = found["measures"]["lm-eval acc"]
    assert (own["value"], own["start"]) == (0.28584, 0.29)
    assert own["delta"] == {"value": -0.00491, "low": -0.0075, "high": 0.0}
    assert str(own["delta"]["high"]) == "0.0"  # and not -0.0


def test_the_figure_has_a_line_and_a_band_for_each_editor() -> None:
    rows = [row(f"editor {number}", 95.0 - number) for number in range(12)]
    block = {"title": "suite on backbone", "edits": 120, "rows": [*rows, {"label": "could not be run"}]}
    drawn = decay({"title": "Decay", "blocks": [block]})
    assert drawn == decay({"title": "Decay", "blocks": [block]})
    text = drawn["svg"].decode()
    assert all(f"editor {number}" in text for number in range(12)) and "could not be run" not in text
