import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.scoring.normalize import normalize, same_answer

TABLE = [
    ("The Two dogs.", "2 dogs"),
    ("  a   red\tball\n", "red ball"),
    ("1,000.5", "1000.5"),
    ("1,000,000", "1000000"),
    ("1, 2", "1 2"),
    ("10:30 AM", "10:30 am"),
    ("2.", "2"),
    ("dog's", "dogs"),
    ("Côte d’Ivoire", "côte divoire"),
    ("red-and-white", "red and white"),
    ("50%", "50%"),
    ("None", "0"),
    ("Straße", "strasse"),
    ("\uff21\uff22", "ab"),  # full-width letters
    ("cat\u200b", "cat"),  # an invisible mark
    ("🍊", "🍊"),
    ("👍🏽", "👍🏽"),  # the skin tone is a modifier symbol, and carries meaning
]


@pytest.mark.parametrize(("text", "wanted"), TABLE)
def test_rules(text: str, wanted: str) -> None:
    assert normalize(text) == wanted


@pytest.mark.parametrize(
    ("one", "other"), [("?", ""), ("a", ""), ("cat", "cats"), ("2.5", "25"), ("the", "a")]
)
def test_what_stays_different(one: str, other: str) -> None:
    assert not same_answer(one, other)


@given(st.text())
def test_idempotent(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(st.text())
def test_nothing_but_invisible_text_becomes_empty(text: str) -> None:
    assert normalize(text) or not any(char.isalnum() for char in text)


@given(st.text(), st.sampled_from(["The ", "an ", "  "]), st.sampled_from([".", "!", " ", "?!"]))
def test_articles_and_punctuation_around_an_answer_do_not_matter(text: str, before: str, after: str) -> None:
    core = f"x{text}x"
    assert same_answer(before + core + after, core)


@given(st.text(), st.text())
def test_same_answer_is_symmetric(one: str, other: str) -> None:
    assert same_answer(one, other) == same_answer(other, one)
