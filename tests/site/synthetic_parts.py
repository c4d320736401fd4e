"""Parts of a made-up board: its suite, and who submits what."""

from __future__ import annotations

import functools
import gzip
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmedit_bench.cases import EditCase, EditRequest, Probe
from tests.leaderboard import fake

TRACKS = ("edits", "code", "self-reported")
FAMILIES = ("fine-tuning", "meta-learning", "memory", "in-context", "hybrid", "other")
SUITE, BACKBONES = "synthetic-vqa", ("blip2-opt-mini", "minigpt4-mini")
HOSTILE = "<img src=x onerror=alert(1)>\"'&`${7*7}{{7*7}}\\input{x}"
"""Put into every field that may hold free text."""
ERROR = "editing: ValueError: <b>no gradient</b>"


class SyntheticSuite(fake.FakeSuite):
    """`count` cases with every kind and stratum of Picturebook, about forty drawn things."""

    def __init__(self, name: str = SUITE, count: int = 20) -> None:
        super().__init__(name, count)
        self._digest = super().digest

    @property
    def digest(self) -> str:
        return self._digest

    def _case(self, number: int) -> EditCase:
        made = super()._case(number % 40)
        # a blind draw asks other questions about the same requests
        old, new = made.id, f"{self.name.removesuffix('-blind')}-{number:04d}"

        def own(probe: Probe) -> Probe:
            return replace(probe, id=probe.id.replace(old, new))

        request = EditRequest(new, made.request.query, made.request.target)
        return EditCase(request, tuple(map(own, made.probes)), made.task, made.split, made.sort)


def write_gz(path: Path, data: bytes) -> None:
    """The same bytes whenever they are written."""
    path.write_bytes(gzip.compress(data, 6, mtime=0))


@functools.cache
def suite_of(name: str, count: int) -> SyntheticSuite:
    """One suite, made once in a process."""
    return SyntheticSuite(name, count)


@dataclass(frozen=True)
class Suites:
    """The suites of a synthetic board by name: what `load` and `build` take. It can be pickled."""

    edits: int

    def __call__(self, name: str) -> SyntheticSuite:
        return suite_of(name, self.edits)


@dataclass(frozen=True)
class Made:
    """One submission to be written."""

    number: int
    entries: int
    edits: int
    hostile: bool
    kinds: int

    @property
    def like(self) -> int:
        """Whose answers it gives: beyond `kinds` submissions the same answers come under other names."""
        return self.number if self.number < self.kinds else 2 + (self.number - 2) % (self.kinds - 2)

    @property
    def control(self) -> bool:
        return self.number < 2 and self.entries > 2

    @property
    def id(self) -> str:
        return ("null", "copy-target")[self.number] if self.control else f"editor-{self.number:03d}"

    @property
    def track(self) -> str:
        return "edits" if self.control else TRACKS[self.number % 3]

    @property
    def skill(self) -> dict[str, float]:
        """How often probes to change, to spread to, and to keep come out as wanted."""
        if self.control:
            return {"change": float(self.number), "spread": float(self.number), "keep": 1.0 - self.number}
        rng = random.Random(self.like)
        return {"change": rng.uniform(0.6, 1), "spread": rng.uniform(0.3, 0.98), "keep": rng.uniform(0.4, 1)}

    @property
    def failed(self) -> int:
        """Every tenth editor breaks down on some edits."""
        return max(1, self.edits // 50) if self.like % 10 == 3 else 0

    @property
    def planned(self) -> int | None:
        """Units after which the run was ended: one submission in forty is partial."""
        return max(1, self.edits // 3) if self.like % 40 == 8 else None

    def submission(self) -> dict[str, Any]:
        """The fields of submission.yaml."""
        bad = HOSTILE if self.hostile else ""
        return {
            "schema": 1,
            "id": self.id,
            "name": ("=" if bad else "") + (self.id if self.control else f"Editor {self.number}") + bad[:40],
            "editor": self.id,
            "track": self.track,
            "family": "control" if self.control else FAMILIES[self.number % len(FAMILIES)],
            "version": f"1.{self.number}",
            "date": f"2026-{1 + self.number % 12:02d}-{1 + self.number % 28:02d}",
            "authors": [f"Author {self.number}" + bad, "Another"],
            "contact": f"@editor{self.number}",
            "licence": "MIT",
            "paper": {"title": f"Editing, part {self.number}" + bad, "url": "https://example.org/paper"},
            "code": None if self.number % 2 else "https://example.org/code",
            "training_data": ["the training split" + bad] if self.number % 2 else [],
            "hyper_parameters": {"rate": 0.1 * self.number, "steps": 10 + self.number, "note": "x" + bad},
            "description": f"A made-up editor, number {self.number}." + bad,
            "deviations": ["The layer was chosen on validation." + bad] if self.number % 2 else [],
        }
