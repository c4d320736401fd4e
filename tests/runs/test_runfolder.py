"""Manifest, lock and the state of a run as its folder tells it."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.folder import Manifest, RunFolder, SelectionSummary, read_run
from mmedit_bench.runs.records import lines_of
from mmedit_bench.runs.spec import canonical
from tests.runs.test_records import SEGMENTS, apply, ask
from tests.runs.test_specs import SPEC

MANIFEST = Manifest(SPEC, SelectionSummary(5, 2, ("a", "b", "c")), units=3, asks=4, baseline="d" * 64)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.announce(MANIFEST)
    return folder


def test_a_manifest_survives_a_round_trip(folder: RunFolder) -> None:
    assert Manifest.read(folder.manifest) == MANIFEST
    values = json.loads(folder.manifest.read_text())
    assert values["fingerprint"] == SPEC.fingerprint
    assert values["selection"]["kept"] == 3
    assert not list(folder.path.glob("*.new"))


def test_a_run_grows_segment_by_segment(folder: RunFolder) -> None:
    assert not read_run(folder.path).complete
    folder.append(lines_of(SEGMENTS[0], DEFAULT))
    folder.append_timings([{"unit": "u0", "seconds": 1.5}])
    state = read_run(folder.path)
    assert (state.segments, state.finished_units, state.complete) == (SEGMENTS[:1], ("u0",), False)
    folder.append(lines_of(SEGMENTS[1], DEFAULT))
    assert read_run(folder.path).finished_units == ("u0",)  # u1 goes on
    for segment in SEGMENTS[2:]:
        folder.append(lines_of(segment, DEFAULT))
    state = read_run(folder.path)
    assert (state.segments, state.complete, state.failed) == (SEGMENTS, True, 0)
    assert [ask.case for ask in state.asks] == ["u0", "u1", "u1", "u2"]


def test_reading_changes_nothing(folder: RunFolder) -> None:
    folder.predictions.write_bytes(lines_of(SEGMENTS[0], DEFAULT) + b"{torn")
    assert read_run(folder.path).segments == SEGMENTS[:1]
    assert folder.predictions.read_bytes().endswith(b"{torn")
    assert folder.resume(MANIFEST).segments == SEGMENTS[:1]
    assert folder.predictions.read_bytes() == lines_of(SEGMENTS[0], DEFAULT)


def test_an_edit_that_failed_counts_once(folder: RunFolder) -> None:
    """Whether it could not be made, or could not be asked about, or both."""
    unmade = dataclasses.replace(apply("u0", 0), status="failed", error="x")
    unasked = dataclasses.replace(ask("u0", 1, None), status="failed", error="x", edits=())
    again = dataclasses.replace(unasked, step=2, moment="later", closes="unit")
    folder.append(lines_of([unmade, unasked, again], DEFAULT))
    folder.append(lines_of([apply("u1", 0), dataclasses.replace(unasked, unit="u1", case="u1")], DEFAULT))
    assert read_run(folder.path).failed == 1
    folder.append(lines_of([ask("u1", 2)], DEFAULT))
    assert read_run(folder.path).failed == 2


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match=r"no manifest\.json"):
        read_run(tmp_path)


def alter(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "0" * 64}, "changed by hand"),
        ({"units": 2, "extra": 1}, "changed by hand"),
        ({"schema": 1}, "another version"),
        ({"fingerprint_recipe": 1}, "another version"),
        ({"artefact": "f" * 64}, "changed by hand"),
        ({"control": True}, "changed by hand"),
        ({"spec": {}}, "run spec lacks"),
        ({"spec": SPEC.as_dict() | {"editor": "other"}}, "changed by hand"),
        ({"selection": []}, "TypeError"),
        ({"selection": {"considered": 1, "already_right": 0, "cases": ["a"], "kept": 3}}, "changed by hand"),
    ],
)
def test_a_damaged_manifest_is_named(folder: RunFolder, changes: dict[str, Any], message: str) -> None:
    alter(folder.manifest, **changes)
    with pytest.raises(BadRecord, match=message) as caught:
        Manifest.read(folder.manifest)
    assert str(folder.manifest) in str(caught.value)


def resealed(path: Path, **changes: Any) -> None:
    """Change fields and seal the manifest anew, as someone who reads the code would."""
    values = json.loads(path.read_text()) | changes
    del values["seal"]
    values["seal"] = hashlib.sha256(canonical(values).encode()).hexdigest()
    path.write_text(json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"units": "3"},
        {"units": True},
        {"asks": 4.0},
        {"asks": -4},
        {"baseline": None},
        {"artefact": 7},
        {"control": "yes"},
        {"source": []},
        {"selection": {"considered": 5, "already_right": 2, "cases": ["a", "b", 7], "kept": 3}},
        {"selection": {"considered": 5.0, "already_right": 2, "cases": ["a", "b", "c"], "kept": 3}},
    ],
)
def test_a_seal_does_not_make_up_for_a_wrong_type(folder: RunFolder, changes: dict[str, Any]) -> None:
    resealed(folder.manifest, **changes)
    with pytest.raises(BadRecord, match=r"manifest\.json cannot be read: TypeError"):
        Manifest.read(folder.manifest)


def test_a_manifest_is_a_regular_file_written_once(folder: RunFolder, tmp_path: Path) -> None:
    kept = folder.manifest.rename(tmp_path / "kept")
    folder.manifest.symlink_to(kept)
    with pytest.raises(BadRecord, match="symbolic link"):
        read_run(folder.path)
    folder.manifest.unlink()
    os.mkfifo(folder.manifest)
    with pytest.raises(BadRecord, match="not a regular file"):
        read_run(folder.path)
    folder.manifest.unlink()
    folder.manifest.write_text(kept.read_text().replace('"units": 3', '"units": 3, "units": 3'))
    with pytest.raises(BadRecord, match="'units' stands twice"):
        read_run(folder.path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_a_manifest_that_is_none(folder: RunFolder, data: bytes) -> None:
    folder.manifest.write_bytes(data)
    with pytest.raises(BadRecord, match=r"cannot be read|not JSON"):
        Manifest.read(folder.manifest)


def test_another_process_is_kept_out_and_a_dead_one_is_not_waited_for(folder: RunFolder) -> None:
    code = (
        "import sys, pathlib; from mmedit_bench.runs.folder import RunFolder\n"
        f"with RunFolder(pathlib.Path({str(folder.path)!r})).writing():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        with pytest.raises(BenchError, match=f"written by process {other.pid}"), folder.writing():
            pass
        other.kill()
    with folder.writing():
        pass
