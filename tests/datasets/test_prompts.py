"""Suites in the words of published evaluations."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedit_bench.cases import EditCase, EditRequest, Probe, Query
from mmedit_bench.datasets.picturebook import caption, vqa
from mmedit_bench.datasets.prompts import FORMATS, Formatted, as_they_stand, in_format
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BadData, BenchError, UnknownName
from mmedit_bench.plugins.registry import SUITES
from tests.datasets.published import FOLDER, needs_published
from tests.tiny import tiny_picture

EDITED = "What color is the bus?"
OTHER = "The bus is of what color?"


def case(task: str, edited: str = EDITED) -> EditCase:
    picture, other = tiny_picture(1), tiny_picture(2)
    asked = (
        ("reliability", "main", edited, picture),
        ("reliability", "picture_alone", "a picture of", picture),
        ("text_generality", "main", OTHER, picture),
        ("text_generality", "main", edited, picture),  # as 45 rephrasings of E-VQA's test split are
        ("image_generality", "main", edited, other),
        ("text_image_generality", "main", "Which color has the bus?", other),
        ("text_locality", "main", "nq question: who wrote it", None),
        ("image_locality", "main", "What sport is this?", other),
        ("image_locality", "same_question", edited, other),
        ("portability", "main", "Who paints buses so?", picture),
    )
    probes = tuple(
        Probe(f"p{number}", kind, Query(prompt, image), "red", stratum)
        for number, (kind, stratum, prompt, image) in enumerate(asked)
    )
    return EditCase(EditRequest("c", Query(edited, picture), "red"), probes, task, "evaluation", "correction")


def words(format: str, task: str = "vqa") -> list[str]:
    put = FORMATS[format].put(case(task))
    return [put.request.query.prompt, *(probe.query.prompt for probe in put.probes)]


def test_the_trainer_puts_locality_questions_with_a_picture_in_a_template() -> None:
    assert words("legacy-trainer") == [
        EDITED, EDITED, "a picture of", OTHER, EDITED, EDITED, "Which color has the bus?",
        "nq question: who wrote it", "Question: What sport is this? Short answer:",
        "Question: What color is the bus? Short answer:", "Who paints buses so?",
    ]  # fmt: skip
    assert words("legacy-trainer", "caption") == words("legacy-trainer")


def test_the_editor_puts_the_edited_words_in_a_template() -> None:
    asked = "Question: What color is the bus? Short answer:"
    assert words("legacy-editor") == [
        asked, asked, "a picture of", OTHER, EDITED, asked, "Which color has the bus?",
        "nq question: who wrote it", "What sport is this?", EDITED, "Who paints buses so?",
    ]  # fmt: skip
    plain = case("caption")
    assert FORMATS["legacy-editor"].put(plain) == plain


def test_liveedit_announces_the_answer() -> None:
    asked = "What color is the bus? The answer is:"
    assert words("liveedit") == [
        asked, asked, "a picture of", "The bus is of what color? The answer is:", asked, asked,
        "Which color has the bus? The answer is:", "nq question: who wrote it?",
        "What sport is this? The answer is:", asked, "Who paints buses so? The answer is:",
    ]  # fmt: skip
    assert words("liveedit", "caption") == [
        EDITED, EDITED, "a picture of", OTHER, EDITED, EDITED, "Which color has the bus?",
        "nq question: who wrote it?", "What sport is this? The answer is:", asked, "Who paints buses so?",
    ]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_braces_in_a_question_are_text(format: str) -> None:
    put = FORMATS[format].put(case("vqa", "what is {prompt} or {0}?"))
    assert all(
        "what is {prompt} or {0}?" in probe.query.prompt
        for probe in put.probes
        if probe.kind == "image_generality"
    )


@pytest.mark.parametrize("suite", [vqa(), caption()], ids=lambda s: s.name)
def test_only_words_differ(suite: Suite) -> None:
    digests = {suite.digest}
    for format in FORMATS:
        put = Formatted(suite, format)
        assert (put.name, put.task, put.splits) == (f"{suite.name}-{format}", suite.task, suite.splits)
        digests.add(put.digest)
        assert put.digest == Formatted(suite, format).digest
        for one, other in zip(suite.cases("validation"), put.cases("validation"), strict=True):
            assert (one.id, one.task, one.split, one.sort) == (other.id, other.task, other.split, other.sort)
            assert one.request.target == other.request.target
            assert one.request.query.image == other.request.query.image
            for a, b in zip(one.probes, other.probes, strict=True):
                assert (a.id, a.kind, a.stratum, a.reference) == (b.id, b.kind, b.stratum, b.reference)
                assert a.query.image == b.query.image and a.query.prompt in b.query.prompt
        with pytest.raises(BadData, match="no split"):
            put.cases("exam")
    assert len(digests) == 1 + len(FORMATS)


def test_edits_may_stay_bare() -> None:
    put, whole = Formatted(vqa(), "liveedit", bare=True), Formatted(vqa(), "liveedit")
    assert put.digest != whole.digest
    one, other = vqa().cases("validation")[0], put.cases("validation")[0]
    assert other.request == one.request
    for a, b in zip(one.probes, other.probes, strict=True):
        assert (a == b) == (not a.kind.endswith("locality"))


def test_a_suite_has_the_formats_that_are_registered() -> None:
    assert in_format("picturebook-vqa", "clean") == "picturebook-vqa"
    for name in ("picturebook-vqa", "picturebook-caption"):
        for format in FORMATS:
            registered = in_format(name, format)
            assert SUITES.load(registered)().name == registered
    with pytest.raises(BenchError, match="'picturebook-mix' has no prompt format 'liveedit'; it has clean"):
        in_format("picturebook-mix", "liveedit")
    with pytest.raises(BenchError, match="it has clean, legacy-trainer, legacy-editor, liveedit"):
        in_format("picturebook-vqa", "polite")
    with pytest.raises(UnknownName, match="Did you mean 'picturebook-vqa'"):
        in_format("picturebook-vqua", "liveedit")
    with pytest.raises(BenchError, match="no prompt format 'polite'"):
        Formatted(vqa(), "polite")


def test_suites_as_they_stand() -> None:
    assert {"picturebook-vqa", "picturebook-caption", "picturebook-mix"} <= set(as_they_stand())
    assert not any(name.endswith(tuple(FORMATS)) for name in as_they_stand())


FETCHED = ("mmedit-vqa", "mmedit-caption", "vlkeb", "vlkeb-onehop", "vlkeb-multihop")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", FETCHED)
def test_suites_of_fetched_files_have_all_formats(
    name: str, format: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MMEDIT_BENCH_DATA", raising=False)
    put, bare = SUITES.load(in_format(name, format))(), SUITES.load(name)()
    assert (put.name, put.task, put.splits) == (f"{name}-{format}", bare.task, bare.splits)
    assert put.absent() == bare.absent() and "MMEDIT_BENCH_DATA" in put.absent()
    moved = put.at(tmp_path)
    assert moved.absent() == bare.at(tmp_path).absent() and str(tmp_path) in moved.absent()
    assert put.absent() == bare.absent()
    assert not hasattr(SUITES.load("picturebook-vqa-liveedit")(), "absent")


@needs_published
@pytest.mark.parametrize("name", FETCHED[:4])
def test_published_records_in_the_words_of_published_evaluations(name: str) -> None:
    bare = SUITES.load(name)().at(FOLDER)
    digests = {bare.digest}
    for format in FORMATS:
        put = SUITES.load(f"{name}-{format}")().at(FOLDER)
        digests.add(put.digest)
        one, other = bare.cases("evaluation")[0], put.cases("evaluation")[0]
        edited = name.startswith("mmedit-vqa") and format != "legacy-trainer"
        edited |= name.startswith("vlkeb") and format == "legacy-editor"  # LiveEdit's VLKEB edits are bare
        assert (one.request.query.prompt != other.request.query.prompt) == edited, format
        kinds = {p.kind for p, q in zip(one.probes, other.probes, strict=True) if p.query != q.query}
        assert ("image_locality" in kinds) == (format != "legacy-editor")
        assert ("text_locality" in kinds) == (format == "liveedit")
        assert put.old_answers("evaluation") == bare.old_answers("evaluation")
    assert len(digests) == 1 + len(FORMATS)
