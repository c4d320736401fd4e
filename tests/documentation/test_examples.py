"""What the documents show works, and what they name exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.backbones.loads import counted
from mmedit_bench.backbones.shape import Shape
from mmedit_bench.editors import BenchError, Editor
from mmedit_bench.runs.provenance import resolved
from tests.tiny import tiny_backbone, tiny_cases

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/writing-an-editor.md")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("family", ["opt", "llama"])
def test_the_editor_in_the_document_edits(page: str, family: str) -> None:
    code = re.search(
        r"^```python\n(import torch.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE
    )
    assert code is not None
    names: dict[str, type] = {}
    exec(code[1], names)
    editor = names["RankOne"](steps=20)
    assert isinstance(editor, Editor)
    backbone, (case,) = tiny_backbone(family), tiny_cases(1)
    ask = [case.request.query], [case.request.target]
    edit = editor.edit(backbone, case.request)
    assert backbone.edited(edit).loss(*ask) < backbone.loss(*ask)


def test_the_options_in_the_document_are_checked() -> None:
    page = ROOT / "docs" / "writing-an-editor.md"
    code = re.search(r"^```python\n(from dataclasses.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert code is not None
    names: dict[str, Any] = {"__file__": str(page)}
    exec(code[1], names)
    editor, backbone = names["RankOne"], tiny_backbone("opt")
    assert resolved(editor(lr="1e-3"), backbone) == {"lr": 0.001, "steps": 30, "layers": 2, "start": "zero"}
    for wrong in ({"steps": -1}, {"start": "one"}, {"lr": 0}):
        with pytest.raises(BenchError, match=f"rank-one: option '{next(iter(wrong))}'"):
            editor(**wrong)
    with pytest.raises(BenchError, match="on tiny-opt is 1 to 2"):
        editor(layers=9).settings(backbone)


def test_the_demand_in_the_document_is_what_its_editor_takes() -> None:
    text = (ROOT / "docs" / "writing-an-editor.md").read_text()
    names: dict[str, Any] = {}
    for begin in ("import torch", "from typing import Any\n\nimport torch"):
        code = re.search(rf"^```python\n({begin}.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert code is not None
        exec(code[1], names)
    backbone, cases = tiny_backbone("llama"), tiny_cases(3)
    editor, shape = names["RankOne"](steps=1), Shape.of(backbone.name, backbone.model)
    demand = names["demand"](editor, shape, counted(backbone, cases, cases))
    assert demand.edit.nbytes == editor.edit(backbone, cases[0].request).nbytes
    assert demand.fit.numbers == demand.edit.parameter_count


def test_the_readme_holds_the_one_test_command() -> None:
    text = (ROOT / "README.md").read_text()
    marked = re.search(r"<!-- test-command -->\n```\n(.+)\n```\n<!-- /test-command -->", text)
    assert marked is not None
    assert marked[1].endswith("/tox")


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    notes = sorted(path.name for path in folder.glob("0*.md"))
    assert notes
    for listing in (folder / "index.md", ROOT / "mkdocs.yml"):
        assert [name for name in notes if name not in listing.read_text()] == []


def test_the_measure_in_the_document_measures() -> None:
    page = ROOT / "docs" / "retention.md"
    code = re.search(r"^```python\n(class AnswerLength.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    measure = names["ANSWER_LENGTH"]
    values = measure(tiny_backbone("opt"), questions=("what is this?", "where?"))
    assert [len(value) for value in values.values()] == [2]
    assert measure.identity() == {"questions": ["what is this?"]}
