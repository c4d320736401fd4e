"""Derived splits: what is left out is left out for a reason, and training shares nothing that is tested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets.annotated import cleaning
from mmedit_bench.datasets.annotated.clean import Derivation, as_question
from mmedit_bench.datasets.annotated.cleaning import Family, derive, write
from mmedit_bench.datasets.annotated.records import Record, Source, digest_of, read_records
from mmedit_bench.datasets.annotated.suite import AnnotatedSuite, Layout, derived_from
from mmedit_bench.errors import BadData
from tests.datasets.small import layout, small, value

TRAIN = [
    value(0, image="val/p20.png"),  # shows what an evaluation edit shows
    value(1, image="val/m21.png"),  # shows what an evaluation locality question shows
    value(2, m_loc="val/m21.png"),  # asks about what an evaluation question shows
    value(3, alt="An Old Thing "),
    value(4, rephrase="what is thing 4?"),
    *[value(number) for number in range(5, 12)],
]
EVALUATION = [
    value(20, alt=" padded "),
    value(21),
    value(22, alt="an old thing"),
    value(23, src="What?", image="val/same.png", alt="one"),
    value(24, src="What?", image="val/same.png", alt="two"),
    value(25, src="Who?", image="val/same.png", alt="one"),
    value(26, src="Who?", image="val/same.png", alt="one"),
    value(27, rephrase="What is thing 27?"),
]


def pinned(tmp_path: Path, train: Sequence[Any] = TRAIN, evaluation: Sequence[Any] = EVALUATION) -> Layout:
    folder = small(tmp_path, train, evaluation)
    sources = [Source(name, digest_of(folder / name)) for name in ("train.json", "eval.json")]
    return layout(training=sources[0], evaluation=sources[1], group=one_group)


def one_group(record: Record) -> str:
    return "all"


def built(tmp_path: Path, own: Layout) -> AnnotatedSuite:
    def read(layout: Layout, source: Source) -> Sequence[Record]:
        return read_records(tmp_path / "small" / source.file, source)

    path = tmp_path / "clean.json"
    write(path, derive(Family((own,), str), read))
    return AnnotatedSuite(derived_from(own, "small-clean", Derivation(path, own.name)), tmp_path)


def numbers(suite: AnnotatedSuite, *splits: str) -> list[int]:
    return sorted(int(case.id[-5:]) for split in splits for case in suite.cases(split))


def test_every_reason_leaves_out_what_it_says(tmp_path: Path) -> None:
    suite = built(tmp_path, pinned(tmp_path))
    document = json.loads((tmp_path / "clean.json").read_text())
    removed = {own["file"]: own["removed"] for own in document["files"]}
    assert removed == {
        "train.json": {cleaning.SHOWN: [0, 1], cleaning.NO_OP: [3], cleaning.SAME_WORDS: [4]},
        "eval.json": {
            cleaning.NO_OP: [2], cleaning.CONTRADICTS: [3, 4], cleaning.REPEATS: [6],
            cleaning.SAME_WORDS: [7],
        },
    }  # fmt: skip
    assert document["reasons"].keys() == cleaning.REASONS.keys()
    assert numbers(suite, "evaluation") == [0, 1, 5]
    assert numbers(suite, "train", "validation") == [2, 5, 6, 7, 8, 9, 10, 11]


def test_what_stays_is_changed_only_as_promised(tmp_path: Path) -> None:
    own = pinned(tmp_path)
    suite, before = built(tmp_path, own), AnnotatedSuite(own, tmp_path)
    old = {case.id: case for case in before.cases("evaluation")}
    for case in suite.cases("evaluation"):
        was = old[case.id]
        assert case.request.query == was.request.query
        assert case.request.target == was.request.target.strip()
        for probe, other in zip(case.probes, was.probes, strict=True):
            assert (probe.id, probe.kind, probe.query.image) == (other.id, other.kind, other.query.image)
            if probe.kind == "text_locality":
                assert probe.query.prompt == f"Who made thing {20 + int(case.id[-5:])}?"
            else:
                assert probe.query.prompt == other.query.prompt


def test_training_asks_no_locality_question_about_what_is_tested(tmp_path: Path) -> None:
    suite = built(tmp_path, pinned(tmp_path))
    shown = {
        probe.query.image.name  # type: ignore[union-attr]
        for case in suite.cases("evaluation")
        for probe in case.probes
        if probe.query.image
    }
    trained = {
        probe.query.image.name  # type: ignore[union-attr]
        for split in ("train", "validation")
        for case in suite.cases(split)
        for probe in case.probes
        if probe.query.image
    }
    assert not shown & trained
    (own,) = json.loads((tmp_path / "clean.json").read_text())["files"][0]["locality_from"].items()
    assert own[0] == "2" and own[1] != 2


def test_no_question_left_for_training_is_an_error(tmp_path: Path) -> None:
    train = [value(0, m_loc="val/m21.png")]
    with pytest.raises(BadData, match=r"train\.json: no image-locality question is left"):
        built(tmp_path, pinned(tmp_path, train, [value(21)]))


def test_building_again_gives_the_same_bytes_and_the_digest_covers_them(tmp_path: Path) -> None:
    own = pinned(tmp_path)
    suite = built(tmp_path, own)
    data, digest = (tmp_path / "clean.json").read_bytes(), suite.digest
    assert built(tmp_path, own).digest == digest and (tmp_path / "clean.json").read_bytes() == data
    assert digest != AnnotatedSuite(own, tmp_path).digest


@pytest.mark.parametrize("change", [b'"kept":[2,5', b'"kept":[0,2,5'], ids=["same", "one more"])
def test_a_derivation_that_was_changed_by_hand_is_refused(tmp_path: Path, change: bytes) -> None:
    suite = built(tmp_path, pinned(tmp_path))
    path = tmp_path / "changed.json"
    path.write_bytes((tmp_path / "clean.json").read_bytes().replace(b'"kept":[2,5', change))
    other = AnnotatedSuite(derived_from(suite.layout, "small-clean", Derivation(path, "small")), tmp_path)
    if change.startswith(b'"kept":[2'):
        assert other.digest == suite.digest
    else:
        with pytest.raises(BadData, match=r"changed\.json: what it says of train\.json has another digest"):
            other.cases("train")


def test_a_derivation_of_other_files_is_refused(tmp_path: Path) -> None:
    suite = built(tmp_path, pinned(tmp_path))
    other = pinned(tmp_path / "other", [value(1)], [value(2)])
    derivation = suite.layout.derivation
    assert derivation is not None
    with pytest.raises(BadData, match=r"nothing is derived from the pinned eval\.json"):
        AnnotatedSuite(derived_from(other, "small-clean", derivation), tmp_path / "other").cases("evaluation")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nq question: who made it", "Who made it?"),
        ("who made it?", "Who made it?"),
        ("élan of what", "Élan of what?"),
        ("Name it.", "Name it."),
    ],
)
def test_questions_without_a_picture_are_written_as_the_others(text: str, wanted: str) -> None:
    assert as_question(text) == wanted == as_question(wanted)
