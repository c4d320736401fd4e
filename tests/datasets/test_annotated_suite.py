"""Suites made of annotation files, at small size."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmedit_bench.cases import PROBE_KINDS
from mmedit_bench.datasets import suite as fence
from mmedit_bench.datasets.annotated.roots import DATA
from mmedit_bench.datasets.annotated.suite import SPLITS, AnnotatedSuite, MixedSuite
from mmedit_bench.errors import BadData
from tests.datasets.small import VARIABLE, draw, layout, small, value, write


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnnotatedSuite:
    for variable in (DATA, VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    small(tmp_path)
    return AnnotatedSuite(layout(), tmp_path)


def test_a_record_becomes_a_case(suite: AnnotatedSuite) -> None:
    case = suite.cases("evaluation")[2]
    assert (case.id, case.task, case.split, case.sort) == (
        "small-evaluation-00002", "vqa", "evaluation", "correction",
    )  # fmt: skip
    asked = {
        (p.kind, p.stratum): (p.query.prompt, getattr(p.query.image, "name", None), p.reference)
        for p in case.probes
    }
    question, rephrase, target = "What is thing 2?", "Name thing 2.", "new thing 2"
    assert asked == {
        ("reliability", "main"): (question, "val/p2.png", target),
        ("text_generality", "main"): (rephrase, "val/p2.png", target),
        ("image_generality", "main"): (question, "val/r2.png", target),
        ("text_image_generality", "main"): (rephrase, "val/r2.png", target),
        ("text_locality", "main"): ("nq question: who made thing 2", None, "somebody"),
        ("image_locality", "main"): ("What colour is it?", "val/m2.png", "red"),
    }
    own = next(p for p in case.probes if p.kind == "reliability")
    assert (own.query, own.reference) == (case.request.query, case.request.target)
    assert suite.old_answers("evaluation")[case.id] == "an old thing"


def test_hops_are_strata_of_portability(tmp_path: Path) -> None:
    hops = [{"port_type": f"{n}-hop", "Q&A": {"Question": f"{n}?", "Answer": "x"}} for n in (1, 2, 4)]
    fact = {"port_q": "When?", "port_a": "then", "port_edit_q": "When was it?", "port_edit_a": "then"}
    small(tmp_path, evaluation=[value(0, port_new=hops), value(1, port_new=[fact])])
    several, one = AnnotatedSuite(layout(), tmp_path).cases("evaluation")
    found = {p.stratum: (p.query.prompt, p.query.image) for p in several.probes if p.kind == "portability"}
    picture = several.request.query.image
    assert found == {"main": ("1?", picture), "2_hops": ("2?", picture), "4_hops": ("4?", picture)}
    known = next(p for p in one.probes if p.stratum == "hop_fact")
    assert (known.kind, known.query.prompt, known.query.image) == ("text_locality", "When was it?", None)


def test_probe_ids_do_not_tell_the_kind(tmp_path: Path) -> None:
    small(tmp_path, evaluation=[value(number) for number in range(40)])
    kinds: dict[str, set[str]] = {}
    for case in AnnotatedSuite(layout(), tmp_path).cases("evaluation"):
        assert [p.id for p in case.probes] == [f"{case.id}/p{place:02d}" for place in range(len(case.probes))]
        for probe in case.probes:
            kinds.setdefault(probe.id.rpartition("/")[2], set()).add(probe.kind)
    asked = set(PROBE_KINDS) - {"portability"}
    assert all(own == asked for own in kinds.values())


def test_validation_is_cut_from_the_training_file_by_what_records_are_about(tmp_path: Path) -> None:
    values = [value(n, image=f"val/p{n // 3}.png") for n in range(600)]
    small(tmp_path, train=values)
    suite = AnnotatedSuite(layout(), tmp_path)
    cases = {split: suite.cases(split) for split in SPLITS}
    pictures = {split: {c.request.query.image for c in own} for split, own in cases.items()}
    assert len(cases["train"]) + len(cases["validation"]) == 600
    assert 30 < len(cases["validation"]) < 90
    assert not pictures["train"] & pictures["validation"]
    again = AnnotatedSuite(layout(name="other"), tmp_path).cases("validation")
    assert [c.id.rpartition("-")[2] for c in again] == [c.id.rpartition("-")[2] for c in cases["validation"]]


def test_opening_a_suite_reads_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small(tmp_path)
    for picture in (folder / "val").iterdir():
        picture.unlink()
    suite = AnnotatedSuite(layout(), tmp_path)
    monkeypatch.setattr(Image, "open", None)
    assert len(suite.cases("train")) + len(suite.cases("validation")) == 40
    rows = suite.as_dataset("train", decode=False)
    assert [own["id"] for own in suite.as_stream("train", decode=False)] == rows["id"]
    assert suite.as_dataset("train").num_rows == rows.num_rows
    with pytest.raises(
        BadData, match=r"small train\.json record \d+: its picture .*p1\d\d\.png cannot be read"
    ):
        _ = suite.cases("train")[0].request.query.digest


def test_rows_decode_the_pictures_when_they_are_asked_for(suite: AnnotatedSuite) -> None:
    row = suite.as_dataset("evaluation")[1]
    case = suite.cases("evaluation")[1]
    assert (row["id"], row["target"], row["image"].size) == (case.id, "new thing 1", (8, 8))
    assert [p["kind"] for p in row["probes"]] == [p.kind for p in case.probes]
    assert [p["image"] is None for p in row["probes"]] == [p.query.image is None for p in case.probes]
    streamed = next(iter(suite.as_stream("evaluation")))
    assert (
        streamed["image"].convert("RGB").tobytes()
        == suite.cases("evaluation")[0].request.query.image.open().tobytes()
    )  # type: ignore[union-attr]


def test_digest_follows_the_files_and_nothing_else(tmp_path: Path) -> None:
    small(tmp_path / "a")
    folder = small(tmp_path / "b")
    one, other = (AnnotatedSuite(layout(), tmp_path / name) for name in "ab")
    assert one.digest == other.digest
    assert one.digest != AnnotatedSuite(layout(name="other"), tmp_path / "a").digest
    before = other.cases("evaluation")
    write(folder / "eval.json", [value(9)])
    assert one.digest != other.digest
    assert len(other.cases("evaluation")) == 1 != len(before)


def test_where_files_lie_is_told_by_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = AnnotatedSuite(layout())
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(BadData, match=f"set {DATA} to the folder that holds small/"):
        suite.cases("train")
    assert DATA in (suite.absent() or "")
    monkeypatch.setenv(DATA, str(tmp_path))
    assert str(tmp_path / "small" / "train.json") in (suite.absent() or "")
    small(tmp_path)
    assert suite.absent() is None
    assert suite.cases("evaluation")[0].request.query.digest
    elsewhere = tmp_path / "pictures"
    monkeypatch.setenv(VARIABLE, str(elsewhere))
    image = suite.cases("evaluation")[1].request.query.image
    assert image is not None
    with pytest.raises(BadData, match=f"pictures/val/p1.png cannot be read.*check {VARIABLE}"):
        image.bytes()
    draw(elsewhere, [value(1)])
    assert image.open().size == (8, 8)


def test_an_unknown_split_names_the_splits(suite: AnnotatedSuite) -> None:
    for ask in (suite.cases, suite.old_answers, suite.as_stream):
        with pytest.raises(BadData, match="no split 'test'; there are train, validation, evaluation"):
            ask("test")


def test_an_editors_process_is_given_the_training_split_only(
    suite: AnnotatedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "_trained_only", True)
    assert suite.cases("train")
    for ask in (suite.cases, suite.old_answers, suite.as_dataset, suite.as_stream):
        with pytest.raises(BadData, match="given the split 'train' only"):
            ask("evaluation")


def test_a_mix_has_the_cases_of_its_parts_in_turn(tmp_path: Path) -> None:
    small(tmp_path)
    parts = tuple(AnnotatedSuite(layout(name=name, task=name), tmp_path) for name in ("one", "two"))
    mix = MixedSuite("both", parts)
    assert [c.task for c in mix.cases("evaluation")] == ["one", "two"] * 4
    assert Counter(mix.old_answers("evaluation").values()) == {"an old thing": 8}
    assert mix.as_dataset("evaluation")["id"] == [case.id for case in mix.cases("evaluation")]
    assert mix.absent() is None and mix.at(tmp_path / "none").absent()
    assert len({mix.digest, *(part.digest for part in parts)}) == 3


def test_the_picture_bytes_are_the_files(suite: AnnotatedSuite, tmp_path: Path) -> None:
    image: Any = suite.cases("evaluation")[0].request.query.image
    assert image.bytes() == (tmp_path / "small" / "val" / "p0.png").read_bytes()
    assert Image.open(io.BytesIO(image.bytes())).size == (8, 8)
