"""Files of a board folder, read a line at a time."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.baseline import path_of
from mmedit_bench.runs.files import MOST_BYTES, read_regular
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.submissions.board_folder import BoardFolder


@dataclass(frozen=True, slots=True)
class Head:
    """What every page says of the board."""

    title: str
    url: str | None
    """Where the site is published, without a slash at the end; None if that is not known."""
    description: str
    release: str | None
    date: str | None
    more: tuple[tuple[str, str], ...] = ()
    """Pages that only some boards have, for the top of every page: path from the site's root, and label."""

    @classmethod
    def of(cls, board: BoardFolder) -> Head:
        """That of a board's folder."""
        url = board.url.rstrip("/") if board.url else None
        return cls(board.title, url, board.description, board.release or None, board.date or None)


def baseline_of(board: Path, spec: RunSpec) -> Path:
    """Where the readings of the unedited backbone lie that a run is measured against."""
    plain = path_of(board / "baselines", spec)
    return plain.with_name(f"{plain.name}.gz")


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file, one at a time. Raises `BadRecord` for one that is damaged or too large."""
    data = read_regular(path, MOST_BYTES)
    read = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            for line in file:
                read += len(line)
                if read > MOST_BYTES:
                    raise BadRecord(f"{path} unpacks to more than {MOST_BYTES} bytes")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise BadRecord(f"{path} is no whole gzip file: {error}") from None


def objects_of(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a gzip file, line by line. Raises `BadRecord` naming file and line."""
    for number, line in enumerate(lines_of(path), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise BadRecord(f"{path}, line {number}: {error}; admit the run again") from None
