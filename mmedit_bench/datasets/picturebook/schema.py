"""The one Parquet file: a row per pictured thing, with its facts, drawings and edits.

Pictures are stored once, under the thing they show; a query points to one as "thing/artist".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmedit_bench.datasets.picturebook.edits import Asked, StoredEdit
from mmedit_bench.datasets.picturebook.entities import ARTISTS, Entity, Fact
from mmedit_bench.errors import BadData

FORMAT = "picturebook/1"

_PROBE = pa.struct([(k, pa.string()) for k in ("kind", "stratum", "prompt", "picture", "reference")])
_EDIT = pa.struct(
    [(k, pa.string()) for k in ("id", "task", "sort", "relation", "prompt", "picture", "target")]
    + [("probes", pa.list_(_PROBE))]
)
_FACT = pa.struct([("relation", pa.string()), ("value", pa.string()), ("withheld", pa.bool_())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("facts", pa.list_(_FACT)),
        ("caption", pa.string()),
        ("caption_withheld", pa.bool_()),
        ("pictures", pa.struct([(a, pa.binary()) for a in ARTISTS])),
        ("edits", pa.list_(_EDIT)),
    ],
    metadata={"format": FORMAT},
)


def write(path: Path, entities: Sequence[Entity], edits: Sequence[StoredEdit]) -> None:
    """Write the file; equal input gives equal bytes for equal versions of pyarrow."""
    by_entity: dict[str, list[dict[str, Any]]] = {e.id: [] for e in entities}
    for edit in edits:
        row = {k: getattr(edit, k) for k in ("id", "task", "sort", "relation", "prompt", "picture", "target")}
        probes = [
            {k: getattr(p, k) for k in ("kind", "stratum", "prompt", "picture", "reference")}
            for p in edit.probes
        ]
        by_entity[edit.picture.split("/")[0]].append({**row, "probes": probes})
    rows = [
        {
            "id": e.id,
            "name": e.name,
            "group": e.group,
            "split": e.split,
            "facts": [{"relation": f.relation, "value": f.value, "withheld": f.withheld} for f in e.facts],
            "caption": e.caption,
            "caption_withheld": e.caption_withheld,
            "pictures": e.pictures,
            "edits": by_entity[e.id],
        }
        for e in entities
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, compression="zstd", compression_level=19)


def read(path: Path) -> tuple[tuple[Entity, ...], tuple[StoredEdit, ...]]:
    """Entities and edits. Raises `BadData` naming the file when it is not a Picturebook file."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadData(
            f"{path}: not a readable Parquet file ({error}); reinstall mmedit-bench or rebuild the data"
        ) from error
    found = (table.schema.metadata or {}).get(b"format", b"").decode()
    if found != FORMAT:
        raise BadData(f"{path}: field 'format' is {found!r}, expected {FORMAT!r}; rebuild the data")
    entities, edits = [], []
    for row in table.to_pylist():
        facts = tuple(Fact(**f) for f in row["facts"])
        entities.append(
            Entity(
                row["id"],
                row["name"],
                row["group"],
                row["split"],
                facts,
                row["caption"],
                row["caption_withheld"],
                row["pictures"],
            )
        )
        for edit in row["edits"]:
            probes = tuple(Asked(**p) for p in edit.pop("probes"))
            edits.append(StoredEdit(**edit, probes=probes))
    return tuple(entities), tuple(sorted(edits, key=lambda e: e.id))


def content_digest(entities: Sequence[Entity], edits: Sequence[StoredEdit]) -> str:
    """sha256 (hex) over decoded content: the same for any compression of the same pictures and texts."""
    out = hashlib.sha256(FORMAT.encode())
    for e in entities:
        facts = [(f.relation, f.value, f.withheld) for f in e.facts]
        out.update(repr((e.id, e.name, e.group, e.split, facts, e.caption, e.caption_withheld)).encode())
        for artist in sorted(e.pictures):
            out.update(artist.encode() + pixels(e.pictures[artist]))
    for edit in sorted(edits, key=lambda x: x.id):
        out.update(repr(edit).encode())
    return out.hexdigest()


def pictures_digest(entities: Sequence[Entity], artists: Sequence[str]) -> str:
    """sha256 (hex) over the decoded drawings of some artists: what a vision tower was trained on."""
    out = hashlib.sha256()
    for e in entities:
        for artist in artists:
            out.update(f"{e.id}/{artist}".encode() + pixels(e.pictures[artist]))
    return out.hexdigest()


def pixels(data: bytes) -> bytes:
    """The decoded RGB bytes of a picture."""
    import io

    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()
