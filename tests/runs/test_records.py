"""Lines and files of predictions: round trips, every torn tail, every kind of damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.evidence import DEFAULT, KINDS, Reading, rounded
from mmedit_bench.runs.records import (
    Applied,
    Asked,
    Measured,
    ProbeRecord,
    Restored,
    StepRecord,
    Undone,
    line_of,
    lines_of,
    parse,
    read_predictions,
)

# UTF-8 cannot write surrogates; the harness replaces them before a record is made.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = st.integers(0, 2**31 - 1)
numbers = st.floats(-1e6, 1e6).map(lambda value: rounded([value])[0])
kinds_of_evidence = st.sets(st.sampled_from([kind for kind in KINDS if kind not in DEFAULT])).map(
    lambda more: tuple(kind for kind in KINDS if kind in {*DEFAULT, *more})
)


@st.composite
def readings(draw: st.DrawFn, kinds: tuple[str, ...]) -> Reading:
    answer = draw(texts)
    if draw(st.booleans()):
        return Reading(answer)
    size = draw(st.integers(1, 4))

    def many(item: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(item, min_size=size, max_size=size).map(tuple))

    best = st.lists(ids, min_size=1, max_size=10).map(tuple)
    return Reading(
        answer,
        many(ids),
        many(numbers),
        draw(st.lists(best, max_size=6).map(tuple)) if "top10" in kinds else None,
        many(numbers) if "kl" in kinds else None,
    )


@st.composite
def records(draw: st.DrawFn, kinds: tuple[str, ...]) -> StepRecord:
    head: dict[str, Any] = {
        "unit": draw(texts),
        "step": draw(ids),
        "closes": draw(st.sampled_from([None, "segment", "unit"])),
    }
    error = draw(st.none() | texts)
    status: Any = "ok" if error is None else "failed"
    match draw(st.sampled_from(["apply", "ask", "undo", "restore", "measure"])):
        case "apply":
            return Applied(**head, request=draw(texts), status=status, error=error)
        case "undo":
            return Undone(**head, request=draw(texts))
        case "restore":
            return Restored(**head)
        case "measure":
            items = st.lists(numbers, min_size=1, max_size=3).map(tuple)
            names = texts.map(lambda text: "x" + "".join(filter(str.isprintable, text)))
            values = draw(st.dictionaries(names, numbers | items, max_size=3))
            edits = tuple(draw(st.lists(texts, max_size=3)))
            own: Any = {"values": values, "edits": edits, "status": status, "error": error}
            return Measured(**head, measure=draw(texts), moment=draw(texts), **own)
    probe = st.builds(ProbeRecord, texts, readings(kinds))
    probes = tuple(draw(st.lists(probe, max_size=3, unique_by=lambda item: item.id)))
    edits = tuple(draw(st.lists(texts, max_size=3)))
    moment = draw(texts)
    return Asked(
        **head, case=draw(texts), moment=moment, edits=edits, status=status, error=error, probes=probes
    )


def apply(unit: str, step: int, closes: Any = None) -> Applied:
    return Applied(unit=unit, step=step, closes=closes, request=unit, status="ok", error=None)


def ask(unit: str, step: int = 1, closes: Any = "unit", answer: str = "a\u2028né") -> Asked:
    probe = ProbeRecord(f"{unit}/p{step}", Reading(answer, (5, 2), (-0.5, -1.25)))
    return Asked(
        unit=unit, step=step, closes=closes, case=unit, moment="end", edits=(unit,), status="ok", error=None,
        probes=(probe,),
    )  # fmt: skip


SEGMENTS: tuple[tuple[StepRecord, ...], ...] = (
    (apply("u0", 0), ask("u0")),
    (apply("u1", 0, "segment"),),
    (ask("u1", 1, None), ask("u1", 2)),
    (apply("u2", 0), ask("u2")),
)
"""Three units, the second of which has two segments."""
DATA = b"".join(lines_of(segment, DEFAULT) for segment in SEGMENTS)


@given(st.data())
def test_a_line_survives_a_round_trip(data: st.DataObject) -> None:
    kinds = data.draw(kinds_of_evidence)
    record = data.draw(records(kinds))
    line = line_of(record, kinds)
    assert line.count("\n") == 1 and line.endswith("\n")
    assert parse(line, kinds) == record
    assert line_of(parse(line, kinds), kinds) == line


@given(st.data())
def test_a_line_of_other_evidence_is_damage(data: st.DataObject) -> None:
    """What a spec does not name cannot be slipped in, and what it names cannot be left away."""
    written, read = data.draw(kinds_of_evidence), data.draw(kinds_of_evidence)
    record = data.draw(records(written))
    if not isinstance(record, Asked) or not record.probes or written == read:
        return
    with pytest.raises(BadRecord, match="expected the evidence"):
        parse(line_of(record, written), read)


def test_the_format_is_pinned() -> None:
    assert line_of(ask("u0", answer="é"), DEFAULT) == (
        '{"case":"u0","closes":"unit","edits":["u0"],"error":null,"kind":"ask","moment":"end","probes":'
        '[{"answer":"é","argmax":[5,2],"id":"u0/p1","logprobs":[-0.5,-1.25]}],"status":"ok","step":1,"unit":"u0"}\n'
    )
    assert line_of(apply("u0", 0), DEFAULT) == (
        '{"closes":null,"error":null,"kind":"apply","request":"u0","status":"ok","step":0,"unit":"u0"}\n'
    )


def test_every_torn_tail_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    ends = [
        len(b"".join(lines_of(s, DEFAULT) for s in SEGMENTS[:count])) for count in range(len(SEGMENTS) + 1)
    ]
    for size in range(len(DATA) + 1):
        path.write_bytes(DATA[:size])
        complete = sum(end <= size for end in ends) - 1
        found = read_predictions(path, DEFAULT)
        assert found == (SEGMENTS[:complete], ends[complete], size - ends[complete])
    assert [unit[0].unit for unit in found.units] == ["u0", "u1", "u2"]
    assert found.units[1] == (*SEGMENTS[1], *SEGMENTS[2])


def test_a_missing_file_holds_nothing(tmp_path: Path) -> None:
    assert read_predictions(tmp_path / "no", DEFAULT) == ((), 0, 0)


def altered(record: StepRecord | None = None, **changes: Any) -> bytes:
    values = json.loads(line_of(record or ask("u1"), DEFAULT)) | changes
    return (json.dumps({name: value for name, value in values.items() if value != "GONE"}) + "\n").encode()


def probe_altered(**changes: Any) -> bytes:
    return altered(probes=[json.loads(line_of(ask("u1"), DEFAULT))["probes"][0] | changes])


MEASURED = Measured(unit="u1", step=1, closes="unit", measure="speed", moment="end", values={"x": 1.0})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\n", "not JSON"),
        (b"{}\n", "kind is None"),
        (b"[]\n", "kind is None"),
        (b"\0\0\0\n", "not JSON"),
        (b"\xff\xfe\n", "utf-8|JSON"),
        (lines_of(SEGMENTS[0], DEFAULT)[:30] + b"\n", "not JSON"),
        (altered(extra=1), "expected the fields"),
        (altered(moment="GONE"), "expected the fields"),
        (altered(kind="sing"), "kind is 'sing'"),
        (altered(kind=["ask"]), "kind is "),
        (altered(step="1"), "step has the wrong type, str"),
        (altered(step=True), "step has the wrong type, bool"),
        (altered(step=-1), "step is negative"),
        (altered(closes=1), "closes has the wrong type, int"),
        (altered(closes="all"), "closes is 'all'"),
        (altered(status="fine"), "status is 'fine'"),
        (altered(status="failed"), "contradict"),
        (altered(error="x"), "contradict"),
        (altered(edits=[1]), "edits must be a list of ids"),
        (altered(probes=[1]), "a probe is an object"),
        (altered(probes=[{"id": 1}]), "a probe is an object"),
        (altered(probes=json.loads(line_of(ask("u1"), DEFAULT))["probes"] * 2), "two probes"),
        (altered(), "not written as mmedit-bench writes"),
        (lines_of([ask("u1")], DEFAULT)[:-1] + b"\r\n", "not written as mmedit-bench writes"),
        (lines_of([ask("u0")], DEFAULT), "unit u0 was already complete"),
        (probe_altered(argmax=[1]), "differ in length"),
        (probe_altered(argmax=None), "has all of argmax, logprobs or none"),
        (probe_altered(argmax=[1.5, 2]), "argmax must be a list of token ids"),
        (probe_altered(argmax=[True, 2]), "argmax must be a list of token ids"),
        (probe_altered(argmax="12"), "argmax must be null or a list"),
        (probe_altered(logprobs=["a", "b"]), "logprobs must be a list of finite numbers"),
        (probe_altered(logprobs=[10**400, 0]), "logprobs must be a list of finite numbers"),
        (probe_altered().replace(b"-1.25", b"-1e999"), "logprobs must be a list of finite numbers"),
        (probe_altered().replace(b"-1.25", b"NaN"), "NaN is no JSON number"),
        (probe_altered(top10=[[1]]), "expected the evidence"),
        (probe_altered(answer=5), "answer must be a text"),
        (probe_altered(answer="\ud800"), "not JSON"),
        (altered().replace(b'"step"', b'"unit": "u1", "step"'), "stands twice"),
        (altered(MEASURED, values={"x": "1"}), "finite numbers by name"),
        (altered(MEASURED, values={"x\x1b[2J": 1.0}), "printable names"),
        (altered(MEASURED, values={"=x": 1.0}), "printable names"),
        (altered(MEASURED, values={"x": []}), "finite numbers by name"),
        (altered(MEASURED, values={"x": [1.0, None]}), "finite numbers by name"),
        (altered(MEASURED, values={"x": [[1.0]]}), "finite numbers by name"),
        (altered(MEASURED, edits=[1]), "edits must be a list of ids"),
        (altered(MEASURED, status="failed"), "contradict"),
        (altered(MEASURED).replace(b"1.0", b"1" + b"0" * 400), "finite numbers by name"),
    ],
)
def test_damage_in_the_middle_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(lines_of(SEGMENTS[0], DEFAULT) + line + lines_of(SEGMENTS[3], DEFAULT))
    with pytest.raises(BadRecord, match=message) as caught:
        read_predictions(path, DEFAULT)
    assert f"{path}, line 3: " in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("records") / "predictions.jsonl"
    path.write_bytes(data)
    try:
        found = read_predictions(path, DEFAULT)
    except BadRecord:
        return
    assert found.units == ()  # random bytes are at most a torn tail


@given(st.integers(0, len(DATA) - 1), st.binary(min_size=1, max_size=3))
def test_no_overwritten_bytes_crash_the_reader(
    tmp_path_factory: pytest.TempPathFactory, place: int, new: bytes
) -> None:
    path = tmp_path_factory.mktemp("records") / "predictions.jsonl"
    path.write_bytes(DATA[:place] + new + DATA[place + len(new) :])
    try:
        read_predictions(path, DEFAULT)
    except BadRecord as error:
        assert str(path) in str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(line_of(ask("u1"), DEFAULT)))), json_values)
def test_no_value_of_a_field_crashes_the_parser(field: str, value: Any) -> None:
    line = json.dumps(json.loads(line_of(ask("u1"), DEFAULT)) | {field: value})
    try:
        record = parse(line, DEFAULT)
    except BadRecord:
        return
    assert parse(line_of(record, DEFAULT), DEFAULT) == record


def test_another_unit_cannot_begin_inside_one(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(lines_of([apply("u1", 0, "segment"), ask("u5")], DEFAULT))
    with pytest.raises(BadRecord, match="expected the next step of unit u1"):
        read_predictions(path, DEFAULT)


def test_deep_nesting_is_damage_not_a_crash() -> None:
    with pytest.raises(BadRecord, match="not JSON"):
        parse("[" * 100_000, DEFAULT)
