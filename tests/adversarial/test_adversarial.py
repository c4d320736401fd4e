"""Cheats earn nothing: the run completes, and what they touch is failed or as an honest editor leaves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord
from mmedit_bench.execution.isolated import MOST_LOG, Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from tests.adversarial.cheats import CHEATS
from tests.cli.conftest import ENTRY_POINTS

Lines = dict[str, list[str]]
"""Records by unit."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cheat comes to."""

    like: str
    """The honest editor whose records it leaves, but for the units that fail."""
    edits: int = 0
    """Edits that fail."""
    asks: int = 0
    """Cases that cannot be asked with the edit in force."""
    why: str = ""
    """What the records say."""


EXPECTED = {
    "cheat-registry": Outcome("echo", edits=6, why="is given the split 'train' only"),
    "cheat-memory": Outcome("null"),
    "cheat-exit": Outcome("echo", edits=1, why="the editor's process ended"),
    "cheat-soft-exit": Outcome("echo", edits=1, why="SystemExit"),
    "cheat-hang": Outcome("echo", edits=1, why="took longer than 2 seconds"),
    "cheat-flood": Outcome("echo"),
    "cheat-garbage": Outcome("echo", edits=1, why="an editor must return an Edit, not a str"),
    "cheat-scribble": Outcome("echo", edits=1, why="the editor's process ended"),
    "cheat-thread": Outcome("echo"),
    "cheat-sizeless": Outcome("echo", edits=1, why="too large for numbers"),
    "cheat-endless": Outcome("echo", asks=1, why="no text of at most 4096 characters"),
    "cheat-ambush": Outcome("echo", asks=1, why="the editor's process ended"),
    "cheat-smuggle": Outcome("echo", edits=1, why="is code, which is not loaded here"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the lab's plugins and the cheats installed."""
    folder = tmp_path_factory.mktemp("lab")
    info = folder / "installed" / "lab-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    cheats = "".join(f"{name} = {place}\n" for name, place in CHEATS.items())
    (info / "entry_points.txt").write_text(
        ENTRY_POINTS.replace("[mmedit_bench.editors]\n", "[mmedit_bench.editors]\n" + cheats)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(info.parent)
        patch.setenv("MMEDIT_BENCH_HOME", str(folder / "home"))
        yield folder


def order(editor: str, **more: Any) -> Order:
    return Order(suite="lab-suite", backbone="lab-backbone", editor=editor, **more)


def records(folder: Path) -> Lines:
    found: Lines = {}
    for line in (folder / "predictions.jsonl").read_text().splitlines():
        found.setdefault(json.loads(line)["unit"], []).append(line)
    return found


@pytest.fixture(scope="module")
def honest(lab: Path) -> dict[str, Lines]:
    return {name: records(Workshop().run(order(name), lab / "runs").folder) for name in ("echo", "null")}


@pytest.mark.parametrize("cheat", EXPECTED)
def test_a_cheat_earns_nothing(lab: Path, honest: dict[str, Lines], cheat: str) -> None:
    wanted = EXPECTED[cheat]
    seconds = 2.0 if cheat == "cheat-hang" else 60.0
    result = Workshop().run(order(cheat), lab / "runs", isolation=Isolation(edit_timeout=seconds))
    assert (result.status, result.units, result.failed) == (
        "complete", 6, wanted.edits + wanted.asks,
    )  # fmt: skip
    found, failed = records(result.folder), set()
    asks = 0
    for unit, lines in found.items():
        told = [json.loads(line) for line in lines]
        errors = [one["error"] for one in told if one.get("status") == "failed"]
        if not errors:
            assert lines == honest[wanted.like][unit]
            continue
        failed.add(unit)
        assert all(wanted.why in error for error in errors)
        asks += any(one.get("status") == "failed" and "probes" in one for one in told)
        # what is asked after a failed edit is what the unedited backbone says
        bare = [json.loads(line) for line in honest["null"][unit]]
        assert [one["probes"] for one in told if "probes" in one] == [
            one["probes"] for one in bare if "probes" in one
        ]
    assert (len(failed), asks) == (wanted.edits + wanted.asks, wanted.asks)
    assert not list((lab / "runs").glob("editor-*.log")), "what is printed belongs to the run"


def test_the_walk_through_memory_finds_the_cases_where_nothing_is_apart(lab: Path) -> None:
    result = Workshop().run(order("cheat-memory"), lab / "together")
    assert '"found"' in (result.folder / "predictions.jsonl").read_text()


def test_a_flood_leaves_the_programs_own_words_readable(lab: Path) -> None:
    words = ["run", "--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "cheat-flood"]
    code = "from mmedit_bench.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--isolate", "--limit", "2", "--json", "--out", lab / "cli"],
        env=_environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["status"], told["edits"], told["failed"]) == ("complete", 2, 0)
    assert (Path(told["folder"]) / "editor.log").stat().st_size == MOST_LOG


@pytest.mark.parametrize("number", [0, 5], ids=["recorded", "still to come"])
def test_a_poisoned_baseline_is_refused_by_the_next_run(lab: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "runs"
    cases = [case.id for case in Workshop().suite("lab-suite").cases("evaluation")]
    options = {"folder": str(out / "baselines"), "case": cases[number]}
    Workshop().run(order("cheat-poison", options=options, limit=1), out)
    with pytest.raises(BadRecord, match=r"two different readings|is answered otherwise by the backbone"):
        Workshop().run(order("echo"), out)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
