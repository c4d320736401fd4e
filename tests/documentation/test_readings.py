"""The readings of UniKE's decision notes: each has a place in its note, and options that UniKE takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from methods.unike.editor import UniKEEditor
from methods.unike.settings import UniKESettings
from mmedit_bench.plugins.settings import checked, settings_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def readings(script: Callable[[str], Any]) -> Any:
    return script("readings")


def test_every_reading_has_its_place_and_every_place_its_reading(readings: Any) -> None:
    notes = {path.stem: path.read_text() for path in (ROOT / "docs" / "decisions").glob("*.md")}
    marked = {
        (name, stem)
        for stem, text in notes.items()
        for name in re.findall(r"<!-- reading ([\w-]+) -->", text)
    }
    assert marked == {(name, own.note) for name, own in readings.READINGS.items()}
    for name, own in readings.READINGS.items():
        written = readings.put_between_marks(notes[own.note], "reading", name, "| new |")
        assert f"<!-- reading {name} -->\n\n| new |\n\n<!-- /reading -->" in written
        assert written.count("<!-- reading") == notes[own.note].count("<!-- reading")


OTHERWISE = {"unike-zeta-frozen"}
"""Readings whose first row is what the others are about, and not what ships."""


def test_the_options_are_unikes_and_the_first_row_is_what_ships(readings: Any) -> None:
    for name, own in readings.READINGS.items():
        for backbone in own.backbones:
            ships = settings_for(UniKESettings, UniKEEditor.settings_folder, backbone, {})
            here = {option: getattr(ships, option) for option in own.rows[0]}
            assert here == own.rows[0] or name in OTHERWISE or own.always, (name, backbone)
        for row in own.rows:
            assert checked(UniKESettings, {**own.always, **row}, name)
        assert len({frozenset(row.items()) for row in own.rows}) == len(own.rows) > 1


def test_a_table_has_a_row_for_each_reading_and_says_how_far_it_is_from_the_first(readings: Any) -> None:
    own = readings.READINGS["unike-init"]
    cell = {"value": 97.5, "low": 95.0, "high": 99.0}
    cells = dict.fromkeys(readings.COLUMNS, cell)
    rows = [
        {"options": {"init": "query"}, "cells": cells},
        {"options": {"init": "random"}, "cells": cells,
         "difference": {"mean": {"value": -2.0, "low": -3.0, "high": -1.0}}},
    ]  # fmt: skip
    text = readings.table("unike-init", own, {"limit": 100, "backbones": {"minigpt4-mini": rows}})
    lines = text.splitlines()
    assert lines[2].startswith("| `init=query` | 97.5 | 97.5 |") and lines[2].endswith("|  |  |")
    assert "-2.0 [-3.0, -1.0]" in lines[3]
    assert "`minigpt4-mini`, 100 edits of each suite" in text and "(evidence/unike-init.json)" in text
