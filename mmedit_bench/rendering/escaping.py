"""Text of strangers (names, answers, errors, file names) where it meets a program that obeys characters.

A terminal obeys control characters, a spreadsheet the first character of a cell, and whatever lays
text out the marks that turn its direction. Nothing is dropped: what could be obeyed is shown as a
backslash escape, or, in HTML, kept inside bounds.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 without tab and line feed, delete, and C1, which some terminals take for escape sequences."""
_TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9, 2)."""
_LINES = "\u2028\u2029"
_OBEYED = re.compile(f"[{_CONTROLS}{_TURNS}{_LINES}\ud800-\udfff\ufeff\U000e0000-\U000e007f]")
_UNSEEN = re.compile(f"[{_CONTROLS}{_LINES}\ud800-\udfff\ufeff\U000e0000-\U000e007f]")
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

_ISOLATES, _EMBEDDINGS = "\u2066\u2067\u2068", "\u202a\u202b\u202d\u202e"
_POP_ISOLATE, _POP_EMBEDDING = "\u2069", "\u202c"
_TURNING = re.compile(
    f"[{_TURNS}\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The marks, and letters that are written from right to left."""


def shown(text: str) -> str:
    """`text` for a terminal: what it would obey as an escape such as \\x1b; lines and tabs stay."""
    return _OBEYED.sub(_escape, text)


def shown_line(text: str) -> str:
    """The same on one line, its white space run together."""
    return shown(" ".join(text.split()))


def shown_json(document: str) -> str:
    """A JSON document for a terminal: the same values, with what it would obey as JSON spells it."""
    return _OBEYED.sub(_spell, document)


def cell(value: object) -> object:
    """A value for a cell of a spreadsheet: a text that would be a formula gets an apostrophe in front.

    Numbers, and texts that are nothing but a number, stay as they are.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def isolated(text: str) -> str:
    """`text` for HTML, within bounds: whatever turns its direction ends where it ends.

    A line that turns nothing is given back as it is. One that does stands between FSI and PDI (UAX 9,
    2.4.2), without pops that close nothing of its own, which could close the bounds.
    """
    return "\n".join(map(_isolated_line, _UNSEEN.sub(_escape, text).split("\n")))


def _isolated_line(text: str) -> str:
    if not _TURNING.search(text):
        return text
    kept: list[str] = []
    begun: list[str] = []
    for char in text:
        if char in _ISOLATES or char in _EMBEDDINGS:
            begun.append(char)
        elif char == _POP_ISOLATE:
            if not any(one in _ISOLATES for one in begun):
                continue
            while begun.pop() in _EMBEDDINGS:  # what was embedded in an isolate ends with it
                pass
        elif char == _POP_EMBEDDING:
            if not begun or begun[-1] in _ISOLATES:
                continue
            begun.pop()
        kept.append(char)
    kept += [_POP_EMBEDDING if one in _EMBEDDINGS else _POP_ISOLATE for one in reversed(begun)]
    return f"\u2068{''.join(kept)}{_POP_ISOLATE}"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _spell(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
