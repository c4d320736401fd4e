"""The tables among the results' claims: what their documents say, and none that is not theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "results" / "index.md"
OPT, LLAMA = "blip2-opt-mini", "minigpt4-mini"
FIVE = {"published": None, "seconds_per_edit": 0.25, "peak_bytes": 1.1e9}


@pytest.fixture
def claims(script: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = script("claims")
    made.document.cache_clear()
    monkeypatch.setattr(made, "RESULTS", tmp_path)
    return made


def row(key: str, mean: float, hard: float | None, **more: Any) -> dict[str, Any]:
    cells = {"mean": {"value": mean}, "hard": None if hard is None else {"value": hard}}
    forced = {"mean": {"value": mean - 1}, "reliability/main": {"value": 99.0}}
    own = {"key": key, "label": key.upper(), "control": key == "null", **FIVE}
    return own | {"cells": {"generation": cells, "teacher_forced_token": forced}} | more


def block(rows: Sequence[Any], **more: Any) -> dict[str, Any]:
    own = {"suite": "picturebook-vqa", "backbone": OPT, "protocol": "one-step", "edits": 300}
    own |= {"protocol_options": {}, "rows": list(rows)} | more
    return own | {"title": more.get("title", f"{own['suite']} on {own['backbone']}")}


def write(folder: Path, scale: str, target: str, *blocks: Any) -> None:
    (folder / scale).mkdir(exist_ok=True)
    (folder / scale / f"{target}.json").write_text(json.dumps({"blocks": blocks}))


def test_the_page_is_what_the_documents_say(script: Callable[[str], Any]) -> None:
    made = script("claims")
    made.document.cache_clear()
    text = PAGE.read_text(encoding="utf-8")
    assert made.renewed(text) == text, "run `python benchmarks/claims.py`"


def test_rows_stand_by_hard_over_all_blocks_and_the_best_of_a_block_is_marked(
    claims: Any, tmp_path: Path
) -> None:
    first = block([row("null", 33, 0), row("ft", 97, 80), row("ke", 96, 90), row("ike", 90, None)])
    second = block([row("ft", 99, 82), row("ke", 95, 88), row("ike", 91, 10)], backbone=LLAMA)
    failed = {"key": "mend", "label": "MEND", "error": "out of memory"}
    write(tmp_path, "embedded", "table1", first, second | {"rows": [*second["rows"], failed]})
    lines = claims.one_step("embedded").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| KE", "| FT", "| IKE"]
    assert lines[2] == "| KE | 96.0 | **90.0** | 95.0 | **88.0** |"
    assert lines[3] == "| FT | **97.0** | 80.0 | **99.0** | 82.0 |"
    assert lines[4] == "| IKE | 90.0 |  | 91.0 | 10.0 |"


def test_the_best_row_is_compared_with_unike_edit_by_edit(claims: Any, tmp_path: Path) -> None:
    apart = {"value": 1.5, "low": 0.5, "high": 2.5}
    delta = {"generation": {"mean": apart, "hard": None}}
    rows = [row("null", 100, 100), row("ft", 97, 80, difference=delta), row("unike", 95.5, 81)]
    write(tmp_path, "embedded", "table1", block(rows))
    write(tmp_path, "small", "table1", block(rows, backbone="minigpt4-qwen2.5-0.5b"))
    text = claims.best_and_unike()
    assert "| FT 97.0 | 95.5 | +1.5 [+0.5, +2.5] | UNIKE 81.0 | 81.0 |  |" in text
    assert text.count("FT 97.0") == 2 and "`minigpt4-qwen2.5-0.5b`" in text


@pytest.mark.parametrize(
    ("cell", "apart"),
    [
        ({"value": 1, "low": 0.1, "high": 2}, 1), ({"value": -1, "low": -2, "high": -0.1}, 1),
        ({"value": 1, "low": -0.1, "high": 2}, 0), ({"value": 1, "low": None, "high": None}, 0),
    ],
)  # fmt: skip
def test_a_pair_is_apart_if_its_interval_is_without_zero(
    claims: Any, tmp_path: Path, cell: Any, apart: int
) -> None:
    no = {"value": 0, "low": -1, "high": 1}
    pairs = [
        {"first": "ft", "second": "unike", "mean": no, "hard": cell},
        {"first": "ft", "second": "lora", "mean": cell, "hard": cell},  # not among the paper's
        {"first": "ft", "second": "ke", "mean": cell, "hard": None},
    ]
    write(tmp_path, "embedded", "table1", block([row("unike", 1, 1)], pairs={"generation": pairs}))
    assert claims.told_apart().splitlines()[-1] == f"| vqa, `{OPT}` | 300 | 1 | 0 | {apart} |"


def test_printed_numbers_stand_beside_teacher_forcing_alone(claims: Any, tmp_path: Path) -> None:
    printed = {"mean": 97.63, "reliability/main": 98.8}
    write(tmp_path, "embedded", "table1", block([row("ft", 90, 80), row("unike", 95, 81, published=printed)]))
    assert claims.forced("embedded").splitlines()[2:] == ["| UNIKE | 94.0 | 97.6 |"]
    write(tmp_path, "embedded", "table4", block([row("unike", 95, 81, published=printed)]))
    last = claims.parts("embedded").splitlines()[-1]
    assert last == f"| vqa, `{OPT}` | UNIKE | 95.0 | 81.0 | 94.0 | 97.6 | 99.0 | 98.8 |"


def test_sequences_stand_by_length_after_the_edit_alone(claims: Any, tmp_path: Path) -> None:
    long, short = ({"protocol": "sequential", "protocol_options": {"length": n}} for n in (20, 10))
    rows = [row("ft", 97, 90), row("ke", 96, 91), row("ike", 96, 91)]
    write(tmp_path, "embedded", "table1", block(rows), block(rows, backbone=LLAMA))
    write(
        tmp_path, "embedded", "table2",
        block([row("ft", 30, 1), row("ke", 40, 1)], backbone=LLAMA, title="20", **long),
        block([row("ft", 60, 1), row("ke", 50, 1)], backbone=LLAMA, title="10", **short),
    )  # fmt: skip
    assert claims.many("embedded").splitlines() == [
        "| editor | vqa, 1 | vqa, 10 | vqa, 20 |",
        "|---|---:|---:|---:|",
        "| KE | 96.0 | 50.0 | 40.0 |",  # who has no sequence is not there
        "| FT | 97.0 | 60.0 | 30.0 |",
    ]


def test_costs_name_controls_and_what_was_not_noted(claims: Any, tmp_path: Path) -> None:
    rows = [row("null", 1, 1), row("ft", 1, 1, peak_bytes=None), row("ke", 1, 1, seconds_per_edit=151.2)]
    write(tmp_path, "small", "table1", block(rows))
    assert claims.costs("small").splitlines()[2:] == [
        "| NULL | 0.25 | 1.1 GB |",
        "| FT | 0.25 |  |",
        "| KE | 151 | 1.1 GB |",
    ]


def test_a_place_for_a_table_that_is_not_known(claims: Any) -> None:
    with pytest.raises(SystemExit, match="no claim 'nothing'"):
        claims.renewed("<!-- claim nothing -->\n<!-- /claim -->")
    with pytest.raises(SystemExit, match="put <!-- claim near -->"):
        claims.put_between_marks("<!-- claim other --><!-- /claim -->", "claim", "near", "")
