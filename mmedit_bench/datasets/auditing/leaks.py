"""What of a split stands in the other splits too, where an editor may have learned it."""

from __future__ import annotations

from collections.abc import Iterator

from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.datasets.auditing.finding import Finding, counted, of
from mmedit_bench.datasets.auditing.material import Material, Row


def leaks(seen: Material) -> Iterator[Finding]:
    """Findings on overlap between the audited split and the others."""
    learned = seen.learned
    for kind in KEEP_KINDS:
        yield from _locality(seen, learned, kind)
    yield _edited_pictures(seen, learned)
    yield _rephrased_pictures(seen, learned)
    yield _questions(seen, learned)


def _locality(seen: Material, learned: list[Row], kind: str) -> Iterator[Finding]:
    """Locality questions that an editor may have been trained to keep."""
    mine = [own for row in seen.rows for own in row.of(kind)]
    if not mine:
        return
    theirs = [own for row in learned for own in row.of(kind)]
    whole = {(own.picture, own.prompt, own.reference) for own in theirs}
    questions = {(own.picture, own.prompt) for own in theirs}
    pictures = {own.picture for own in theirs if own.picture}
    shared = [own for own in mine if (own.picture, own.prompt, own.reference) in whole]
    with_picture = kind == "image_locality"
    numbers = {
        "questions": len(mine),
        "shared": len(shared),
        "shared_distinct": len({(own.picture, own.prompt, own.reference) for own in shared}),
        "shared_but_for_answer": sum((own.picture, own.prompt) in questions for own in mine),
    }
    parts = "picture, question and answer" if with_picture else "question and answer"
    noun = kind.replace("_", "-")
    sentence = (
        f"{of(len(shared), len(mine))} {noun} questions of {seen.split} ({parts}) are {noun} questions of "
        f"{seen.elsewhere}"
    )
    if with_picture:
        numbers["pictures_shared"] = sum(own.picture in pictures for own in mine)
        sentence += f"; the pictures of {numbers['pictures_shared']:,} are"
    yield Finding(f"{kind}_shared", numbers, f"{sentence}.")


def _edited_pictures(seen: Material, learned: list[Row]) -> Finding:
    theirs = {row.picture for row in learned if row.picture}
    kept = {own.picture for row in learned for own in row.of("image_locality")}
    shared = [row for row in seen.rows if row.picture in theirs]
    numbers = {
        "edits": len(seen.rows),
        "shared": len(shared),
        "pictures": len({row.picture for row in shared}),
        "in_locality": sum(row.picture is not None and row.picture in kept for row in seen.rows),
    }
    sentence = (
        f"{of(len(shared), len(seen.rows))} edits of {seen.split} are about a picture that an edit of "
        f"{seen.elsewhere} is about ({counted(numbers['pictures'], 'picture')}); {numbers['in_locality']:,} "
        f"about one that an image-locality question of {seen.elsewhere} shows."
    )
    return Finding("edited_pictures_shared", numbers, sentence)


def _rephrased_pictures(seen: Material, learned: list[Row]) -> Finding:
    theirs = {own.picture for row in learned for own in row.of("image_generality")}
    theirs |= {row.picture for row in learned}
    mine = [own for row in seen.rows for own in row.of("image_generality")]
    shared = sum(own.picture is not None and own.picture in theirs for own in mine)
    sentence = (
        f"{of(shared, len(mine))} other pictures of what is edited in {seen.split} are shown by edits of "
        f"{seen.elsewhere}, as their picture or the other one."
    )
    return Finding("other_pictures_shared", {"probes": len(mine), "shared": shared}, sentence)


def _questions(seen: Material, learned: list[Row]) -> Finding:
    asked = {row.prompt for row in learned}
    told = {(row.prompt, row.target) for row in learned}
    shown = {(row.prompt, row.picture) for row in learned}
    pairs = [(row.prompt, row.target) for row in seen.rows if (row.prompt, row.target) in told]
    numbers = {
        "edits": len(seen.rows),
        "question": sum(row.prompt in asked for row in seen.rows),
        "question_and_target": len(pairs),
        "question_and_target_distinct": len(set(pairs)),
        "question_and_picture": sum((row.prompt, row.picture) in shown for row in seen.rows),
    }
    sentence = (
        f"The question of {of(numbers['question'], len(seen.rows))} edits of {seen.split} stands word for "
        f"word in {seen.elsewhere}; question and target of {numbers['question_and_target']:,} "
        f"({counted(numbers['question_and_target_distinct'], 'pair')}); question and picture of "
        f"{numbers['question_and_picture']:,}."
    )
    return Finding("questions_shared", numbers, sentence)
