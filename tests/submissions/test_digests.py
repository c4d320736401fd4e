"""Digests of a submission's files, and the file that lists them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.errors import BadRecord
from mmedit_bench.submissions import digests as module
from mmedit_bench.submissions.digests import Digests, digests_of, package_digest


def test_every_file_but_the_list_itself_counts(tmp_path: Path) -> None:
    for name, data in {
        "submission.yaml": b"a",
        "runs/r/manifest.json": b"{}",
        "digests.json": b"old",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert digests_of(tmp_path) == {
        "runs/r/manifest.json": {"sha256": hashlib.sha256(b"{}").hexdigest(), "bytes": 2},
        "submission.yaml": {"sha256": hashlib.sha256(b"a").hexdigest(), "bytes": 1},
    }


def test_the_digest_of_a_package_tells_names_and_contents_apart(tmp_path: Path) -> None:
    found = set()
    for name, data in (("a.py", b"1"), ("b.py", b"1"), ("a.py", b"2")):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        (folder / name).write_bytes(data)
        found.add(package_digest(digests_of(folder)))
    assert len(found) == 3


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe"])
def test_what_is_no_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "odd")
    else:
        (tmp_path / "odd").symlink_to("/etc/passwd" if kind == "link" else "/etc")
    with pytest.raises(BadRecord, match="odd is neither"):
        digests_of(tmp_path)


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 60)
    for constant, value, words in (
        ("MOST_FILE", 59, "the most of one file"),
        ("MOST_BYTES", 119, "MiB; submit fewer"),
        ("MOST_FILES", 1, "more than 1 files"),
    ):
        with monkeypatch.context() as patch, pytest.raises(BadRecord, match=words):
            patch.setattr(module, constant, value)
            digests_of(tmp_path)
    deep = tmp_path / "/".join("cdefghijk")
    deep.mkdir(parents=True)
    with pytest.raises(BadRecord, match="8 folders deep"):
        digests_of(tmp_path)


hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
lists = st.builds(
    Digests,
    files=st.dictionaries(
        names, st.fixed_dictionaries({"sha256": hexes, "bytes": st.integers(0, 1 << 40)}), max_size=3
    ),
    package=st.fixed_dictionaries({"name": names, "version": names, "sha256": hexes}),
    scorer=names,
    suites=st.dictionaries(names, hexes, max_size=2),
    backbones=st.dictionaries(names, hexes, max_size=2),
)


@given(lists)
@settings(max_examples=50, deadline=None)
def test_the_list_is_read_back_as_written(digests: Digests) -> None:
    assert Digests.parse(digests.text()) == (digests, [])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)


@given(st.text() | st.binary() | values.map(module.json.dumps))
@settings(max_examples=200, deadline=None)
def test_whatever_the_list_holds_nothing_is_raised(text: str | bytes) -> None:
    found, problems = Digests.parse(text)
    assert found is None and problems


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", True),
        ("files", {"a": {"sha256": "A" * 64, "bytes": 1}}),
        ("files", {"a": {"sha256": "a" * 64}}),
        ("files", {"a": {"sha256": "a" * 64, "bytes": -1}}),
        ("package", {"name": "a"}),
        ("scorer", 1),
        ("suites", []),
        ("backbones", {"a": 1}),
        ("else", 1),
    ],
)
def test_every_field_of_the_list_is_checked(name: str, value: Any) -> None:
    good = Digests(
        files={}, package={"name": "a", "version": "1", "sha256": ""}, scorer="", suites={}, backbones={}
    )
    text = module.json.dumps(module.json.loads(good.text()) | {name: value})
    assert [p.where for p in Digests.parse(text)[1]] == [f"digests.json#{name}"]
