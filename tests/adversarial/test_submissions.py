"""Cheats in a submission's folder are refused, each in so many words, and nothing of it is carried out."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import Collision, UnknownName
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.rendering.escaping import cell
from mmedit_bench.rendering.latex import escaped
from tests.adversarial.table import PAGE, TABLE, rendered
from tests.submissions import made

SAID = {
    "extra_ids": "never-asked|schedule|step",
    "duplicate_ids": "duplicate",
    "pickle_in_submission": "pickle",
    "traversal_in_id": "id",
    "planted_link": "link",
    "fifo": "pipe|regular",
}
"""What the problems speak of."""


def cheat(name: str) -> Any:
    return importlib.import_module(f"tests.adversarial.cheats.{name}")


@pytest.mark.parametrize("name", SAID)
def test_it_is_refused(tmp_path: Path, name: str) -> None:
    folder = made.write(tmp_path / "submitted")
    assert not made.looked_at(folder).problems
    cheat(name).spoil(folder)
    if name not in ("planted_link", "fifo"):  # what has no digest is signed as it is, by its maker
        made.sign(folder)
    problems = made.looked_at(folder).problems
    assert problems
    assert any(
        any(word in f"{p.code} {p.where} {p.text}".lower() for word in SAID[name].split("|"))
        for p in problems
    ), problems
    assert not list(tmp_path.rglob("was-run"))


def test_a_formula_is_a_text_in_a_spreadsheet() -> None:
    assert cell(cheat("csv_formula").NAME) == f"'{cheat('csv_formula').NAME}"


def test_a_command_is_a_text_in_latex() -> None:
    found = escaped(cheat("latex_in_name").NAME)
    assert not re.search(r"\\(input|def|x)\b", found)


@pytest.mark.parametrize("name", ["csv_formula", "latex_in_name"])
def test_such_a_name_stays_a_name(tmp_path: Path, name: str) -> None:
    folder = made.write(tmp_path / "submitted")
    cheat(name).spoil(folder)
    made.sign(folder)
    found = made.looked_at(folder)
    assert found.submission is None or found.submission.name == cheat(name).NAME


def test_two_that_are_named_alike_are_refused_and_both_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheat("two_named_alike").spoil(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])  # where a foreign package is to stand
    with pytest.raises(Collision, match=r"mmedit-bench 0\..*alike 1\.0|alike 1\.0.*mmedit-bench 0\."):
        EDITORS.load("copy-target")
    with pytest.raises(UnknownName):  # of two distributions of one name the first on the path counts
        EDITORS.load("better")


def test_each_cheat_has_a_file_and_each_file_a_row() -> None:
    files = {path.stem for path in (Path(__file__).parent / "cheats").glob("[a-z]*.py")}
    assert files == {row.name for row in TABLE}
    assert len(TABLE) == len({row.name for row in TABLE})


def test_the_page_has_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run python -m tests.adversarial.table"
