"""verification.json: what was found out about a submission, by whom and how."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.files import parsed, read_regular
from mmedit_bench.submissions.problems import Problem

SCHEMA = 1
FILE = "verification.json"
STATUSES = ("verified", "checked", "reference", "refused")
"""Edits asked again; scores made anew and nothing asked again; the maintainers' own; has problems."""
PROBES = ("public", "blind")

_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Sample:
    """Edits whose questions were asked again, and those among them whose records were the same."""

    edits: int
    equal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRun:
    """One run: of the submission, or the blind one that was made of it."""

    folder: str
    fingerprint: str
    probes: str
    """One of `PROBES`."""
    sample: Sample | None
    """None where nothing was asked again."""
    commitment: str | None
    """sha256 (hex) of the secret of a blind run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What became of a submission."""

    submission: str
    """Its id; empty where that could not be read."""
    digest: str | None
    """sha256 (hex) of its digests.json; None for one without."""
    date: str
    """ISO."""
    by: str
    """Program and version."""
    status: str
    """One of `STATUSES`."""
    problems: tuple[Problem, ...]
    runs: tuple[VerifiedRun, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values = asdict(self)
        values["problems"] = list(values["problems"])
        values["runs"] = list(values["runs"])
        return {"schema": SCHEMA, **values}

    def text(self) -> str:
        """verification.json."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `BadRecord` naming the file for anything that `text` does not write."""
        try:
            values = parsed(read_regular(path))
            if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
                raise BadRecord("it is of another version")
            problems = tuple(Problem(**own) for own in values.pop("problems"))
            runs = tuple(_run(own) for own in values.pop("runs"))
            made = cls(**values, problems=problems, runs=runs)
            texts = (
                made.submission,
                made.date,
                made.by,
                *(text for p in problems for text in asdict(p).values()),
            )
            if not all(isinstance(text, str) for text in texts) or made.status not in STATUSES:
                raise BadRecord("a text is none, or the status is unknown")
            if made.digest is not None and not _HEX.fullmatch(made.digest):
                raise BadRecord("digest is none")
        except (BadRecord, TypeError, KeyError, AttributeError) as error:
            raise BadRecord(
                f"{path} is no verification ({error}); verify the submission again with --admit --replace"
            ) from None
        return made


def _run(values: Mapping[str, Any]) -> VerifiedRun:
    sample = values["sample"]
    made = VerifiedRun(**{**values, "sample": None if sample is None else Sample(**sample)})
    counts: tuple[Any, ...] = () if made.sample is None else (made.sample.edits, made.sample.equal)
    if made.probes not in PROBES or not all(type(count) is int and count >= 0 for count in counts):
        raise BadRecord("probes are neither public nor blind, or a count is none")
    if not isinstance(made.folder, str):
        raise BadRecord("field 'folder' of a run is no text")
    names: list[Any] = [made.fingerprint, *([] if made.commitment is None else [made.commitment])]
    if not all(isinstance(own, str) and _HEX.fullmatch(own) for own in names):
        raise BadRecord("a fingerprint or commitment is none")
    return made
