"""`data check` names everything that is missing or broken, not the first of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets.annotated.checking import check_files
from mmedit_bench.datasets.annotated.records import Source
from mmedit_bench.errors import BadData
from tests.datasets.small import VARIABLE, layout, png, small, value, write


def test_a_whole_data_set_has_no_problems_and_a_digest_of_its_pictures(tmp_path: Path) -> None:
    small(tmp_path)
    told: list[tuple[str, int, int]] = []
    found = check_files([layout()], tmp_path, decode=True, progress=lambda *now: told.append(now))
    assert found.problems == [] and (found.records, found.named) == (44, 132)
    assert told[-1] == ("pictures", 132, 132)
    quick = check_files([layout()], tmp_path)
    assert quick.problems == [] and quick.digest is None
    (tmp_path / "small" / "val" / "p0.png").write_bytes(png(999_999))
    assert check_files([layout()], tmp_path, decode=True).digest != found.digest


def test_all_that_is_missing_or_broken_is_named_with_the_records_that_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = small(tmp_path, evaluation=[value(0), value(1), value(2, image="val/p0.png")])
    (folder / "val" / "p0.png").unlink()
    (folder / "val" / "r1.png").write_bytes(b"no picture")
    (folder / "val" / "m2.png").write_bytes(png(1)[:-28])
    quick = check_files([layout()], tmp_path)
    assert [(Path(one.path).name, one.what.partition(":")[0]) for one in quick.pictures] == [
        ("p0.png", "missing"), ("r1.png", "no picture"),
    ]  # fmt: skip
    assert quick.pictures[0].records == ("eval.json record 0", "eval.json record 2")
    assert str(quick.pictures[0]) == f"{folder}/val/p0.png: missing (eval.json record 0 and 1 more)"
    found = check_files([layout()], tmp_path, decode=True)
    assert [Path(one.path).name for one in found.pictures] == ["m2.png", "p0.png", "r1.png"]
    assert found.digest is None
    plain = found.as_dict()
    assert [len(plain[key]) for key in ("annotations", "missing", "broken")] == [0, 1, 2]
    assert plain["missing"][0]["variable"] == "MMEDIT_BENCH_DATA"


def test_every_bad_record_is_named_and_the_others_are_checked(tmp_path: Path) -> None:
    values: list[Any] = [value(0), value(1, alt=""), "no record", value(3, image="/abs.png"), value(4)]
    folder = small(tmp_path)
    write(folder / "eval.json", [own for own in values if isinstance(own, dict)])
    found = check_files([layout()], tmp_path)
    assert [line.partition("eval.json: ")[2] for line in found.annotations] == [
        "record 1: field 'alt' is ''; it must be a text that says something",
        "record 2: field 'image' is '/abs.png', not a path below a root",
    ]
    assert {Path(one.path).name for one in found.pictures} == {"p4.png", "r4.png", "m4.png"}
    write(folder / "eval.json", values)
    assert "record 2 is no object" in check_files([layout()], tmp_path).annotations[-1]


def test_annotation_files_are_told_apart_from_the_pinned_ones(tmp_path: Path) -> None:
    folder = small(tmp_path)
    (folder / "train.json").unlink()
    pinned = layout(evaluation=Source("eval.json", "0" * 64, 9))
    found = check_files([pinned], tmp_path)
    assert len(found.annotations) == 3
    missing, digest, count = found.annotations
    assert "train.json: there is no such file" in missing
    assert "eval.json: sha256" in digest and f"expected {'0' * 64}" in digest
    assert count.endswith("eval.json: 4 records, expected 9")


def test_without_a_folder_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMEDIT_BENCH_DATA", raising=False)
    with pytest.raises(BadData, match="small is not part of this package"):
        check_files([layout()], None)
