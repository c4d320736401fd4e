"""What is missing or broken of a data set's files, all of it and not only the first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.annotated.pictures import PictureFile
from mmedit_bench.datasets.annotated.records import PICTURES, Record, Source, check_pinned, parse, stream
from mmedit_bench.datasets.annotated.roots import Roots, find_roots
from mmedit_bench.datasets.annotated.suite import Layout
from mmedit_bench.errors import BadData

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PictureProblem:
    """A picture that is not there or cannot be used; `records` are those that ask for it."""

    path: str
    what: str
    variable: str
    records: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.records) - 1} more" if len(self.records) > 1 else ""
        return f"{self.path}: {self.what} ({self.records[0]}{more})"


@dataclass(slots=True)
class Checked:
    """The outcome. `digest` is sha256 (hex) over names and bytes of all pictures, where all were read."""

    annotations: list[str] = field(default_factory=list)
    pictures: list[PictureProblem] = field(default_factory=list)
    named: int = 0
    records: int = 0
    digest: str | None = None

    @property
    def problems(self) -> list[str]:
        """A line for each problem."""
        return [*self.annotations, *map(str, self.pictures)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "records": self.records,
            "pictures": self.named,
            "pictures_digest": self.digest,
            "annotations": self.annotations,
            "missing": [_plain(one) for one in self.pictures if one.what == MISSING],
            "broken": [_plain(one) for one in self.pictures if one.what != MISSING],
        }


MISSING = "missing"


def _plain(one: PictureProblem) -> dict[str, Any]:
    return {"path": one.path, "what": one.what, "variable": one.variable, "records": list(one.records)}


def check_files(
    layouts: Iterable[Layout], root: Path | None, *, decode: bool = False, progress: Progress | None = None
) -> Checked:
    """Check annotation files against their pins, records against their contract, and look for all pictures.

    Of a picture that is there the header is read; with `decode` all of it. Raises `BadData` only where
    nothing says where the files lie.
    """
    found, asking = Checked(), dict[tuple[str, str], tuple[PictureFile, list[str]]]()
    seen: set[tuple[str, str]] = set()
    for layout in layouts:
        roots = find_roots(layout.dataset, layout.places, root)
        for source in (layout.training, layout.evaluation):
            if (layout.dataset, source.file) in seen:
                continue
            seen.add((layout.dataset, source.file))
            path = roots.annotations / source.file
            for record in _records(path, source, found):
                _ask(record, f"{source.file} record {record.number}", roots, asking)
    found.named = len(asking)
    whole = hashlib.sha256()
    for done, (_, (file, records)) in enumerate(sorted(asking.items()), start=1):
        what = _problem(file, decode)
        if what:
            found.pictures.append(PictureProblem(str(file.path), what, file.root.variable, tuple(records)))
        elif decode:
            whole.update(f"{file.name} {file.digest}\n".encode())
        if progress:
            progress("pictures", done, len(asking))
    if decode and asking and not found.pictures:
        found.digest = whole.hexdigest()
    return found


def _records(path: Path, source: Source, found: Checked) -> Iterator[Record]:
    """The good records of a file; of the others it is told what is wrong with them."""
    try:
        check_pinned(path, source)
    except BadData as error:
        found.annotations.append(str(error))
        if not path.is_file():
            return
    count = 0
    try:
        for count, value in enumerate(stream(path), start=1):
            try:
                record = parse(value, f"{path}: record {count - 1}", count - 1)
            except BadData as error:
                found.annotations.append(str(error))
                continue
            found.records += 1
            yield record
    except BadData as error:
        found.annotations.append(str(error))
    if source.count not in (None, count):
        found.annotations.append(f"{path}: {count} records, expected {source.count}")


def _ask(
    record: Record, where: str, roots: Roots, asking: dict[tuple[str, str], tuple[PictureFile, list[str]]]
) -> None:
    for name in sorted({getattr(record, key) for key in PICTURES}):
        root = roots.of(name)
        file = PictureFile(root, name, where)
        asking.setdefault((str(root.folder), name), (file, []))[1].append(where)


def _problem(file: PictureFile, decode: bool) -> str | None:
    """What is wrong with a picture; None if nothing is."""
    from PIL import Image

    if not file.path.is_file():
        return MISSING
    try:
        if decode:
            file.open()
        else:
            with Image.open(file.path):
                pass
    except (BadData, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"not a whole picture: {error}" if decode else f"no picture: {error}"
    return None
