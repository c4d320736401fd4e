"""A board folder of made-up submissions, as large as one likes: no model is run and nothing is measured.

    python -m tests.site.synthetic DIR --entries 200 --edits 2000

The same arguments give the same bytes. What `scores.json` says is what `score` would make of the
predictions; a test compares the two.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mmedit_bench.cases import EditCase, Probe
from mmedit_bench.protocols.sequential import Sequential
from mmedit_bench.runs.baseline import FOLDER, Baseline, path_of
from mmedit_bench.runs.folder import Manifest, SelectionSummary
from mmedit_bench.runs.spec import RunSpec, canonical
from mmedit_bench.scoring.score import scored
from mmedit_bench.scoring.scores import RunScores
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard import fake
from tests.site.synthetic_parts import (
    BACKBONES,
    ERROR,
    HOSTILE,
    SUITE,
    Made,
    Suites,
    SyntheticSuite,
    suite_of,
    write_gz,
)

__all__ = ["BACKBONES", "HOSTILE", "SUITE", "Suites", "SyntheticSuite", "suite_of", "write_board"]


def write_board(
    out: Path, *, entries: int = 6, edits: int = 20, hostile: bool = False, sequential: int = 3,
    blind: int = 2, backbones: int = 2, workers: int = 1, kinds: int | None = None,
) -> Path:  # fmt: skip
    """Write a board folder and return it.

    The first `sequential` editors have sequences as well, the first `blind` a blind pass, and the first
    six a run on each of `backbones` backbones. Beyond `kinds` submissions the same answers come again under
    other names, which spares most of the time that a large board takes to write.
    """
    out.mkdir(parents=True)
    made = [Made(number, entries, edits, hostile, kinds or entries) for number in range(entries)]
    head = {
        "title": "A synthetic board" + (HOSTILE if hostile else ""), "url": "https://example.org/board",
        "description": "Made-up numbers.", "release": {"name": "2026.1", "date": "2026-11-01"},
    }  # fmt: skip
    (out / "board.yaml").write_text(yaml.safe_dump(head, allow_unicode=True))
    for name in (SUITE, f"{SUITE}-blind"):
        for backbone in BACKBONES[:backbones]:
            _write_baseline(out / "baselines", suite_of(name, edits), backbone)
    jobs = [(out, one, sequential, blind, backbones) for one in made]
    if workers == 1:
        for job in jobs:
            _write_entry(*job)
    else:
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_write_entry, *zip(*jobs, strict=True)))
    return out


def _write_entry(out: Path, made: Made, sequential: int, blind: int, backbones: int) -> None:
    folder = out / "entries" / made.id
    (folder / "runs").mkdir(parents=True)
    (folder / "submission.yaml").write_text(yaml.safe_dump(made.submission(), allow_unicode=True))
    bad = HOSTILE if made.hostile else ""
    card = f"# Editor {made.number}\n\nWhat it does.{bad}\u202e\n\n- one\n- two\n\n```\nx = 1\n```\n"
    (folder / "card.md").write_text(card)
    runs = [_write_run(folder / "runs", made, SUITE, BACKBONES[0])]
    if made.number < 6:
        runs += [_write_run(folder / "runs", made, SUITE, other) for other in BACKBONES[1:backbones]]
    if made.number < blind:
        runs.append(_write_run(folder / "runs", made, f"{SUITE}-blind", BACKBONES[0]))
    if made.number < sequential:
        runs.append(_write_sequences(folder / "runs", made))
    if made.track == "self-reported":
        runs = [run | {"sample": None} for run in runs]
    status = "reference" if made.control else "checked" if made.track == "self-reported" else "verified"
    verification = {
        "schema": 1, "submission": made.id,
        "digest": None if made.control else hashlib.sha256(made.id.encode()).hexdigest(),
        "date": "2026-11-01", "by": "mmedit-bench 0.1.0", "status": status, "problems": [], "runs": runs,
    }  # fmt: skip
    (folder / "verification.json").write_text(json.dumps(verification, indent=1, sort_keys=True) + "\n")


def _spec(made: Made, suite: SyntheticSuite, backbone: str, **changes: Any) -> RunSpec:
    own = {
        "suite": suite.name, "suite_digest": suite.digest, "split": "evaluation",
        "backbone": backbone, "backbone_digest": hashlib.sha256(backbone.encode()).hexdigest(),
        "editor": made.id, "editor_version": f"1.{made.number}",
        "editor_settings": {"rate": 0.1, "skill": made.skill},
    }  # fmt: skip
    return RunSpec(**(SPEC | own | changes))


@functools.cache
def _baseline(suite: SyntheticSuite) -> Baseline:
    cases = suite.cases("evaluation")
    made = Baseline(
        SPEC["evidence"],
        {case.id: "something else" for case in cases},
        {case.id: tuple(map(fake.base_probe, case.probes)) for case in cases},
    )
    return made


def _write_baseline(folder: Path, suite: SyntheticSuite, backbone: str) -> None:
    folder.mkdir(exist_ok=True)
    spec = _spec(Made(0, 1, 1, False, 1), suite, backbone)
    ids = [case.id for case in suite.cases("evaluation")]
    write_gz(folder / f"{path_of(folder, spec).name}.gz", _baseline(suite).lines(ids, ids))


@functools.cache
def _fragments(suite: SyntheticSuite) -> list[tuple[EditCase, list[tuple[str, str, str, str]]]]:
    """By case and probe: which skill counts, and the record where it came out well, badly, unedited."""
    kinds = SPEC["evidence"]

    def text(probe: Probe, answer: str) -> str:
        reading = fake._reading(answer, (*probe.reference.encode(), 2))
        return canonical({"id": probe.id, **reading.as_dict(kinds)})

    found = []
    for case in suite.cases("evaluation"):
        rows = []
        for probe in case.probes:
            before = fake._before(probe)
            keep = probe.kind.endswith("locality")
            skill = "keep" if keep else "change" if probe.kind == "reliability" else "spread"
            good, bad = (before, f"{case.request.target} indeed") if keep else (probe.reference, before)
            rows.append((skill, text(probe, good), text(probe, bad), text(probe, before)))
        found.append((case, rows))
    return found


@dataclass(frozen=True)
class Written:
    """What a run says, whoever made it: answers, costs, and what they come to."""

    predictions: bytes
    timings: bytes
    """Both as gzip files."""
    scores: RunScores


@functools.cache
def _digest(suite: SyntheticSuite) -> str:
    ids = tuple(case.id for case in suite.cases("evaluation"))
    return _baseline(suite).digest(ids, ids)


def _manifest(made: Made, suite: SyntheticSuite, spec: RunSpec) -> Manifest:
    ids = tuple(case.id for case in suite.cases("evaluation"))
    return Manifest(
        spec, SelectionSummary(len(ids), 0, ids), len(ids), len(ids), _digest(suite),
        control=made.control, source="synthetic 1.0",
    )  # fmt: skip


def _write_run(out: Path, made: Made, name: str, backbone: str, **changes: Any) -> dict[str, Any]:
    suite = suite_of(name, made.edits)
    spec = _spec(made, suite, backbone, **changes)
    manifest = _manifest(made, suite, spec)
    written = _answers(replace(made, number=made.like), name, backbone)
    scores = replace(written.scores, spec=spec, control=made.control)
    return _place(out, manifest, replace(written, scores=scores))


@functools.cache
def _answers(made: Made, name: str, backbone: str) -> Written:
    suite = suite_of(name, made.edits)
    spec = _spec(made, suite, backbone)
    rng = np.random.default_rng(made.number * 7 + len(name) + len(backbone))
    lines, timings = [], []
    skills = made.skill
    for place, (case, rows) in enumerate(_fragments(suite)[: made.planned]):
        draws = rng.random(len(rows))
        broken = place < made.failed
        parts = [
            before if broken else good if draw < skills[skill] else bad
            for draw, (skill, good, bad, before) in zip(draws, rows, strict=True)
        ]
        error = json.dumps(ERROR) if broken else "null"
        edits = "[]" if broken else f'["{case.id}"]'
        lines.append(
            f'{{"closes":null,"error":{error},"kind":"apply","request":"{case.id}",'
            f'"status":"{"failed" if broken else "ok"}","step":0,"unit":"{case.id}"}}\n'
            f'{{"case":"{case.id}","closes":null,"edits":{edits},"error":null,"kind":"ask","moment":"end",'
            f'"probes":[{",".join(parts)}],"status":"ok","step":1,"unit":"{case.id}"}}\n'
            f'{{"closes":"unit","kind":"restore","step":2,"unit":"{case.id}"}}\n'
        )
        seconds = round(0.01 * (1 + made.number) + 0.001 * float(draws[0]), 6)
        timings.append(
            f'{{"edit_bytes":{1000 * (1 + made.number)},"seconds":{seconds},"step":0,"unit":"{case.id}"}}\n'
        )
    files = {
        "manifest.json": _manifest(made, suite, spec).text().encode(),
        "predictions.jsonl": "".join(lines).encode(),
        "timings.jsonl": "".join(timings).encode(),
    }
    return _written(spec, files, suite)


def _write_sequences(out: Path, made: Made, **changes: Any) -> dict[str, Any]:
    """Sequences of three edits, walked as the protocol walks them; later edits push out earlier ones."""
    suite = suite_of(SUITE, made.edits)
    length = min(3, made.edits // 2)
    protocol = Sequential(length, min(6, made.edits // length), 2, checkpoints=[1], ages=[0, 1])
    spec = _spec(
        made, suite, BACKBONES[0], protocol="sequential",
        protocol_version=protocol.version, protocol_options=dict(protocol.options), **changes,
    )  # fmt: skip

    def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Any:
        editor = fake.FakeEditor(made.id, {"text_locality": 0.8, "image_locality": 0.7}, made.skill["spread"])
        return fake._reply(case, probe, unit, editor, spec, edited)

    with tempfile.TemporaryDirectory() as work:
        folder = write_run(Path(work), suite, spec, reply, fake.base_probe, control=made.control)
        names = ("manifest.json", "predictions.jsonl", "timings.jsonl")
        files = {name: (folder / name).read_bytes() for name in names}
        manifest = Manifest.read(folder / "manifest.json")
    return _place(out, manifest, _written(spec, files, suite))


def _written(spec: RunSpec, files: dict[str, bytes], suite: SyntheticSuite) -> Written:
    """Score a run as `score` does."""
    ids = [case.id for case in suite.cases("evaluation")]
    with tempfile.TemporaryDirectory() as work:
        plain = Path(work) / spec.folder_name
        plain.mkdir()
        for name, data in files.items():
            (plain / name).write_bytes(data)
        beside = path_of(Path(work) / FOLDER, spec)
        beside.parent.mkdir()
        beside.write_bytes(_baseline(suite).lines(ids, ids))
        scores = scored(plain, suite)
    packed = (gzip.compress(files[name], 6, mtime=0) for name in ("predictions.jsonl", "timings.jsonl"))
    return Written(*packed, scores)


def _place(out: Path, manifest: Manifest, written: Written) -> dict[str, Any]:
    """Lay a run down as a board holds it."""
    spec = manifest.spec
    folder = out / spec.folder_name
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest.text())
    (folder / "scores.json").write_text(written.scores.text())
    (folder / "predictions.jsonl.gz").write_bytes(written.predictions)
    (folder / "timings.jsonl.gz").write_bytes(written.timings)
    blind = spec.suite.endswith("-blind")
    count = min(20, len(manifest.selection.cases))
    return {
        "folder": spec.folder_name, "fingerprint": spec.fingerprint, "probes": "blind" if blind else "public",
        "sample": {"edits": count, "equal": count},
        "commitment": hashlib.sha256(b"synthetic").hexdigest() if blind else None,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=6)
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--hostile", action="store_true", help="script and formulas in every field")
    parser.add_argument("--sequential", type=int, default=3, help="editors with sequences")
    parser.add_argument("--blind", type=int, default=2, help="editors with a blind pass")
    parser.add_argument("--backbones", type=int, default=2)
    parser.add_argument("--kinds", type=int, help="distinct sets of answers; default: one for each entry")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--force", action="store_true", help="remove the folder first")
    options = vars(parser.parse_args(arguments))
    folder = options.pop("folder")
    if options.pop("force"):
        shutil.rmtree(folder, ignore_errors=True)
    print(write_board(folder, **options))


if __name__ == "__main__":
    main()
