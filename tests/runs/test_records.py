"""Lines and files of predictions: round trips, every torn tail, every kind of damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.records import AskRecord, ProbeRecord, Reading, lines_of, read_predictions

# UTF-8 cannot write surrogates; the harness replaces them before a record is made.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.integers(0, 2**31)


@st.composite
def probes(draw: st.DrawFn) -> ProbeRecord:
    size = draw(st.integers(1, 4))
    tokens = st.lists(ids, min_size=size, max_size=size).map(tuple)
    before = Reading(draw(texts), draw(tokens))
    return ProbeRecord(draw(texts), draw(texts), draw(tokens), draw(tokens), before)


@st.composite
def asks(draw: st.DrawFn) -> AskRecord:
    error = draw(st.none() | texts)
    own = draw(st.lists(probes(), max_size=3, unique_by=lambda probe: probe.id))
    edits = tuple(draw(st.lists(texts, max_size=3)))
    status: Any = "ok" if error is None else "failed"
    last = draw(st.booleans())
    return AskRecord(draw(texts), draw(ids), draw(texts), edits, status, error, tuple(own), last)


def ask(unit: str, step: int = 1, last: bool = True, answer: str = "a\u2028né") -> AskRecord:
    probe = ProbeRecord(f"{unit}/p{step}", answer, (5, 2), (6, 2), Reading("b", (7, 2)))
    return AskRecord(unit, step, unit, (unit,), "ok", None, (probe,), last)


UNITS = ((ask("u0"),), (ask("u1", 1, False), ask("u1", 3)), (ask("u2"),))
DATA = b"".join(lines_of(unit) for unit in UNITS)


@given(asks())
def test_a_line_survives_a_round_trip(record: AskRecord) -> None:
    line = record.line()
    assert line.count("\n") == 1 and line.endswith("\n")
    assert AskRecord.parse(line) == record
    assert AskRecord.parse(line).line() == line


def test_the_format_is_pinned() -> None:
    assert ask("u0", answer="é").line() == (
        '{"case":"u0","edits":["u0"],"error":null,"last":true,"probes":[{"answer":"é","argmax":[5,2],'
        '"before":{"answer":"b","argmax":[7,2]},"id":"u0/p1","target":[6,2]}],"status":"ok","step":1,"unit":"u0"}\n'
    )


def test_every_torn_tail_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    ends = [len(b"".join(lines_of(unit) for unit in UNITS[:count])) for count in range(4)]
    for size in range(len(DATA) + 1):
        path.write_bytes(DATA[:size])
        complete = sum(end <= size for end in ends) - 1
        assert read_predictions(path) == (UNITS[:complete], ends[complete], size - ends[complete])


def test_a_missing_file_holds_nothing(tmp_path: Path) -> None:
    assert read_predictions(tmp_path / "no") == ((), 0, 0)


def altered(**changes: Any) -> bytes:
    return (json.dumps(json.loads(ask("u1").line()) | changes) + "\n").encode()


def probe_altered(**changes: Any) -> bytes:
    return altered(probes=[json.loads(ask("u1").line())["probes"][0] | changes])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\n", "not JSON"),
        (b"{}\n", "expected the fields"),
        (b"[]\n", "expected an object, found list"),
        (b"\0\0\0\n", "not JSON"),
        (b"\xff\xfe\n", "utf-8"),
        (lines_of(UNITS[0])[:30] + b"\n", "not JSON"),
        (altered(extra=1), "expected the fields"),
        (altered(step="1"), "step has the wrong type, str"),
        (altered(step=True), "step has the wrong type, bool"),
        (altered(last=1), "last has the wrong type, int"),
        (altered(status="fine"), "status is 'fine'"),
        (altered(status="failed"), "contradict"),
        (altered(error="x"), "contradict"),
        (altered(edits=[1]), "edits must be a list of ids"),
        (altered(probes=[1]), "expected an object, found int"),
        (altered(probes=json.loads(ask("u1").line())["probes"] * 2), "two probes"),
        (altered(unit="u0"), "unit u0 was already complete"),
        (probe_altered(argmax=[1]), "differ in length"),
        (probe_altered(argmax=[1.5, 2]), "argmax must be a list of token ids"),
        (probe_altered(argmax=[True, 2]), "argmax must be a list of token ids"),
        (probe_altered(before={"answer": "x"}), "expected the fields answer, argmax"),
        (lines_of([ask("u1", 1, False), ask("u5")]), "expected the next ask of unit u1"),
        (lines_of([ask("u1", 3, False), ask("u1", 3)]), "expected the next ask of unit u1"),
    ],
)
def test_damage_in_the_middle_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(lines_of(UNITS[0]) + line + lines_of(UNITS[2]))
    with pytest.raises(BadRecord, match=message) as caught:
        read_predictions(path)
    assert f"{path}, line {2 + (line.count(b'last') == 2)}: " in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("records") / "predictions.jsonl"
    path.write_bytes(data)
    try:
        found = read_predictions(path)
    except BadRecord:
        return
    assert found.units == ()  # random bytes are at most a torn tail


def test_deep_nesting_is_damage_not_a_crash() -> None:
    with pytest.raises(BadRecord, match="not JSON"):
        AskRecord.parse("[" * 100_000)
