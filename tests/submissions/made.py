"""A valid submission made without a model, and ways to look at it and to spoil it."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmedit_bench.cases import EditCase, Probe
from mmedit_bench.errors import UnknownName
from mmedit_bench.protocols.steps import Apply, schedule_of
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.checking import protocol_of
from mmedit_bench.submissions.checks import Examined, examine
from mmedit_bench.submissions.digests import FILE as DIGESTS
from mmedit_bench.submissions.digests import Digests, digests_of, package_digest
from mmedit_bench.submissions.edit_files import edit_path, shared_path
from mmedit_bench.submissions.form import FILE as FORM
from mmedit_bench.submissions.form import Submission
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import FakeSuite, base_probe

SUITE = FakeSuite("fakes", 6)
FAILS = "fakes-003"
EDITOR = "our-editor"
PROJECT = f"""[project]
name = "ours"
version = "1.0"

[project.entry-points."mmedit_bench.editors"]
{EDITOR} = "our_editor:Editor"
"""
PART = b"a part that several edits refer to"


def suites(name: str) -> FakeSuite:
    """The only suite of this side."""
    if name != SUITE.name:
        raise UnknownName(f"there is no suite {name!r}")
    return SUITE


def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
    """The target where the edit is in force and to be seen; half of the answers come of a route."""
    base = base_probe(probe)
    if not edited:
        return base.reading
    if int(hashlib.sha256(probe.id.encode()).hexdigest(), 16) % 2:
        return Reading(case.request.target)
    return Reading(case.request.target, base.target[::-1], (-0.25,) * len(base.target))


def form(**changes: Any) -> Submission:
    values: dict[str, Any] = {
        "id": "ours", "name": "Ours", "editor": EDITOR, "track": "edits", "family": "fine-tuning",
        "version": "1.0", "date": "2026-11-01", "authors": ("A. Author",), "contact": "@author",
        "licence": "MIT", "paper": None, "code": None, "training_data": (), "hyper_parameters": {"rate": 0.1},
        "description": "Tunes what it is told to.", "deviations": (),
    }  # fmt: skip
    return Submission(**(values | changes))


def tensor_file(notes: Mapping[str, str] | None = None, **changes: Any) -> bytes:
    """A safetensors file of one tensor, by hand."""
    data = bytes(8)
    header: dict[str, Any] = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, len(data)]} | changes}
    if notes:
        header["__metadata__"] = dict(notes)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def edit_file(reader: str = "constant_answer", shared: str | None = None) -> bytes:
    route = {"kind": "route", "plain": {"reader": reader, "key": "", "fields": {"text": "so"}}, "tensors": []}
    parts = {} if shared is None else {"part": shared}
    described = {"format": "3", "interventions": [route | {"shared": parts}], "note": {}}
    return tensor_file({"edit": json.dumps(described)})


def write(out: Path, *, track: str = "edits", spec: Mapping[str, Any] | None = None) -> Path:
    """A submission under `out` with nothing wrong."""
    folder = out / "ours"
    values = SPEC | {"suite_digest": SUITE.digest, "split": "evaluation", "backbone": "blip2-opt-mini"}
    made = RunSpec(**(values | {"editor": EDITOR} | dict(spec or {})))
    run = write_run(out / "made", SUITE, made, reply, base_probe, fails=[FAILS])
    (run / ".lock").unlink()
    shutil.copytree(run, folder / "runs" / run.name)
    (folder / FORM).write_text(form(track=track).text(), encoding="utf-8")
    (folder / "environment.txt").write_text("numpy==2.0\ntorch==2.13\ntransformers==5.0\n")
    (folder / "package").mkdir()
    (folder / "package" / "pyproject.toml").write_text(PROJECT)
    (folder / "package" / "our_editor.py").write_text("class Editor: ...\n")
    if track == "edits":
        write_edits(folder, run, made)
    sign(folder)
    return folder


def write_edits(folder: Path, run: Path, spec: RunSpec) -> None:
    state = read_run(run)
    cases = [case for case in SUITE.cases("evaluation") if case.id in state.manifest.selection.cases]
    failed = {r.unit for r in state.records if getattr(r, "status", "ok") == "failed"}
    shared = hashlib.sha256(PART).hexdigest()
    for number, unit in enumerate(schedule_of(protocol_of(spec), cases, spec.seed)):
        for index, step in enumerate(unit.steps):
            if isinstance(step, Apply) and unit.id not in failed:
                path = folder / edit_path(run.name, number, index)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(edit_file(shared=shared if number == 0 else None))
    part = folder / shared_path(run.name, shared)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(tensor_file())


def sign(folder: Path) -> None:
    """Write digests.json for the files as they are."""
    files = digests_of(folder)
    package = {
        name.removeprefix("package/"): own for name, own in files.items() if name.startswith("package/")
    }
    digests = Digests(
        files=files,
        package={"name": "ours", "version": "1.0", "sha256": package_digest(package)},
        scorer="mmedit-bench 0.1.0",
        suites={"fakes": SUITE.digest},
        backbones={"blip2-opt-mini": SPEC["backbone_digest"]},
    )
    (folder / DIGESTS).write_text(digests.text())


def run_of(folder: Path) -> Path:
    """The one run of a submission."""
    (run,) = (folder / "runs").iterdir()
    return run


def looked_at(folder: Path) -> Examined:
    return examine(folder, suites)


def codes(folder: Path) -> set[str]:
    """The codes of all that is wrong."""
    return {problem.code for problem in looked_at(folder).problems}


def with_line(path: Path, number: int, change: Callable[[Any], Any]) -> None:
    """Change one line of a JSONL file as a value, written as a run writes it."""
    lines = path.read_text(encoding="utf-8").split("\n")
    values = change(json.loads(lines[number]))
    lines[number] = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    path.write_text("\n".join(lines), encoding="utf-8")


@functools.cache
def lines_about(kind: str) -> str:
    """How a line of a kind of step begins to be told."""
    return f'"kind":"{kind}"'


def number_of(path: Path, kind: str, skip: int = 0) -> int:
    """Index of a line of a kind of step."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [i for i, line in enumerate(lines) if lines_about(kind) in line][skip]
