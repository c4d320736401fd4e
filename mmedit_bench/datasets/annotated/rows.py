"""Cases as rows of `datasets`, with pictures as paths."""

from __future__ import annotations

from typing import Any

from mmedit_bench.cases import EditCase, Query
from mmedit_bench.datasets.annotated.pictures import PictureFile


def features(decode: bool) -> Any:
    """Columns of the rows: those that Picturebook's have."""
    import datasets

    image = datasets.Image(decode=decode)
    texts = {name: datasets.Value("string") for name in ("id", "task", "split", "sort", "prompt", "target")}
    probe = {name: datasets.Value("string") for name in ("id", "kind", "stratum", "prompt", "reference")}
    return datasets.Features(texts | {"image": image, "probes": datasets.List({**probe, "image": image})})


def row(case: EditCase) -> dict[str, Any]:
    """A case as plain values; pictures by path."""

    def picture(query: Query) -> dict[str, Any] | None:
        image = query.image
        return {"bytes": None, "path": str(image.path)} if isinstance(image, PictureFile) else None

    return {
        "id": case.id, "task": case.task, "split": case.split, "sort": case.sort,
        "prompt": case.request.query.prompt, "target": case.request.target,
        "image": picture(case.request.query),
        "probes": [
            {
                "id": probe.id, "kind": probe.kind, "stratum": probe.stratum, "prompt": probe.query.prompt,
                "reference": probe.reference, "image": picture(probe.query),
            }
            for probe in case.probes
        ],
    }  # fmt: skip
