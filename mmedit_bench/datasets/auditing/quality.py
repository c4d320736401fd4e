"""Edits that measure nothing, say what they should not, or stand in each other's way."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from mmedit_bench.datasets.auditing.finding import Finding, counted, of
from mmedit_bench.datasets.auditing.material import Material, Row

YES_NO = ("yes", "no")


def quality(seen: Material) -> Iterator[Finding]:
    """Findings on the audited split's own edits."""
    yield _no_ops(seen)
    yield _rephrases(seen)
    yield _several_targets(seen)
    yield _shared_pictures(seen)
    yield _told(seen)
    yield _targets(seen)


def _no_ops(seen: Material) -> Finding:
    recorded = [row for row in seen.rows if row.old is not None]
    exact = sum(row.target == row.old for row in recorded)
    nearly = sum(folded(row.target) == folded(row.old or "") for row in recorded)
    numbers = {
        "edits": len(seen.rows),
        "recorded": len(recorded),
        "equal": exact,
        "equal_ignoring_case": nearly,
    }
    if not recorded:
        sentence = (
            "No old answers are recorded, so edits that change nothing show only when a model is asked."
        )
    else:
        sentence = (
            f"The recorded old answer of {of(exact, len(recorded))} edits of {seen.split} equals the target; "
            f"of {nearly:,} if case is ignored."
        )
    return Finding("target_is_old_answer", numbers, sentence)


def _rephrases(seen: Material) -> Finding:
    pairs = [(row.prompt, own.prompt) for row in seen.rows for own in row.of("text_generality")]
    exact = sum(one == other for one, other in pairs)
    nearly = sum(folded(one) == folded(other) for one, other in pairs)
    return Finding(
        "rephrase_is_question", {"rephrases": len(pairs), "equal": exact, "equal_ignoring_case": nearly},
        f"{of(exact, len(pairs))} rephrases of {seen.split} equal the question they rephrase; {nearly:,} if "
        "case is ignored.",
    )  # fmt: skip


def _several_targets(seen: Material) -> Finding:
    by_question, by_both = defaultdict[str, list[Row]](list), defaultdict[tuple[Any, ...], list[Row]](list)
    for row in seen.rows:
        by_question[row.prompt].append(row)
        by_both[row.prompt, row.picture].append(row)
    several = [rows for rows in by_question.values() if len({row.target for row in rows}) > 1]
    clashing = [rows for rows in by_both.values() if len({row.target for row in rows}) > 1]
    again = sum(len(rows) - len({row.target for row in rows}) for rows in by_both.values())
    numbers = {
        "questions": len(several),
        "edits": sum(map(len, several)),
        "same_picture_questions": len(clashing),
        "same_picture_edits": sum(map(len, clashing)),
        "repeated_edits": again,
    }
    sentence = (
        f"{counted(len(several), 'question')} of {seen.split} {'has' if len(several) == 1 else 'have'} "
        f"several targets ({counted(numbers['edits'], 'edit')}); about one and the same picture, "
        f"{counted(len(clashing), 'question')} ({counted(numbers['same_picture_edits'], 'edit')}). "
        f"{counted(again, 'edit')} {'repeats' if again == 1 else 'repeat'} another."
    )
    return Finding("question_with_several_targets", numbers, sentence)


def _shared_pictures(seen: Material) -> Finding:
    edits = Counter(row.picture for row in seen.rows if row.picture)
    kept = defaultdict[str, set[str]](set)
    for row in seen.rows:
        for own in row.of("image_locality", "main"):
            if own.picture:
                kept[own.picture].add(row.id)
    numbers = {
        "edits": len(seen.rows),
        "sharing": sum(row.picture is not None and edits[row.picture] > 1 for row in seen.rows),
        "most_per_picture": max(edits.values(), default=0),
        "in_anothers_locality": sum(bool(kept.get(row.picture or "", set()) - {row.id}) for row in seen.rows),
    }
    sentence = (
        f"{of(numbers['sharing'], len(seen.rows))} edits of {seen.split} share their picture with another "
        f"edit of it, at most {numbers['most_per_picture']} of them one; the picture of "
        f"{numbers['in_anothers_locality']:,} is what another edit's image-locality question shows."
    )
    return Finding("pictures_shared_within", numbers, sentence)


def _told(seen: Material) -> Finding:
    """Targets that stand in the words of the question or its rephrase."""
    asked = sum(_holds(row.prompt, row.target) for row in seen.rows)
    rephrased = sum(
        any(_holds(own.prompt, row.target) for own in row.of("text_generality")) for row in seen.rows
    )
    return Finding(
        "target_in_question", {"edits": len(seen.rows), "question": asked, "rephrase": rephrased},
        f"The target stands in the question of {of(asked, len(seen.rows))} edits of {seen.split}, in the "
        f"rephrase of {rephrased:,}.",
    )  # fmt: skip


def _targets(seen: Material) -> Finding:
    targets = [row.target for row in seen.rows]
    words = [len(target.split()) for target in targets]
    padded = sum(target != target.strip() for target in targets)
    yes_no = sum(folded(target) in YES_NO for target in targets)
    numbers = {
        "edits": len(targets),
        "words_mean": round(sum(words) / len(words), 2),
        "words_most": max(words),
        "one_word": words.count(1),
        "one_word_share": round(words.count(1) / len(words), 4),
        "yes_no": yes_no,
        "yes_no_share": round(yes_no / len(words), 4),
        "different": len({folded(target) for target in targets}),
        "space_around": padded,
    }
    sentence = (
        f"Targets of {seen.split} have {numbers['words_mean']:.2f} words on average, {max(words)} at most; "
        f"{numbers['one_word_share']:.1%} are one word, {numbers['yes_no_share']:.1%} yes or no; "
        f"{numbers['different']:,} are different; {padded:,} have space around them."
    )
    return Finding("targets", numbers, sentence)


def folded(text: str) -> str:
    """`text` without regard to case and to space around it."""
    return text.strip().casefold()


def _holds(text: str, words: str) -> bool:
    """Whether `words` stand in `text` as whole words, in any case."""
    wanted = folded(words)
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text.casefold()) is not None
