"""Manifest, lock and the state of a run as its folder tells it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.folder import Manifest, RunFolder, SelectionSummary, read_run
from mmedit_bench.runs.records import lines_of
from tests.runs.test_records import UNITS
from tests.runs.test_specs import SPEC

MANIFEST = Manifest(SPEC, SelectionSummary(5, 1, ("a", "b", "c")), units=3, asks=4)


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


def test_a_run_grows_unit_by_unit(folder: RunFolder) -> None:
    assert not read_run(folder.path).complete
    folder.append(UNITS[0], [{"unit": "u0", "seconds": 1.5}])
    state = read_run(folder.path)
    assert (state.units, state.complete, state.failed) == (UNITS[:1], False, 0)
    folder.append([*UNITS[1], *UNITS[2]], [])
    state = read_run(folder.path)
    assert (state.units, state.complete, len(state.asks)) == (UNITS, True, 4)


def test_reading_changes_nothing(folder: RunFolder) -> None:
    folder.predictions.write_bytes(lines_of(UNITS[0]) + b"{torn")
    assert read_run(folder.path).units == UNITS[:1]
    assert folder.predictions.read_bytes().endswith(b"{torn")
    assert folder.resume().units == UNITS[:1]
    assert folder.predictions.read_bytes() == lines_of(UNITS[0])


def test_more_than_announced_is_damage(folder: RunFolder) -> None:
    fewer = Manifest(SPEC, MANIFEST.selection, units=2, asks=2)
    folder.announce(fewer)
    folder.append([record for unit in UNITS for record in unit], [])
    with pytest.raises(BadRecord, match="more than"):
        read_run(folder.path)


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
        ({"schema": 2}, "another version"),
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


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff"])
def test_a_manifest_that_is_none(folder: RunFolder, data: bytes) -> None:
    folder.manifest.write_bytes(data)
    with pytest.raises(BadRecord, match="cannot be read"):
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
