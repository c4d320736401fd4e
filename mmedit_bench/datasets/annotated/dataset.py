"""Describe, check, build and fetch a data set of annotation files, for `mmedit-bench data`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.annotated.checking import Checked, Progress, check_files
from mmedit_bench.datasets.annotated.clean import Derivation
from mmedit_bench.datasets.annotated.cleaning import Family, derive, write
from mmedit_bench.datasets.annotated.fetching import Archive, download, take_pictures
from mmedit_bench.datasets.annotated.records import PICTURES, Record, Source, read_records
from mmedit_bench.datasets.annotated.roots import DATA, Roots, find_roots
from mmedit_bench.datasets.annotated.rows import row
from mmedit_bench.datasets.annotated.suite import SPLITS, AnnotatedSuite, Layout
from mmedit_bench.errors import BadData


@dataclass(frozen=True, slots=True)
class Origin:
    """Where files come from. `archive` has the pictures whose names begin with `prefix`, if it can be had."""

    text: str
    archive: Archive | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatedDataset:
    """What the command line knows of such a data set.

    `suites` are the suites it is audited by; `checked` are the layouts whose files belong to it.
    `family` and `derivation` are given for one that is derived from another.
    """

    name: str
    suites: tuple[str, ...]
    layouts: tuple[Layout, ...]
    origin: Origin
    checked_layouts: tuple[Layout, ...]
    family: Family | None = None
    derivation: Path | None = None
    root: Path | None = None

    def at(self, root: Path) -> AnnotatedDataset:
        """The same with its files below another folder than `MMEDIT_BENCH_DATA` names."""
        return replace(self, root=root)

    def absent(self) -> str | None:
        """Why it cannot be used here at all; None if its annotation files are there."""
        return next((why for own in self.layouts if (why := AnnotatedSuite(own, self.root).absent())), None)

    def describe(self) -> tuple[str, dict[str, Any]]:
        """A text for people and the same facts for programs. Raises `BadData` if a file is missing or bad."""
        suites = []
        for layout in self.layouts:
            suite = AnnotatedSuite(layout, self.root)
            cases = {split: suite.cases(split) for split in SPLITS}
            probes = Counter(f"{p.kind}/{p.stratum}" for case in cases["evaluation"] for p in case.probes)
            suites.append(
                {
                    "name": suite.name,
                    "task": suite.task,
                    "sort": layout.sort,
                    "digest": suite.digest,
                    "files": {
                        source.file: {"sha256": source.sha256, "records": source.count}
                        for source in (layout.training, layout.evaluation)
                    },
                    "edits": {split: len(own) for split, own in cases.items()},
                    "probes": dict(sorted(probes.items())),
                    "left_out": self._left_out(layout),
                    "example": row(cases["evaluation"][0]),
                }
            )
        facts = {"name": self.name, "root": str(self._folder()), "suites": suites}
        return "\n".join(_prose(facts)), facts

    def check(self) -> list[str]:
        """Every problem with the files, a line each; empty when all is well."""
        return self.checked().problems

    def checked(self, *, decode: bool = False, progress: Progress | None = None) -> Checked:
        """The same with all particulars; with `decode` every picture is decoded."""
        try:
            found = check_files(self.checked_layouts, self.root, decode=decode, progress=progress)
        except BadData as error:
            return Checked(annotations=[str(error)])
        if self.derivation and not found.annotations:
            found.annotations += self._derived_problems()
        return found

    def build(self, out: Path | None) -> Path:
        """Make the derivation anew from the annotation files. Raises `BadData` where there is none."""
        if self.family is None or self.derivation is None:
            raise BadData(
                f"{self.name} is published by others and not built here; "
                f"`mmedit-bench data fetch {self.name}` says where its files come from"
            )
        target = (out or self.derivation.parent) / self.derivation.name
        write(target, derive(self.family, self._read))
        return target

    def instructions(self) -> str:
        """Where its files come from and where they belong. Raises `BadData` if nothing says where."""
        return self.origin.text.format(data=self._folder().parent, variable=DATA)

    def fetch(self, *, url: str | None = None, progress: Progress | None = None) -> list[str]:
        """Download what has a stable address; returns what was done, a line each.

        `url` is a mirror of the archive. Raises `BadData` as `download` does, and where the annotation
        files, which say what is needed, are not there yet.
        """
        archive, done = self.origin.archive, list[str]()
        if archive is not None:
            missing = self._missing_pictures()
            if missing:
                target = self._folder() / "downloads" / archive.url.rpartition("/")[2]
                download(replace(archive, url=url or archive.url), target, progress=progress)
                folder = self._roots().of(self.origin.prefix).folder
                absent = take_pictures(target, missing, folder, progress=progress)
                done.append(f"{folder}: {len(missing) - len(absent)} pictures written")
                done += [f"{target}: no picture {name} in it" for name in absent]
                done.append(f"{target}: no longer needed, may be removed")
            else:
                done.append("all pictures of the archive are there")
        return done

    def _roots(self) -> Roots:
        return find_roots(self.layouts[0].dataset, self.layouts[0].places, self.root)

    def _folder(self) -> Path:
        return self._roots().annotations

    def _missing_pictures(self) -> list[str]:
        """Pictures of the archive that the records name and that are not there."""
        wanted = set()
        for layout in self.checked_layouts:
            roots = find_roots(layout.dataset, layout.places, self.root)
            for source in (layout.training, layout.evaluation):
                for record in self._read(layout, source):
                    names = {getattr(record, key) for key in PICTURES}
                    wanted |= {name for name in names if name.startswith(self.origin.prefix)}
        return sorted(name for name in wanted if not (roots.of(name).folder / name).is_file())

    def _read(self, layout: Layout, source: Source) -> Sequence[Record]:
        return read_records(AnnotatedSuite(layout, self.root).path(source), source)

    def _left_out(self, layout: Layout) -> dict[str, dict[str, int]]:
        if layout.derivation is None:
            return {}
        return {
            source.file: {reason: len(own) for reason, own in layout.derivation.of(source).removed.items()}
            for source in (layout.training, layout.evaluation)
        }

    def _derived_problems(self) -> Iterator[str]:
        """Whether the shipped derivation is what its command makes of these files."""
        assert self.family is not None and self.derivation is not None
        held = Derivation(self.derivation, self.name)
        for source, _, own in derive(self.family, self._read):
            try:
                same = held.of(source) == own
            except BadData as error:
                yield str(error)
                continue
            if not same:
                yield f"{self.derivation}: not what is derived from {source.file} now; build it anew"


def _prose(facts: dict[str, Any]) -> Iterator[str]:
    yield f"{facts['name']}: files below {facts['root']}"
    for suite in facts["suites"]:
        what = f"{suite['task']}, targets are {suite['sort']}s"
        yield f"suite {suite['name']} ({what}): digest {suite['digest'][:16]}"
        for file, own in suite["files"].items():
            pinned = f"sha256 {own['sha256'][:16]}" if own["sha256"] else "not pinned"
            yield f"  {file}: {own['records'] or 'any number of'} records, {pinned}"
        yield "  edits: " + ", ".join(f"{split} {count}" for split, count in suite["edits"].items())
        yield "  probes of the evaluation split: " + ", ".join(f"{k} {n}" for k, n in suite["probes"].items())
        for file, reasons in suite["left_out"].items():
            told = ", ".join(f"{reason} {count}" for reason, count in reasons.items()) or "nothing"
            yield f"  left out of {file}: {told}"
        yield "  example: " + json.dumps(suite["example"], ensure_ascii=False, indent=1)
