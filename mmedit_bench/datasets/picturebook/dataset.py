"""Describe, check and build Picturebook, for `mmedit-bench data`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.picturebook import files, schema, wordings
from mmedit_bench.datasets.picturebook.edits import StoredEdit
from mmedit_bench.datasets.picturebook.entities import SPLITS
from mmedit_bench.datasets.picturebook.halves import halves
from mmedit_bench.datasets.picturebook.training_split import training_split
from mmedit_bench.errors import BadData

TASKS = ("vqa", "caption")
LARGEST = 6_000_000
"""Most bytes the shipped file may have."""


class Dataset:
    """What the command line knows of Picturebook."""

    suites = ("picturebook-vqa", "picturebook-caption")
    """What it is audited by."""

    def describe(self) -> tuple[str, dict[str, Any]]:
        """A text for people and the same facts for programs."""
        data = files.load()
        facts = [f for e in data.entities for f in e.facts]
        summary: dict[str, Any] = {
            "name": "picturebook",
            "file": str(files.PARQUET),
            "bytes": files.PARQUET.stat().st_size,
            "digests": files.pinned(),
            "things": dict(Counter(e.group for e in data.entities)),
            "pictures": sum(len(e.pictures) for e in data.entities),
            "facts": len(facts),
            "facts_withheld": sum(f.withheld for f in facts),
            "captions_withheld": sum(e.caption_withheld for e in data.entities),
            "things_by_split": dict(Counter(e.split for e in data.entities)),
            "edits": {
                task: {split: _counts(e.sort for e in self._edits(task, split)) for split in SPLITS}
                for task in TASKS
            },
            "probes": {
                task: _counts(
                    f"{p.kind}/{p.stratum}"
                    for e in self._edits(task, "evaluation")
                    for p in (*e.probes, *halves(e))
                )
                for task in TASKS
            },
            "relations": {r: sum(f.relation == r for f in facts) for r in wordings.QUESTIONS},
            "wordings_trained": {r: len(wordings.trained(r)) for r in wordings.QUESTIONS},
            "examples": [self._example(self._edits(task, "evaluation")[0]) for task in TASKS],
        }
        return "\n".join(_prose(summary)), summary

    def check(self) -> list[str]:
        """Every way in which the installed file breaks a rule; empty when all is well."""
        try:
            data = files.load()
        except BadData as error:
            return [str(error)]
        found = list(_rules(data))
        content, size = schema.content_digest(data.entities, data.edits), files.PARQUET.stat().st_size
        if content != data.content:
            found.append(f"{files.PARQUET}: content {content[:16]}, pinned {data.content[:16]}; reinstall")
        if size > LARGEST:
            found.append(f"{files.PARQUET}: {size} bytes, at most {LARGEST} are allowed")
        return found

    def build(self, out: Path | None) -> Path:
        """Install the pinned npm packages in a temporary folder and make the file in `out`."""
        from mmedit_bench.datasets.picturebook.build import build

        npm = shutil.which("npm")
        if npm is None:
            raise BadData("building Picturebook needs npm (Debian: apt-get install npm)")
        target = (out or files.PARQUET.parent) / files.PARQUET.name
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(files.PARQUET.parent / name, folder)
            done = subprocess.run(
                [npm, "ci", "--silent"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise BadData(f"npm ci failed: {done.stderr.strip()[-500:]}")
            build(Path(folder) / "node_modules", target)
        return target

    def for_editors(self, folder: Path) -> Mapping[Path, Path]:
        """Installed files that hold more than the training split, each with a copy that does not.

        Copies are made below `folder` and kept for the next time. A sandboxed editor sees them instead.
        """
        return training_split(folder)

    @staticmethod
    def _edits(task: str, split: str) -> list[StoredEdit]:
        return [e for e in files.load().edits if e.task == task and e.id.split("-")[1] == split]

    @staticmethod
    def _example(edit: StoredEdit) -> dict[str, Any]:
        return {
            "id": edit.id,
            "sort": edit.sort,
            "picture": edit.picture,
            "prompt": edit.prompt,
            "target": edit.target,
            "probes": [
                f"{p.kind}/{p.stratum}: [{p.picture or 'no picture'}] {p.prompt} -> {p.reference}"
                for p in (*edit.probes, *halves(edit))
            ],
        }


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _rules(data: files.Picturebook) -> Iterator[str]:
    """Promises the splits make, checked on the data itself."""
    split_of = {e.id: e.split for e in data.entities}
    if len({e.name for e in data.entities}) != len(data.entities):
        yield "two things share a name"
    asked: dict[str, set[tuple[str, str]]] = {s: set() for s in SPLITS}
    for edit in data.edits:
        split = edit.id.split("-")[1]
        if split_of[edit.picture.split("/")[0]] != split:
            yield f"edit {edit.id}: its thing belongs to another split"
        asked[split].update((p.picture, p.prompt) for p in edit.probes if "locality" in p.kind)
    for one in SPLITS:
        for other in SPLITS:
            if one < other and (shared := asked[one] & asked[other]):
                yield f"{len(shared)} locality probes of {one} stand in {other}, such as {sorted(shared)[0]}"
    held = [w for r in wordings.QUESTIONS for w in wordings.trained(r) if w in wordings.held_out(r)]
    if held:
        yield f"wordings both trained and held out: {held}"


def _prose(s: dict[str, Any]) -> Iterator[str]:
    digests = ", ".join(f"{k} {v[:16]}" for k, v in s["digests"].items())
    yield f"picturebook: {s['bytes']:,} bytes; digests: {digests}"
    yield f"things: {s['things']}, {s['pictures']} pictures; by split {s['things_by_split']}"
    yield f"facts: {s['facts']}, of which backbones are not told {s['facts_withheld']}"
    yield f"captions backbones are not told: {s['captions_withheld']}"
    for task, by_split in s["edits"].items():
        yield f"edits, {task}: " + "; ".join(f"{k} {sum(v.values())} ({v})" for k, v in by_split.items())
    for task, kinds in s["probes"].items():
        yield f"probes of the evaluation split, {task}:"
        yield from (f"  {k}: {n}" for k, n in kinds.items())
    for example in s["examples"]:
        yield "example: " + json.dumps(example, ensure_ascii=False, indent=1)


DATASET = Dataset()
