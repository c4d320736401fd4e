"""Derived splits: which records stay, which are left out and why, and what is changed of those that stay.

A file of a derivation names records by their places in the published files and holds none of their
texts. It is made by `mmedit-bench data build`, see `cleaning`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.annotated.records import Record, Source
from mmedit_bench.errors import BadData

SCHEMA = 1
TEXTS = 1
"""Version of the changes made to every text; raise it when they change."""
PREFIX = "nq question: "


@dataclass(frozen=True, slots=True)
class Derived:
    """What is derived from one file: numbers of records."""

    kept: frozenset[int]
    removed: Mapping[str, tuple[int, ...]] = field(hash=False)
    """By reason; a record has all its reasons."""
    locality_from: Mapping[int, int] = field(hash=False)
    """Records that ask the image-locality question of another record of the same file."""

    def changed(self, record: Record, everything: Sequence[Record]) -> Record:
        """A record that is kept, as it is asked here."""
        giver = everything[self.locality_from.get(record.number, record.number)]
        return replace(
            record, alt=record.alt.strip(), loc=as_question(record.loc),
            m_loc=giver.m_loc, m_loc_q=giver.m_loc_q, m_loc_a=giver.m_loc_a,
        )  # fmt: skip

    def as_dict(self, source: Source, records: int) -> dict[str, Any]:
        """Plain values for JSON, with the digest of all of them."""
        body = {
            "file": source.file,
            "sha256": source.sha256,
            "records": records,
            "kept": sorted(self.kept),
            "removed": {reason: list(numbers) for reason, numbers in sorted(self.removed.items())},
            "locality_from": {str(number): giver for number, giver in sorted(self.locality_from.items())},
        }
        return body | {"digest": body_digest(body)}


@dataclass(frozen=True, slots=True)
class Derivation:
    """A file of a derivation; `original` is the suite whose ids its cases keep."""

    path: Path
    original: str

    @property
    def digest(self) -> str:
        """sha256 (hex) of what the file says and of the changes made to texts."""
        parts = [own["digest"] for _, own in sorted(_load(self.path).items())]
        return hashlib.sha256("/".join([*parts, str(TEXTS)]).encode()).hexdigest()

    def of(self, source: Source) -> Derived:
        """What is derived from a file. Raises `BadData` if the derivation is of another file."""
        own = _load(self.path).get(source.file)
        if own is None or own["sha256"] != source.sha256:
            raise BadData(f"{self.path}: nothing is derived from the pinned {source.file}; build it anew")
        return _derived(self.path, source.file)


def body_digest(body: Mapping[str, Any]) -> str:
    """sha256 (hex) of one file's part but for its own digest."""
    rest = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=8)
def _load(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise BadData(f"{path}: schema {document['schema']!r}, expected {SCHEMA}; reinstall mmedit-bench")
        files = {own["file"]: own for own in document["files"]}
        wrong = [name for name, own in files.items() if own["digest"] != body_digest(own)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path}: not a derivation ({error!r}); reinstall mmedit-bench") from None
    if wrong:
        raise BadData(f"{path}: what it says of {wrong[0]} has another digest; build it anew")
    return files


@lru_cache(maxsize=16)
def _derived(path: Path, file: str) -> Derived:
    own = _load(path)[file]
    return Derived(
        frozenset(own["kept"]),
        {reason: tuple(numbers) for reason, numbers in own["removed"].items()},
        {int(number): giver for number, giver in own["locality_from"].items()},
    )


def as_question(text: str) -> str:
    """A question without a picture, written as those with one: no mark of its source, a capital, a "?"."""
    bare = text.removeprefix(PREFIX).strip()
    bare = bare[:1].upper() + bare[1:]
    return bare if bare.endswith(("?", ".", "!")) else f"{bare}?"
