"""The store of pre-edit answers: shared files, torn lines, and what it is keyed by."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.harness.baseline import BeforeStore
from tests.fakes.backbone import FakeBackbone
from tests.fakes.suite import FakeSuite
from tests.runs.test_specs import SPEC

CASES = FakeSuite().cases("test")
QUERIES = [case.request.query for case in CASES]


def store(folder: Path, spec: Any = SPEC) -> tuple[FakeBackbone, BeforeStore]:
    backbone: Any = FakeBackbone()
    return backbone, BeforeStore(folder, backbone, spec)


def test_a_batch_is_asked_once(tmp_path: Path) -> None:
    backbone, first = store(tmp_path)
    replies, answers = first.replies(CASES[0].probes), first.answers(QUERIES)
    assert (first.replies(CASES[0].probes), first.answers(QUERIES)) == (replies, answers)
    assert len(backbone.calls) == 2
    other, second = store(tmp_path)
    assert (second.replies(CASES[0].probes), second.answers(QUERIES)) == (replies, answers)
    assert not other.calls


def test_batches_are_never_mixed(tmp_path: Path) -> None:
    backbone, first = store(tmp_path)
    first.answers(QUERIES)
    first.answers(QUERIES[:2])
    first.replies(CASES[0].probes)
    first.replies(CASES[0].probes[::-1])
    assert len(backbone.calls) == 4


@pytest.mark.parametrize(
    ("field", "shared"),
    [
        ("backbone_digest", False),
        ("suite_digest", False),
        ("dtype", False),
        ("device", False),
        ("core_code", False),
        ("torch", False),
        ("editor", True),
        ("editor_code", True),
        ("split", True),
        ("seed", True),
    ],
)
def test_the_key_holds_what_can_change_an_answer(tmp_path: Path, field: str, shared: bool) -> None:
    store(tmp_path)[1].answers(QUERIES)
    backbone, other = store(tmp_path, dataclasses.replace(SPEC, **{field: "other"}))
    other.answers(QUERIES)
    assert (not backbone.calls) == shared


def test_two_writers_and_a_torn_line_between_them(tmp_path: Path) -> None:
    _, one = store(tmp_path)
    _, two = store(tmp_path)
    one.replies(CASES[0].probes)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + b'{"key":"torn","val')
    two.replies(CASES[1].probes)
    one.replies(CASES[2].probes)
    backbone, third = store(tmp_path)
    for case in CASES[:3]:
        third.replies(case.probes)
    assert not backbone.calls


def test_every_cut_is_survived(tmp_path: Path) -> None:
    _, first = store(tmp_path / "a")
    expected = [first.replies(case.probes) for case in CASES[:2]]
    (file,) = (tmp_path / "a").iterdir()
    data = file.read_bytes()
    cut = tmp_path / "b" / file.name
    cut.parent.mkdir()
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        _, again = store(cut.parent)
        assert [again.replies(case.probes) for case in CASES[:2]] == expected
