"""Make the Parquet file from the pinned packages: `mmedit-bench data build picturebook`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from mmedit_bench.datasets.picturebook import schema
from mmedit_bench.datasets.picturebook.edits import SplitPool, StoredEdit, caption_edits, vqa_edits
from mmedit_bench.datasets.picturebook.entities import SPLITS, Entity, assign_splits, make_entity
from mmedit_bench.errors import BadData, naming


def read_entities(npm: Path) -> list[Entity]:
    """Things with all three drawings, split, with facts withheld."""
    try:
        from mmedit_bench.datasets.picturebook import sources

        things = [t for t in sources.read_things(npm) if sources.draw(t, npm)]
    except ModuleNotFoundError as error:
        raise BadData(f"building Picturebook needs {error.name}: pip install 'mmedit-bench[data]'") from error
    splits = assign_splits([(t.id, t.group) for t in things])
    return [make_entity(t.id, t.name, t.group, splits[t.id], t.facts, t.pictures) for t in things]


def make_edits(entities: list[Entity]) -> list[StoredEdit]:
    """All edits of both tasks and all splits."""
    pools = [SplitPool(entities, split) for split in SPLITS]
    return [edit for pool in pools for edit in (*vqa_edits(pool), *caption_edits(pool))]


def build(npm: Path, out: Path) -> dict[str, str]:
    """Write `out` (Parquet) and, beside it, the digests to pin. Returns the digests."""
    import hashlib

    entities = read_entities(npm)
    edits = make_edits(entities)
    beside = out.with_suffix(".digest.json")
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent) as aside:  # whole or not at all
            made, pins = Path(aside) / out.name, Path(aside) / beside.name
            schema.write(made, entities, edits)
            digests = {
                "content": schema.content_digest(entities, edits),
                "file": hashlib.sha256(made.read_bytes()).hexdigest(),
            }
            pins.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
            made.replace(out)
            pins.replace(beside)
    return digests
