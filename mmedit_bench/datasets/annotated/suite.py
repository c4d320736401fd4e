"""Records of annotation files as cases."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditCase, EditRequest, Probe, Query
from mmedit_bench.datasets.annotated.clean import Derivation
from mmedit_bench.datasets.annotated.pictures import PictureFile
from mmedit_bench.datasets.annotated.records import (
    Record,
    Source,
    check_pinned,
    digest_of,
    read_records,
    records,
)
from mmedit_bench.datasets.annotated.roots import Place, Roots, find_roots
from mmedit_bench.datasets.annotated.rows import features, row
from mmedit_bench.datasets.suite import allow
from mmedit_bench.errors import BadData

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

CASES = 1
"""Version of the way cases are made of records; raise it when that changes."""

TRAIN, VALIDATION, EVALUATION = "train", "validation", "evaluation"
SPLITS = (TRAIN, VALIDATION, EVALUATION)
TENTH = 10
"""One group in so many of the training file is for validation."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What tells one suite of this kind from another.

    `dataset` is the folder of its files; `sort` says what its targets are. `group` names what a record
    is about, of which train and validation share none; `derivation` is None for the published files.
    """

    name: str
    dataset: str
    task: str
    sort: str
    places: tuple[Place, ...]
    training: Source
    evaluation: Source
    group: Callable[[Record], str]
    derivation: Derivation | None = None

    def source(self, split: str) -> Source:
        """The file that a split is taken from."""
        return self.evaluation if split == EVALUATION else self.training

    def split_of(self, record: Record) -> str:
        """Where a record of the training file belongs: whole groups, by a hash of their name."""
        drawn = hashlib.sha256(f"validation/{self.group(record)}".encode()).digest()
        return VALIDATION if int.from_bytes(drawn[:8], "big") % TENTH == 0 else TRAIN


class AnnotatedSuite:
    """Cases from annotation files. Opening it reads texts only; pictures are read one by one, when used.

    `data` is the folder of all data sets in place of the one that `MMEDIT_BENCH_DATA` names.
    """

    splits = SPLITS

    def __init__(self, layout: Layout, data: Path | None = None) -> None:
        self.layout = layout
        self.name = layout.name
        self.task = layout.task
        self._data = data

    def at(self, data: Path) -> AnnotatedSuite:
        """The same with its files below another folder."""
        return AnnotatedSuite(self.layout, data)

    @property
    def roots(self) -> Roots:
        """Where its files lie. Raises `BadData` if nothing says so."""
        return find_roots(self.layout.dataset, self.layout.places, self._data)

    @property
    def digest(self) -> str:
        """sha256 (hex) of the annotation files, of what was derived from them, and of how cases are made.

        Pictures are part of it by name: they could not be covered without reading all of them.
        """
        own = self.layout
        files = [source.sha256 or digest_of(self.path(source)) for source in (own.training, own.evaluation)]
        derived = own.derivation.digest if own.derivation else "as published"
        parts = (own.name, *files, derived, str(TENTH), str(CASES))
        return hashlib.sha256("/".join(parts).encode()).hexdigest()

    def path(self, source: Source) -> Path:
        """Where an annotation file lies."""
        return self.roots.annotations / source.file

    def absent(self) -> str | None:
        """What is missing before it can be used at all, pictures aside; None if nothing is."""
        try:
            for source in (self.layout.training, self.layout.evaluation):
                if not self.path(source).is_file():
                    return f"{self.path(source)} is not there"
        except BadData as error:
            return str(error)
        return None

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """Cases of "train", "validation" or "evaluation", in the order of the file.

        Raises `BadData` for an unknown split, and naming file and record where an annotation file is
        missing, differs from the published one, or breaks its contract.
        """
        self._known(split)
        allow(self.name, split)
        path = self.path(self.layout.source(split))
        check_pinned(path, self.layout.source(split))
        return _cases(self.layout, self.roots, split, digest_of(path))

    def old_answers(self, split: str) -> Mapping[str, str]:
        """By id of each case, the answer that its record says the model gave before the edit."""
        self._known(split)
        allow(self.name, split)
        return {
            case_id(self.layout, split, own): own.pred for own in _records(self.layout, self.roots, split)
        }

    def as_dataset(self, split: str, *, decode: bool = True) -> Dataset:
        """A row per edit as Picturebook's; a picture is a path, decoded (if at all) when its row is read."""
        import datasets

        cases = self.cases(split)
        return datasets.Dataset.from_list([row(case) for case in cases], features=features(decode))

    def as_stream(self, split: str, *, decode: bool = True) -> IterableDataset:
        """The same rows one by one, from the annotation file as they are asked for.

        A derived suite holds the texts of the file, since a record may ask what another one asks.
        """
        import datasets

        self._known(split)
        allow(self.name, split)
        return datasets.IterableDataset.from_generator(
            _rows, gen_kwargs={"layout": self.layout, "roots": self.roots, "split": split},
            features=features(decode),
        )  # fmt: skip

    def _known(self, split: str) -> None:
        if split not in SPLITS:
            raise BadData(f"suite {self.name}: no split {split!r}; there are {', '.join(SPLITS)}")


class MixedSuite:
    """The cases of several suites of one data set under their own ids, in turn as long as all last."""

    splits = SPLITS

    def __init__(self, name: str, parts: tuple[AnnotatedSuite, ...]) -> None:
        self.name = name
        self.task = "mix"
        self.parts = parts

    def at(self, data: Path) -> MixedSuite:
        """The same with its files below another folder."""
        return MixedSuite(self.name, tuple(own.at(data) for own in self.parts))

    @property
    def digest(self) -> str:
        """sha256 (hex) of its parts' digests."""
        return hashlib.sha256("/".join([self.name, *(own.digest for own in self.parts)]).encode()).hexdigest()

    def absent(self) -> str | None:
        """What is missing before it can be used at all; None if nothing is."""
        return next((reason for own in self.parts if (reason := own.absent())), None)

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """As its parts' `cases`; any first N, up to twice the smaller part, are half of each."""
        in_turn = zip_longest(*(own.cases(split) for own in self.parts))
        return tuple(case for cases in in_turn for case in cases if case is not None)

    def as_dataset(self, split: str, *, decode: bool = True) -> Dataset:
        """As its parts' `as_dataset`."""
        import datasets

        return datasets.Dataset.from_list(
            [row(case) for case in self.cases(split)], features=features(decode)
        )

    def old_answers(self, split: str) -> Mapping[str, str]:
        """As its parts' `old_answers`."""
        return {key: value for own in self.parts for key, value in own.old_answers(split).items()}


def case_id(layout: Layout, split: str, record: Record) -> str:
    """Of the data set, the file and the place in it: the same in a suite and in the one derived from it."""
    name = layout.derivation.original if layout.derivation else layout.name
    return f"{name}-{split}-{record.number:05d}"


@lru_cache(maxsize=32)
def _cases(layout: Layout, roots: Roots, split: str, digest: str) -> tuple[EditCase, ...]:
    return tuple(case_of(layout, roots, split, record) for record in _records(layout, roots, split))


def _records(layout: Layout, roots: Roots, split: str) -> Iterator[Record]:
    """The records of a split as its cases are made of them, one at a time."""
    source = layout.source(split)
    path = roots.annotations / source.file
    if layout.derivation is None:
        yield from (own for own in records(path, source) if _belongs(layout, own, split))
        return
    derived, everything = layout.derivation.of(source), read_records(path, source)
    for record in everything:
        if record.number in derived.kept and _belongs(layout, record, split):
            yield derived.changed(record, everything)


def _belongs(layout: Layout, record: Record, split: str) -> bool:
    return split == EVALUATION or layout.split_of(record) == split


def case_of(layout: Layout, roots: Roots, split: str, record: Record) -> EditCase:
    """The case of a record. Its probes have an order of their own, so that no id tells a kind."""
    own = case_id(layout, split, record)
    where = f"{layout.name} {layout.source(split).file} record {record.number}"

    def query(prompt: str, picture: str | None = None) -> Query:
        return Query(prompt, PictureFile(roots.of(picture), picture, where) if picture else None)

    seen, again, said = record.image, record.image_rephrase, record.alt
    asked = [
        ("reliability", "main", query(record.src, seen), said),
        ("text_generality", "main", query(record.rephrase, seen), said),
        ("image_generality", "main", query(record.src, again), said),
        ("text_image_generality", "main", query(record.rephrase, again), said),
        ("text_locality", "main", query(record.loc), record.loc_ans),
        ("image_locality", "main", query(record.m_loc_q, record.m_loc), record.m_loc_a),
    ]
    for hop in record.hops:
        stratum = "main" if hop.hops == 1 else f"{hop.hops}_hops"
        asked.append(("portability", stratum, query(hop.question, seen), hop.answer))
    if record.fact:
        asked.append(("text_locality", "hop_fact", query(record.fact[0]), record.fact[1]))
    asked.sort(key=lambda each: hashlib.sha256(f"{own}/{each[0]}/{each[1]}".encode()).digest())
    probes = tuple(
        Probe(f"{own}/p{place:02d}", kind, asking, reference, stratum)
        for place, (kind, stratum, asking, reference) in enumerate(asked)
    )
    return EditCase(EditRequest(own, query(record.src, seen), said), probes, layout.task, split, layout.sort)


def _rows(layout: Layout, roots: Roots, split: str) -> Iterator[dict[str, Any]]:
    for record in _records(layout, roots, split):
        yield row(case_of(layout, roots, split, record))


def derived_from(layout: Layout, name: str, derivation: Derivation) -> Layout:
    """The layout of the suite that a derivation makes of another."""
    return replace(layout, name=name, derivation=derivation)
