"""What is read off the cards of the editors that ship, and off cards that are otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.site.card_facts import CardFacts, card_facts
from mmedit_bench.submissions.fields import FAMILIES

CARDS = sorted((Path(__file__).resolve().parents[3] / "methods").glob("*/README.md"))

CARD = """# mine

| | |
|---|---|
| Paper | Somebody, *A title of theirs*, 2026, arXiv 2601.01234; as X has it |
| Family | memory |
| Options | `a` |

Deviations from the paper:

- The first, which goes on
  over a line.
- The second.

What else there is. Family | other
"""


def test_the_three_facts() -> None:
    assert card_facts(CARD) == CardFacts(
        "memory",
        ("A title of theirs", "https://arxiv.org/abs/2601.01234"),
        ("The first, which goes on over a line.", "The second."),
    )


def test_what_is_not_there_is_left_out() -> None:
    assert card_facts("") == CardFacts()
    assert card_facts("| Paper | *A title*, no number |\n") == CardFacts()


@given(st.text())
def test_any_text_is_a_card(text: str) -> None:
    assert isinstance(card_facts(text), CardFacts)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_every_shipped_card_tells_its_family_and_deviations(path: Path) -> None:
    facts = card_facts(path.read_text(encoding="utf-8"))
    assert facts.family in FAMILIES
    assert facts.deviations or facts.family == "control"
