"""What gives away, without the picture or the meaning, which kind of question is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from mmedit_bench.datasets.auditing.finding import Finding, of
from mmedit_bench.datasets.auditing.material import EDIT, Material

CONSTANT = 0.9
"""Share of a kind's questions that have to begin alike for the beginning to be called constant."""
WORDS = 4
"""Most words of a beginning."""
NAMES = {EDIT: "edited", "text_generality": "rephrased", "text_locality": "text-locality",
         "image_locality": "image-locality", "portability": "portability"}  # fmt: skip


def shortcuts(seen: Material) -> Iterator[Finding]:
    """Findings on surface cues."""
    asked = seen.questions()
    yield _prefixes(asked)
    yield _form(asked)
    yield _wordings(seen)


def _prefixes(asked: dict[str, list[str]]) -> Finding:
    """Beginnings that most questions of one kind share, and how many of the others have them."""
    numbers: dict[str, Any] = {}
    told = []
    for group, prompts in asked.items():
        prefix = constant_prefix(prompts)
        others = [prompt for other, own in asked.items() if other != group for prompt in own]
        have = sum(_begins(prompt, prefix) for prompt in prompts) if prefix else 0
        also = sum(_begins(prompt, prefix) for prompt in others) if prefix else 0
        numbers[group] = {
            "prefix": prefix, "questions": len(prompts), "have": have, "others": len(others),
            "others_have": also,
        }  # fmt: skip
        if prefix:
            told.append(
                f"“{prefix}” begins {of(have, len(prompts))} {NAMES[group]} questions and "
                f"{of(also, len(others))} others"
            )
    sentence = "; ".join(told) or "No kind of question has a beginning that nine in ten of it share"
    return Finding("constant_prefix", numbers, f"{sentence}.")


def constant_prefix(prompts: Sequence[str]) -> str | None:
    """The longest beginning of at most four words that nine in ten prompts share; None if there is none."""
    for length in range(WORDS, 0, -1):
        heads = Counter(" ".join(words[:length]) for p in prompts if len(words := p.split()) >= length)
        if heads:
            prefix, count = heads.most_common(1)[0]
            if count >= CONSTANT * len(prompts):
                return prefix
    return None


def _begins(prompt: str, prefix: str) -> bool:
    return " ".join(prompt.split()).startswith(prefix)


def _form(asked: dict[str, list[str]]) -> Finding:
    """How questions are written: a mark at the end, a capital at the beginning."""
    numbers: dict[str, Any] = {}
    for group, prompts in asked.items():
        numbers[group] = {
            "questions": len(prompts),
            "question_mark": sum(prompt.rstrip().endswith("?") for prompt in prompts),
            "capital": sum(prompt[:1].isupper() for prompt in prompts),
        }
    marks = ", ".join(
        f"{of(own['question_mark'], own['questions'])} {NAMES[group]}" for group, own in numbers.items()
    )
    capitals = ", ".join(
        f"{of(own['capital'], own['questions'])} {NAMES[group]}" for group, own in numbers.items()
    )
    return Finding(
        "form_of_questions", numbers,
        f"Questions that end with a question mark: {marks}. That begin with a capital: {capitals}.",
    )  # fmt: skip


def _wordings(seen: Material) -> Finding:
    edits = len({row.prompt for row in seen.rows})
    rephrased = len({own.prompt for row in seen.rows for own in row.of("text_generality")})
    return Finding(
        "wordings", {"edits": len(seen.rows), "questions": edits, "rephrases": rephrased},
        f"The {len(seen.rows):,} edits of {seen.split} have {edits:,} different questions and {rephrased:,} "
        "different rephrases.",
    )  # fmt: skip
