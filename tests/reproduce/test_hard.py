"""The table by `hard` beside the paper's, and what is said of the two orders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.reproduce import hard, results, tables
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.comparison import compared
from mmedit_bench.scoring.score import checked_run, scored
from mmedit_bench.scoring.scores import TEXT_ALONE
from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run

_, _, FT, IKE, UNIKE, *_ = EDITORS
SUITE = FakeSuite(count=20)
FAMILIES = ("generation", "teacher_forced_token")


def cell(value: float, wide: float = 2.0) -> dict[str, Any]:
    return {"value": value, "low": value - wide, "high": value + wide, "edits": 20}


def shown(own: float | None, value: float | None, wide: float = 2.0) -> dict[str, Any] | None:
    """Nothing of a row that has no `hard`."""
    return None if own is None or value is None else cell(value, wide)


def row(key: str, mean: float, own: float | None, **more: Any) -> dict[str, Any]:
    cells = {
        "reliability/main": cell(90), "mean": cell(mean), "hard_generality": shown(own, 80),
        "hard_locality": shown(own, 70), "hard": shown(own, own),
    }  # fmt: skip
    return {
        "key": key, "label": key.upper(), "editor": key, "version": "1", "options": {}, "published": None,
        "fingerprint": "f" * 64, "control": False, "complete": True, "failed": 0, "seconds_per_edit": 0.5,
        "cells": dict.fromkeys(FAMILIES, cells), "reasons": {}, **more,
    }  # fmt: skip


def pair(first: str, second: str, mean: float, own: float | None, wide: float = 2.0) -> dict[str, Any]:
    return {
        "first": first, "second": second, "mean": cell(mean, wide), "hard": shown(own, own, wide)
    }  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    apart = {family: {"mean": cell(3.0), "hard": cell(-9.0)} for family in FAMILIES}
    told = [
        pair("ft", "unike", 3.0, -9.0), pair("ft", "lora", 1.0, 4.0), pair("unike", "lora", -1.0, 13.0),
        pair("ft", "mend", 5.0, -1.0), pair("ft", "routed", 1.0, None),
    ]  # fmt: skip
    null = row("null", 33.0, 0.0, control=True)
    return {
        "title": "A table", "form": "table", "axis": "", "target": "t", "command": "c", "split": "s",
        "limit": 20, "wall_seconds": 5, "versions": {}, "published": None, "against": "unike",
        "blocks": [
            {
                "title": "suite on backbone", "resampled": "edits", "edits": 20,
                "rows": [
                    null, row("ft", 97.0, 80.0, difference=apart), row("unike", 94.0, 89.0),
                    row("routed", 50.0, None, reasons={name: {"hard": TEXT_ALONE} for name in FAMILIES}),
                ],
                "pairs": dict.fromkeys(FAMILIES, told),
            }
        ],
    }  # fmt: skip


def rows_of(text: str) -> list[str]:
    (_, table, *_) = text.split("**Ranked by hard, ")
    return [line for line in table.splitlines() if line.startswith("|")][2:]


def test_rows_are_ranked_by_it_and_controls_are_not(document: dict[str, Any]) -> None:
    document["blocks"][0]["pairs"] = {}
    lines = rows_of(tables.markdown(document))
    assert [[part.strip() for part in line.split("|")[1:3]] for line in lines] == [
        ["1", "UNIKE"], ["2", "FT"], ["", "ROUTED"], ["", "NULL (control)"],
    ]  # fmt: skip
    assert "| 80.0 ±2.0 | -9.0 \\[-11.0, -7.0\\] |" in lines[1]
    assert "–" in lines[2] and f"–: {TEXT_ALONE} (ROUTED)." in tables.markdown(document)
    text = tables.latex(document)
    assert text.count(r"\begin{tabular}") == 4 and "ranked by hard: suite on backbone" in text
    assert text.index("ROUTED") < text.index("ranked by hard")  # the paper's form comes first


def test_where_the_orders_differ_is_said(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    block["rows"] += [row("lora", 95.0, 76.0), row("mend", 92.0, 81.0)]
    said = hard.findings(block, "generation")
    assert said == (
        "Of 4 pairs 3 stand the other way round by hard than by the mean of five. "
        "As hard has them, both clear: UNIKE over FT; only hard clear: UNIKE over LORA; "
        "only the mean clear: MEND over FT. "
        "Of 2 pairs of the paper's editors 2 are told apart by the mean of five and 1 by hard "
        "(paired 95 % interval without 0)."
    )
    assert said in tables.markdown(document).replace("\\", "")
    block["pairs"] = {"generation": [pair("ft", "lora", 3.0, 4.0)]}
    assert hard.findings(block, "generation").startswith(
        "Of 1 pairs 0 stand the other way round by hard than by the mean of five; the two orders are the "
        "same."
    )
    assert hard.findings(block, "teacher_forced_token") == ""


def test_equals_by_one_summary_alone_are_no_equal_orders(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    block["rows"].append(row("lora", 95.0, 76.0))
    block["pairs"] = {"generation": [pair("ft", "lora", 0.0, 9.0)]}
    assert hard.findings(block, "generation") == (
        "Of 1 pairs 0 stand the other way round by hard than by the mean of five."
    )


def test_pairs_without_intervals_are_not_called_alike(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    block["rows"].append(row("mend", 92.0, 81.0))
    alone = {"value": 5.0, "low": None, "high": None}
    block["pairs"] = {"generation": [{"first": "ft", "second": "mend", "mean": alone, "hard": alone}]}
    block["resampled"] = "sequences"
    said = hard.findings(block, "generation")
    assert "There are too few sequences to tell pairs apart." in said and "0 by hard" not in said


def test_equals_share_a_place(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    block["pairs"] = {}
    block["rows"] += [row("lora", 95.0, 89.0), row("mend", 92.0, 81.0)]
    places = [line.split("|")[1].strip() for line in rows_of(tables.markdown(document))]
    assert places == ["1", "1", "3", "4", "", ""]


def test_documents_from_before_are_drawn_as_they_were(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    del block["pairs"]
    for one in block["rows"]:
        one["cells"] = {name: {"mean": one["cells"][name]["mean"]} for name in FAMILIES}
    for text in (tables.markdown(document), tables.latex(document)):
        assert "hard" not in text.lower()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    out = tmp_path_factory.mktemp("runs")
    return {one.name: checked_run(fake_run(out, SUITE, one), SUITE) for one in (FT, IKE, UNIKE)}


def test_pairs_are_those_of_a_comparison(runs: dict[str, Checked]) -> None:
    found = hard.pairs(
        runs, "generation", lambda *numbers: dict(zip(("value", "low", "high"), numbers, strict=True))
    )
    told = {(one.first, one.second, one.column): one.difference for one in compared(runs).pairs}
    assert [(one["first"], one["second"]) for one in found] == [
        ("ft", "ike"),
        ("ft", "unike"),
        ("ike", "unike"),
    ]
    for one in found:
        for name in ("mean", "hard"):
            other = told[one["first"], one["second"], name]
            assert tuple(one[name].values()) == pytest.approx((other.value, other.low, other.high))
    assert hard.pairs({}, "generation", results._numbers) == []


def test_committed_documents_are_drawn() -> None:
    for path in sorted(Path("docs/results/embedded").glob("table*.json")):
        document = results.read(path)
        text = tables.markdown(document)
        assert ("Ranked by hard" in text) == ("hard" in json.dumps(document))


def test_several_runs_have_the_mean_of_their_own(runs: dict[str, Checked], tmp_path: Path) -> None:
    other = FakeSuite("other", count=12)
    folders = [fake_run(tmp_path, other, FT)]
    pooled = results._pooled_cells([runs["ft"], checked_run(folders[0], other)])["generation"]["hard"]
    alone = [
        scored(folder, suite).family("generation").overall["hard"].value
        for folder, suite in ((folders[0], other), (fake_run(tmp_path, SUITE, FT), SUITE))
    ]
    assert None not in alone
    assert pooled["value"] == pytest.approx(sum(filter(None, alone)) / 2, abs=0.006)
    assert pooled["low"] < pooled["value"] < pooled["high"]
