"""What the fields of a submission may hold, field by field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from mmedit_bench.submissions.yaml_tree import Scalar, Tree

PLACEHOLDER = "TODO"
"""How a text begins that is still to be written."""

TRACKS = ("edits", "code", "self-reported")
FAMILIES = ("fine-tuning", "meta-learning", "memory", "in-context", "hybrid", "control", "other")

MOST_WHOLE = 1 << 53
"""Largest integer of a hyper-parameter, up to its sign: the largest that every JSON reader can hold."""
MOST_PARAMETERS = 200
MOST_VALUE = 200
"""Characters of a hyper-parameter that is a text."""
MOST_LISTED = 100

_URL = re.compile(r"https://[a-z0-9.-]+(?::\d{1,5})?(?:[/?#][!#$%&'()*+,./:;=?@\[\]~\w-]*)?", re.ASCII)
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,119}")


class Wrong(Exception):
    """A value that a field cannot hold; `at` is what to add to the field's name."""

    def __init__(self, text: str, fix: str, at: str = "") -> None:
        self.text, self.fix, self.at = text, fix, at
        super().__init__(text)


Rule = Callable[[Tree], Any]
"""The value of a field, or `Wrong`."""


def printable(least: int, most: int) -> Rule:
    """A text of so many characters, in one line, with none that is obeyed rather than shown."""

    def rule(tree: Tree) -> str:
        text = _text(tree)
        if not least <= len(text) <= most:
            raise Wrong(f"it has {len(text)} characters", f"use {least} to {most}")
        if bad := next((char for char in text if not char.isprintable()), None):
            raise Wrong(f"it holds the character U+{ord(bad):04X}, which is not printable", "remove it")
        return text

    return rule


def matching(pattern: str, says: str) -> Rule:
    """A text of a form; `says` tells it in words."""
    wanted = re.compile(pattern, re.ASCII)

    def rule(tree: Tree) -> str:
        text = _text(tree)
        if not wanted.fullmatch(text):
            raise Wrong(f"it is {_quoted(text)}", f"use {says}")
        return text

    return rule


def one_of(names: tuple[str, ...]) -> Rule:
    """One of some words."""

    def rule(tree: Tree) -> str:
        text = _text(tree)
        if text not in names:
            raise Wrong(f"it is {_quoted(text)}", f"choose one of {', '.join(names)}")
        return text

    return rule


def day(tree: Tree) -> str:
    """A date such as 2026-01-31."""
    text = _text(tree)
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise Wrong(f"it is {_quoted(text)}", "use a date such as 2026-01-31") from None
    return text


def url(tree: Tree) -> str:
    """An address that begins with https:// and names a host, without a user."""
    text = _text(tree)
    fix = "use an address such as https://example.org/paper"
    if len(text) > 500:
        raise Wrong(f"it has {len(text)} characters", "use at most 500")
    try:
        host = urlsplit(text).hostname or ""
    except ValueError:
        host = ""
    if not _URL.fullmatch(text) or not _HOST.fullmatch(host):
        raise Wrong(f"{_quoted(text)} is no https address", fix)
    return text


def or_null(own: Rule) -> Rule:
    """What `own` takes, or nothing."""

    def rule(tree: Tree) -> Any:
        return None if isinstance(tree, Scalar) and tree.value is None else own(tree)

    return rule


def listed(own: Rule, least: int = 0) -> Rule:
    """A list of what `own` takes."""

    def rule(tree: Tree) -> tuple[Any, ...]:
        if not isinstance(tree, list):
            raise Wrong("it is no list", "write one `- text` line for each, or [] for none")
        if not least <= len(tree) <= MOST_LISTED:
            raise Wrong(f"it lists {len(tree)}", f"list {least} to {MOST_LISTED}")
        found = []
        for number, item in enumerate(tree):
            try:
                found.append(own(item))
            except Wrong as error:
                raise Wrong(error.text, error.fix, f"[{number}]{error.at}") from None
        return tuple(found)

    return rule


def parameters(tree: Tree) -> dict[str, str | int | float | bool | None]:
    """Names with single values."""
    if not isinstance(tree, dict):
        raise Wrong("it is no mapping", "write one `name: value` line for each, or {} for none")
    if len(tree) > MOST_PARAMETERS:
        raise Wrong(f"it names {len(tree)}", f"name at most {MOST_PARAMETERS}")
    short = printable(0, MOST_VALUE)
    found: dict[str, str | int | float | bool | None] = {}
    for key, item in tree.items():
        if not _KEY.fullmatch(key):
            raise Wrong(f"a name is {_quoted(key)}", "use letters, digits, _ . and -, at most 120")
        at = f".{key}"
        if not isinstance(item, Scalar):
            raise Wrong("it is no single value", "write a number, a word, true or false", at)
        value = item.value
        if isinstance(value, str):
            try:
                value = short(item)
            except Wrong as error:
                raise Wrong(error.text, error.fix, at) from None
        elif isinstance(value, float) and not math.isfinite(value):
            raise Wrong(f"{item.text} is not finite", "write it as a text, in quotes", at)
        elif type(value) is int and abs(value) > MOST_WHOLE:
            raise Wrong("it is beyond 2^53", "write it as a text, in quotes", at)
        found[key] = value
    return found


def _text(tree: Tree) -> str:
    if not isinstance(tree, Scalar):
        raise Wrong("it is no text", "write a single line of text")
    if tree.value is None:
        raise Wrong("it is empty", "fill it in")
    return tree.text


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
