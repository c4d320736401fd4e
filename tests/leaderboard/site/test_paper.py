"""The paper's pages and the audit: what is read, what is refused, and what a table says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.site.audit import read_findings
from leaderboard.site.paper_documents import read_documents
from leaderboard.site.paper_tables import tables
from mmedit_bench.errors import BadRecord, BenchError

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def test_all_committed_documents_are_read_in_natural_order() -> None:
    found = read_documents(RESULTS / "embedded")
    assert [one.name for one in found if one.name.startswith("table")] == sorted(
        (path.stem for path in (RESULTS / "embedded").glob("table*.json")), key=lambda name: int(name[5:])
    )
    assert all(one.values["command"].startswith("mmedit-bench reproduce") for one in found)
    assert {path.suffix for one in found if one.target == "fig5" for path in one.figures} == {".svg", ".png"}
    scaled = read_documents(RESULTS)
    assert {one.name for one in scaled} >= {f"embedded-{one.name}" for one in found}


def test_published_numbers_stand_beside_their_own_measurement_only() -> None:
    (document,) = [one for one in read_documents(RESULTS / "embedded") if one.target == "table1"]
    block = document.values["blocks"][0]
    generated, forced, *_ = tables(document.values, block)
    assert "generation_exact" in generated.caption and {line.kind for line in generated.lines} == {""}
    assert "teacher_forced_token" in forced.caption
    kinds = [line.kind for line in forced.lines if line.kind]
    assert kinds == ["measured", "published", "between"] * (len(kinds) // 3) and kinds
    at = next(place for place, line in enumerate(forced.lines) if line.kind == "measured")
    measured, published, between = (line.cells[0] for line in forced.lines[at : at + 3])
    assert float(between) == pytest.approx(float(measured.split(" ")[0]) - float(published), abs=0.11)


def document() -> dict[str, Any]:
    values: dict[str, Any] = json.loads((RESULTS / "embedded" / "table1.json").read_bytes())
    return values


@pytest.mark.parametrize(
    "change, wrong",
    [
        (lambda d: d.update(schema=99), "another version"),
        (lambda d: d.pop("command"), "command"),
        (lambda d: d.update(title=3), "title is no text"),
        (lambda d: d["blocks"][0]["rows"][0].update(seconds_per_edit="<b>"), "a number belongs"),
        (lambda d: d["blocks"][0]["rows"][0]["cells"]["generation"].update(x={"value": "1"}), "low|belongs"),
        (lambda d: d.update(blocks=None), "no document"),
    ],
)
def test_a_document_that_was_tampered_with_is_named(tmp_path: Path, change: Any, wrong: str) -> None:
    values = document()
    change(values)
    (tmp_path / "table1.json").write_text(json.dumps(values))
    with pytest.raises(BadRecord, match=wrong) as caught:
        read_documents(tmp_path)
    assert "table1.json" in str(caught.value)


def test_a_folder_without_documents_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="reproduce table1"):
        read_documents(tmp_path)
    with pytest.raises(BenchError, match="no folder"):
        read_documents(tmp_path / "nothing")


FINDING = {"dataset": "d", "finding": "leak", "numbers": {"share": 0.5}, "sentence": "Half.", "command": "x"}


def test_findings_are_read_in_the_order_of_their_files(tmp_path: Path) -> None:
    assert read_findings(tmp_path) == []
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "b.json").write_text(json.dumps([FINDING | {"dataset": "late"}]))
    (tmp_path / "audit" / "a.json").write_text(json.dumps([FINDING, FINDING]))
    assert [one.dataset for one in read_findings(tmp_path)] == ["d", "d", "late"]


@pytest.mark.parametrize(
    "bad, where",
    [
        ({"dataset": "d"}, "a.json#0"),
        (FINDING | {"sentence": " "}, "a.json#0.sentence"),
        (FINDING | {"numbers": {"share": "<b>"}}, "a.json#0.numbers"),
        (FINDING | {"numbers": {"share": True}}, "a.json#0.numbers"),
        (FINDING | {"more": 1}, "a.json#0"),
    ],
)
def test_a_finding_that_is_none_is_named(tmp_path: Path, bad: dict[str, Any], where: str) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "a.json").write_text(json.dumps([bad]))
    with pytest.raises(BadRecord, match=where.replace(".", r"\.")):
        read_findings(tmp_path)
