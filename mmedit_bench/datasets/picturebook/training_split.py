"""A copy of the shipped file with the training split alone, for where an editor must not find the rest."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mmedit_bench.datasets.picturebook import files, schema
from mmedit_bench.datasets.suite import TRAIN
from mmedit_bench.errors import naming

LAYOUT = 1
"""Version of what is left out; raise it when that changes."""


def training_split(folder: Path) -> Mapping[Path, Path]:
    """The shipped file and its digests, each with a copy below `folder` that stands in its place.

    Left out are all things, facts, drawings and edits of the other splits. The copy bears the content
    digest of the whole, so that suites and what is trained on them are the same by name. It is made
    once for every content. Raises `BadData` for a damaged file and `Unusable` for the folder.
    """
    beside = files.PARQUET.with_suffix(".digest.json")
    digests = files.pinned()
    key = hashlib.sha256(f"{digests['file']}/{digests['content']}/{LAYOUT}".encode()).hexdigest()
    place = folder / f"picturebook-{key[:16]}"
    if not place.is_dir():
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as made:
                _write(Path(made), digests["content"])
                try:
                    Path(made).replace(place)
                except OSError:
                    if not place.is_dir():  # otherwise another process was first
                        raise
    return {file: place / file.name for file in (files.PARQUET, beside)}


def _write(folder: Path, content: str) -> None:
    data = files.load()
    things = [entity for entity in data.entities if entity.split == TRAIN]
    shown = {entity.id for entity in things}
    path = folder / files.PARQUET.name
    schema.write(path, things, [edit for edit in data.edits if edit.picture.split("/")[0] in shown])
    digests = {"content": content, "file": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".digest.json").write_text(json.dumps(digests) + "\n", encoding="utf-8")
    folder.chmod(0o755)
