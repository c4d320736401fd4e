"""The shipped Parquet file and its pinned digests."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mmedit_bench.datasets.picturebook import schema
from mmedit_bench.datasets.picturebook.edits import StoredEdit
from mmedit_bench.datasets.picturebook.entities import Entity
from mmedit_bench.errors import BadData

PARQUET = Path(__file__).parent / "picturebook.parquet"


@dataclass(frozen=True)
class Picturebook:
    """Everything in the file; `content` is the digest of what is in it, however it is compressed."""

    entities: tuple[Entity, ...]
    edits: tuple[StoredEdit, ...]
    content: str


def pinned(path: Path = PARQUET) -> dict[str, str]:
    """The digests beside a file. Raises `BadData` when they are missing or unreadable."""
    beside = path.with_suffix(".digest.json")
    try:
        digests = json.loads(beside.read_text(encoding="utf-8"))
        return {k: str(digests[k]) for k in ("content", "file")}
    except (OSError, ValueError, KeyError) as error:
        raise BadData(f"{beside}: no pinned digests ({error!r}); reinstall mmedit-bench") from None


@cache
def load(path: Path = PARQUET) -> Picturebook:
    """Read and verify. Raises `BadData` when the content is not what was pinned."""
    digests = pinned(path)
    entities, edits = schema.read(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != digests["file"]:
        # another compression of the same content is fine, other content is not
        content = schema.content_digest(entities, edits)
        if content != digests["content"]:
            raise BadData(
                f"{path}: content digest {content[:16]} is not the pinned {digests['content'][:16]}; "
                "reinstall mmedit-bench, or pin the new digest if you changed the data on purpose"
            )
    return Picturebook(entities, edits, digests["content"])
