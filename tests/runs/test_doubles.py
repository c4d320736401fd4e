"""A field that stands twice is refused in the words of `runs.files`, in a time that grows with the text."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs import doubles, files

LONG = " " * 300
"""Blanks that make a text long enough to be looked at."""


def told(read: Any, text: str | bytes) -> object:
    try:
        return read(text)
    except BadRecord as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":2,"b":3,"a":4}', '[{"x":{"k":1,"k":2}}]', '{"a":NaN,"a":1}', '{"a":1,"a":1} x',
        '{"a":{"b":1,"b":1},"c":NaN}', '{"a":NaN,"c":{"b":1,"b":1}}', '{"a":1', "1", "", '{"a":"\\ud800"}',
        "[" * 100_000, b"\xff", '{"a":' + "9" * 5000 + ',"a":1}',
    ],
)  # fmt: skip
def test_the_words_are_the_same(text: str | bytes) -> None:
    long = text + LONG if isinstance(text, str) else text + LONG.encode()
    for own in (text, long):
        assert told(doubles.parsed, own) == told(files.parsed, own)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=6))
def test_whatever_stands_twice(pairs: list[tuple[str, int]]) -> None:
    text = "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs) + "}" + LONG
    assert told(doubles.parsed, text) == told(files.parsed, text)


def test_many_fields_take_no_longer_than_their_length() -> None:
    text = "{" + ",".join(f'"{number}":0' for number in (*range(100_000), 99_999)) + "}"
    started = time.process_time()
    with pytest.raises(BadRecord, match=r"^the field '99999' stands twice in one object$"):
        doubles.parsed(text)
    assert time.process_time() - started < 10  # one pass: a tenth of a second; field by field: minutes
