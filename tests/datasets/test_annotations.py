"""Annotation files are read one record at a time, and whatever is wrong with one is said of it by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedit_bench.datasets.annotated.records import (
    Hop,
    Source,
    check_pinned,
    digest_of,
    parse,
    read_records,
    records,
    stream,
)
from mmedit_bench.errors import BadData
from tests.datasets.small import value, write

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OBJECTS = st.lists(
    st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=4), max_size=6
)
IN_PLACE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)


@IN_PLACE
@given(values=OBJECTS, block=st.integers(1, 40), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_any_array_of_objects_in_any_blocks(
    tmp_path: Path, values: list[Any], block: int, indent: int | None, ascii_only: bool
) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    assert list(stream(path, block)) == values


@IN_PLACE
@given(data=st.binary(max_size=60), block=st.integers(1, 20))
def test_garbage_is_refused_or_read_as_json_reads_it(tmp_path: Path, data: bytes, block: int) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(b"[" + data)
    try:
        found = list(stream(path, block))
    except BadData as error:
        assert str(path) in str(error)
    else:
        assert json.loads(path.read_bytes().decode("utf-8-sig")) == found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "breaks off in record 0"),
        ('{"a": 1}', "not a JSON array"),
        ('[{"a": 1}', "breaks off in record 1"),
        ('[{"a": 1},', "breaks off in record 1"),
        ('[{"a": 1},]', "record 1 is no object"),
        ('[{"a": 1} {"a": 2}]', "after record 0: neither a further record nor the end"),
        ('[{"a": 1}] x', "neither a further record nor the end"),
        ('[{"a": 1}, 3]', "record 1 is no object"),
        ('[{"a": 1, "a": 2}]', "record 0: a field stands twice"),
        ('[{"a": NaN}]', "record 0: NaN is no JSON number"),
        ("[\xff]".encode("latin-1"), "not UTF-8"),
    ],
)
def test_what_is_no_array_of_records_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadData, match=f"bad.json.*{problem}"):
        list(stream(path))


def test_a_record_has_its_place_and_fields() -> None:
    record = parse(value(7), "x.json: record 3", 3)
    assert (record.number, record.src, record.alt, record.hops, record.fact) == (
        3, "What is thing 7?", "new thing 7", (), None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"alt": ""}, "field 'alt' is ''"),
        ({"alt": "  \n"}, "field 'alt' is"),
        ({"rephrase": None}, "field 'rephrase' is None"),
        ({"m_loc_a": 3}, "field 'm_loc_a' is 3"),
        ({"image": "/etc/passwd"}, "field 'image' is '/etc/passwd', not a path below a root"),
        ({"image": "val/../../x.png"}, "not a path below a root"),
        ({"image": "val\\x.png"}, "not a path below a root"),
        ({"port_new": "x"}, "'port_new' must be a list of objects"),
        ({"port_new": [{"port_q": "What?", "port_a": ""}]}, "field 'port_a' is ''"),
        ({"port_new": [{"port_type": "5-hop", "Q&A": {}}]}, "neither port_q nor port_type"),
    ],
)
def test_a_bad_record_is_named_with_its_field(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadData, match=problem) as caught:
        parse(value(0, **changes), "eval.json: record 12", 12)
    assert str(caught.value).startswith("eval.json: record 12")


def test_both_forms_of_portability() -> None:
    one = {"port_q": "When?", "port_a": "then", "port_edit_q": "When was it?", "port_edit_a": "then"}
    record = parse(value(0, port_new=[one]), "x", 0)
    assert (record.hops, record.fact) == ((Hop(1, "When?", "then"),), ("When was it?", "then"))
    hops = [
        {"port_type": f"{n}-hop", "Q&A": {"Question": f"What {n}?", "Answer": f"this {n}"}}
        for n in (1, 2, 3, 4)
    ]
    record = parse(value(0, port_new=hops), "x", 0)
    assert record.fact is None
    assert record.hops == tuple(Hop(n, f"What {n}?", f"this {n}") for n in (1, 2, 3, 4))


def test_another_file_than_the_pinned_one_names_both_digests(tmp_path: Path) -> None:
    path = tmp_path / "eval.json"
    write(path, [value(0), value(1)])
    pinned = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(read_records(path, Source("eval.json", pinned, 2))) == 2
    with pytest.raises(BadData, match="2 records, expected 3"):
        list(records(path, Source("eval.json", pinned, 3)))
    write(path, [value(0), value(2)])
    with pytest.raises(BadData, match=f"sha256 {digest_of(path)}, expected {pinned}"):
        check_pinned(path, Source("eval.json", pinned, 2))


def test_a_missing_file_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"eval\.json: there is no such file; check MMEDIT_BENCH_DATA"):
        check_pinned(tmp_path / "eval.json", Source("eval.json"))
