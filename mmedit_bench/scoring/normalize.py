"""When two answers count as the same: the rules of the VQA evaluation (Antol et al., 2015), reworked.

Case, articles, punctuation, number words and whitespace do not matter. Unlike the original script
the function is idempotent, works on any script, and never turns an answer into nothing: a step that
would leave an empty string is skipped, so "?" and "" stay different.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

NORMALIZER_VERSION = "1"
"""Part of every score's description; raised whenever any pair of answers changes its verdict."""

ARTICLES = frozenset({"a", "an", "the"})
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_WORDS += " sixteen seventeen eighteen nineteen twenty"
NUMBERS = {word: str(value) for value, word in enumerate(_WORDS.split())} | {"none": "0"}

_APOSTROPHES = frozenset("'’‘ʼ`´")
_KEPT_MARKS = frozenset("%&#")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_INSIDE_NUMBER = re.compile(r"(?<=[0-9])[.:](?=[0-9])")


@lru_cache(maxsize=65536)
def normalize(text: str) -> str:
    """`text` in the form in which answers are compared: lower case, bare words, digits, single spaces.

    Idempotent. "The Two dogs." -> "2 dogs"; "1,000.5" -> "1000.5"; "Côte d'Ivoire" -> "côte divoire".
    """
    while (once := _once(text)) != text:  # folding and composing can each enable the other once more
        text = once
    return text


def same_answer(one: str, other: str) -> bool:
    """Whether the two answers agree after normalisation."""
    return normalize(one) == normalize(other)


def _once(text: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = " ".join(_without_punctuation(text).split()) or " ".join(text.split())
    words = [NUMBERS.get(word, word) for word in text.split()]
    return " ".join([word for word in words if word not in ARTICLES] or words)


def _without_punctuation(text: str) -> str:
    text = _THOUSANDS.sub("", text)
    inside = {match.start() for match in _INSIDE_NUMBER.finditer(text)}
    return "".join(char if place in inside else _replacement(char) for place, char in enumerate(text))


def _replacement(char: str) -> str:
    """What becomes of a character outside numbers: itself, a space, or nothing."""
    category = unicodedata.category(char)
    if char in _APOSTROPHES or category == "Cf":  # "dog's" is one word; zero-width marks are invisible
        return ""
    if char in _KEPT_MARKS:
        return char
    # Other symbols (emoji, currency, degrees) carry meaning; brackets, dashes and ASCII maths do not.
    # Unassigned code points stay, or an emoji newer than this Python's tables would vanish.
    gone = category[0] == "P" or category == "Cc" or (category in ("Sm", "Sk") and char.isascii())
    return " " if gone else char
