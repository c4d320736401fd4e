"""Measured tables where numbers or intervals are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord
from mmedit_bench.reproduce import results, tables
from mmedit_bench.reproduce.figures import curves
from mmedit_bench.scoring.scores import TEXT_ALONE, TOO_FEW

FAMILIES = ("generation", "teacher_forced_token")
LONE = {"value": 54.3, "low": None, "high": None, "edits": 20}
WIDE = {"value": 61.0, "low": 50.0, "high": 70.0, "edits": 20}
KEYS = ("reliability/main", "generality", "locality", "mean")


def row(key: str, cell: dict[str, Any] | None, reason: str | None, **more: Any) -> dict[str, Any]:
    reasons = dict.fromkeys(KEYS, reason) if reason else {}
    return {
        "key": key, "label": key.upper(), "editor": key, "version": "1", "options": {}, "curve": key, "at": 1,
        "published": None, "fingerprint": "f" * 64, "control": False, "complete": True, "failed": 0,
        "seconds_per_edit": 0.5, "cells": {family: dict.fromkeys(KEYS, cell) for family in FAMILIES},
        "reasons": dict.fromkeys(FAMILIES, reasons), **more,
    }  # fmt: skip


@pytest.fixture
def document() -> dict[str, Any]:
    alone = {family: {"mean": {"value": -7.0, "low": None, "high": None}} for family in FAMILIES}
    return {
        "title": "A table", "form": "table", "axis": "length", "target": "t", "command": "c", "split": "s",
        "limit": 20, "wall_seconds": 5, "versions": {}, "published": None, "against": "wide",
        "blocks": [
            {
                "title": "suite on backbone", "resampled": "edits", "edits": 20,
                "rows": [
                    row("wide", WIDE, None),
                    row("lone", LONE, TOO_FEW, difference=alone),
                    row("routed", None, TEXT_ALONE),
                ],
            }
        ],
    }  # fmt: skip


def test_a_value_stands_without_its_interval(document: dict[str, Any]) -> None:
    text = tables.markdown(document)
    (line, _) = [line for line in text.splitlines() if line.startswith("| LONE")]
    assert "54.3" in line and "±" not in line and "-7.0 |" in line
    assert f"{TOO_FEW} (LONE)" in text and f"{TEXT_ALONE} (ROUTED)" in text
    assert "Best mean by free generation, whole answer: WIDE, 61.0 [50.0, 70.0]" in text.replace("\\", "")
    # without an interval nothing is clear, neither that rows differ nor that none does
    assert "there are too few edits to say which rows differ from it clearly" in text
    latex = tables.latex(document)
    (line, _) = [line for line in latex.splitlines() if line.startswith("LONE")]
    assert "54.3 &" in line and "pm" not in line
    assert f"{TOO_FEW} (LONE)" in latex and f"{TEXT_ALONE} (ROUTED)" in latex


def test_what_differs_clearly_is_named(document: dict[str, Any]) -> None:
    (block,) = document["blocks"]
    spans = {"over": (2.0, 0.01, 4.0), "under": (-3.0, -4.0, -0.01), "near": (1.0, -0.5, 2.0)}
    block["rows"] += [
        row(name, WIDE, None, difference={
            family: {"mean": dict(zip(("value", "low", "high"), span, strict=True))} for family in FAMILIES
        })
        for name, span in spans.items()
    ]  # fmt: skip
    assert "clearly better than it (paired): OVER; clearly worse: UNDER." in tables.markdown(document)


def test_the_best_may_have_no_interval(document: dict[str, Any]) -> None:
    document["blocks"][0]["rows"] = document["blocks"][0]["rows"][1:]
    assert "LONE, 54.3." in tables.markdown(document)


def test_a_figure_draws_a_point_without_arms(document: dict[str, Any]) -> None:
    assert curves(document)["svg" if "svg" in curves(document) else ".svg"].startswith(b"<?xml")


def test_a_limit_is_told_where_there_is_one(document: dict[str, Any]) -> None:
    assert "Split s, at most 20 edits per block." in tables.markdown(document)
    text = tables.markdown(document | {"limit": None})
    assert "Split s.\n" in text and "None" not in text


@pytest.mark.parametrize(
    "values", [{}, {"blocks": None}, {"blocks": [5]}, {"blocks": {"a": 1}}, {"blocks": [{"suite": "a"}]}]
)
def test_a_document_without_its_blocks_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "table1.json"
    path.write_text(json.dumps({"schema": 1} | values))
    with pytest.raises(BadRecord, match=r"table1\.json cannot be read: .*; reproduce it again"):
        results.read(path)
