"""Baselines: round trips, several writers, torn tails, contradictions, and what their name depends on."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.baseline import Baseline, BaseProbe, append, path_of, read_baseline
from mmedit_bench.runs.evidence import DEFAULT, Reading
from tests.runs.test_records import ids, kinds_of_evidence, numbers, texts
from tests.runs.test_specs import SPEC


@st.composite
def base_probes(draw: st.DrawFn, kinds: tuple[str, ...]) -> BaseProbe:
    size = draw(st.integers(2, 4))
    exactly = {"min_size": size, "max_size": size}
    reading = Reading(
        draw(texts),
        tuple(draw(st.lists(ids, **exactly))),
        tuple(draw(st.lists(numbers, **exactly))),
        ((1, 2),) if "top10" in kinds else None,
        tuple(draw(st.lists(numbers, **exactly))) if "kl" in kinds else None,
    )
    return BaseProbe(draw(texts), tuple(draw(st.lists(ids, **exactly))), reading)


@st.composite
def baselines(draw: st.DrawFn) -> Baseline:
    kinds = draw(kinds_of_evidence)
    probes = st.lists(base_probes(kinds), max_size=2).map(tuple)
    return Baseline(
        kinds,
        draw(st.dictionaries(texts, texts, max_size=3)),
        draw(st.dictionaries(texts, probes, max_size=3)),
    )


def probe(answer: str = "old") -> BaseProbe:
    return BaseProbe("p0", (5, 2), Reading(answer, (5, 3), (-0.5, -1.0)))


WHOLE = Baseline(DEFAULT, {"a": "one", "b": "two"}, {"a": (probe(),), "b": (probe("other"),)})


@given(baselines())
def test_a_file_survives_a_round_trip(tmp_path_factory: pytest.TempPathFactory, baseline: Baseline) -> None:
    path = tmp_path_factory.mktemp("baselines") / "x.jsonl"
    path.write_bytes(baseline.lines(baseline.answers, baseline.probes))
    assert read_baseline(path, baseline.kinds) == baseline


def test_the_digest_is_that_of_the_lines_used() -> None:
    lines = WHOLE.lines(["a"], ["b"])
    assert WHOLE.digest(["a"], ["b"]) == hashlib.sha256(lines).hexdigest()
    others = [
        WHOLE.digest(["a", "b"], ["b"]),
        WHOLE.digest(["a"], ["a"]),
        WHOLE.with_answers({"a": "else"}).digest(["a"], ["b"]),
        WHOLE.with_probes("b", [probe("else")]).digest(["a"], ["b"]),
    ]
    assert len({WHOLE.digest(["a"], ["b"]), *others}) == 5
    assert WHOLE.with_answers({"c": "three"}).digest(["a"], ["b"]) == WHOLE.digest(["a"], ["b"])


def test_what_is_lacking_is_named() -> None:
    with pytest.raises(BadRecord, match="no answer to the request of case c"):
        WHOLE.digest(["c"], [])
    with pytest.raises(BadRecord, match="no readings of case c"):
        WHOLE.digest([], ["c"])


def test_a_missing_file_holds_nothing(tmp_path: Path) -> None:
    assert read_baseline(tmp_path / "none", DEFAULT) == Baseline(DEFAULT)


def test_every_torn_tail_is_passed_over_and_cut_off_by_the_next_writer(tmp_path: Path) -> None:
    path, data = tmp_path / "x.jsonl", WHOLE.lines(["a"], ["a"])
    first = data.index(b"\n") + 1
    for size in range(first, len(data)):
        path.write_bytes(data[:size])
        assert read_baseline(path, DEFAULT) == Baseline(DEFAULT, {"a": "one"})
        append(path, data[first:])
        assert path.read_bytes() == data


def test_the_same_line_twice_is_one_and_another_is_a_contradiction(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "x.jsonl"
    for _ in range(2):
        append(path, WHOLE.lines(["a", "b"], ["a", "b"]))
    assert read_baseline(path, DEFAULT) == WHOLE
    for other in (WHOLE.with_answers({"a": "else"}), WHOLE.with_probes("a", [probe("else")])):
        data = path.read_bytes()
        append(path, other.lines(["a"], ["a"]))
        with pytest.raises(BadRecord, match=f"{path}, line .*two different"):
            read_baseline(path, DEFAULT)
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON"),
        (b"[]", "indices|list"),
        (b'{"case": 5, "answer": "x"}', "case is no text"),
        (b'{"case": "c", "answer": 5}', "neither an answer nor readings"),
        (b'{"case": "c", "answer": "x", "more": 1}', "neither an answer nor readings"),
        (b'{"case": "c", "case": "c", "answer": "x"}', "stands twice"),
        (b'{"case": "c", "answer": "\\ud800"}', "not JSON"),
        (b'{"case": "c", "probes": [5]}', "a probe is an object"),
        (b'{"case": "c", "probes": 5}', "not iterable"),
        (b'{"case": "c", "probes": [{"id": "p"}]}', "target"),
        (b'{"case":"c","probes":[{"id":"p","target":[1]}]}', "at least two token ids"),
        (b'{"case":"c","probes":[{"id":"p","target":[1,-2]}]}', "at least two token ids"),
        (
            b'{"case":"c","probes":[{"id":"p","target":[1,2],"answer":"x","argmax":[1],"logprobs":[0]}]}',
            "argmax and target differ",
        ),
        (
            b'{"case":"c","probes":[{"id":"p","target":[1,2],"answer":"x","argmax":null,"logprobs":null}]}',
            "argmax and target differ",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(WHOLE.lines(["a"], []) + line + b"\n")
    with pytest.raises(BadRecord, match=rf"(?s){path}, line 2: .*({message})"):
        read_baseline(path, DEFAULT)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int) -> None:
    path = tmp_path_factory.mktemp("baselines") / "x.jsonl"
    whole = WHOLE.lines(["a", "b"], ["a", "b"])
    for text in (data, whole[:place] + data + whole[place:]):
        path.write_bytes(text)
        try:
            read_baseline(path, DEFAULT)
        except BadRecord as error:
            assert str(path) in str(error)


KEYED = {
    "suite", "suite_digest", "split", "backbone", "backbone_digest", "dtype", "device", "batch_size",
    "threads",
    "evidence", "asking_code", "torch", "transformers",
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(SPEC)])
def test_the_name_depends_on_what_changes_an_unedited_answer(field: str) -> None:
    other = {"limit": 7, "seed": 7, "batch_size": 7, "threads": 7, "evidence": ("answer",)}
    mappings = ("editor_settings", "editor_options", "protocol_options", "measures")
    other |= {key: {"lr": 0.002} for key in mappings}
    changed = dataclasses.replace(SPEC, **{field: other.get(field, "other")})
    assert (path_of(Path("b"), changed) != path_of(Path("b"), SPEC)) == (field in KEYED)
    assert path_of(Path("b"), SPEC).parent == Path("b")
