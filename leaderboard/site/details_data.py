"""The files behind the drill-down of a block: one to find edits by, and chunks of a few edits to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaderboard.site.details_block import Edits, heading
from leaderboard.site.details_flat import Flat, digits, joined
from leaderboard.site.details_pictures import Gallery
from leaderboard.site.details_reading import Wanted
from leaderboard.site.lazy import write_data
from leaderboard.site.model import Site
from mmedit_bench.cases import KEEP_KINDS, EditCase, ImageRef

ANSWERS = 40_000
"""Answers in a chunk, about: what is fetched to look at one edit stays near 200 kB."""
MOST_EDITS = 50


def write_block(site: Site, edits: Edits, flat: Flat, out: Path) -> None:
    """Write a block's data files under `out`/data. Raises `Unusable` for a file that cannot be written."""
    name = f"details/{edits.block.slug}"
    size = chunk_size(edits)
    gallery = Gallery(out)
    write_data(out, f"{name}/index", _index(site, edits, flat, size))
    for key, outcomes in zip(edits.keys, flat.outcomes, strict=True):
        write_data(out, f"{name}/outcomes-{key}", digits(outcomes))
    methods = [
        own for own, row in zip(flat.outcomes, edits.block.rows, strict=True) if not row.run.scores.control
    ]
    write_data(out, f"{name}/outcomes", joined(methods or list(flat.outcomes)))
    for number, start in enumerate(range(0, len(edits.rows), size)):
        rows = range(start, min(start + size, len(edits.rows)))
        write_data(out, f"{name}/{number:04d}", _chunk(edits, flat, rows, gallery))


def chunk_size(edits: Edits) -> int:
    """Edits per chunk."""
    probes = max((len(edits.wanted(row)) for row in range(len(edits.rows))), default=1)
    return max(1, min(MOST_EDITS, ANSWERS // max(1, probes * len(edits.keys))))


class Texts:
    """Texts of one file, each once."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._place.setdefault(text, len(self._place))

    def all(self) -> list[str]:
        """In the order of their numbers."""
        return list(self._place)


def _index(site: Site, edits: Edits, flat: Flat, size: int) -> dict[str, Any]:
    """What the page needs to find edits: who ran them, what they are about, and how to read outcomes."""
    texts = Texts()
    cases = [edits.case(row) for row in range(len(edits.rows))]
    patterns: dict[tuple[int, ...], int] = {}
    shapes = [tuple(probe.column for probe in own) for own in flat.probes]
    several = len({case for _, case in edits.rows}) < len(edits.rows)
    return {
        "block": edits.block.slug,
        "title": edits.block.title,
        "why": edits.data.why,
        "columns": [heading(key) for key in edits.columns],
        "editors": editors_of(site, edits),
        "size": size,
        "edits": {
            "ids": [case for _, case in edits.rows],
            "units": [unit for unit, _ in edits.rows] if several else None,
            "sorts": [texts(case.sort) if case else -1 for case in cases],
            "questions": [texts(case.request.query.prompt) if case else -1 for case in cases],
            "targets": [texts(case.request.target) if case else -1 for case in cases],
            "shapes": [patterns.setdefault(shape, len(patterns)) for shape in shapes],
            "widths": np.diff(flat.starts).tolist(),
        },
        "shapes": [list(shape) for shape in patterns],
        "texts": texts.all(),
    }


def editors_of(site: Site, edits: Edits) -> list[dict[str, Any]]:
    """The block's runs, as pages name them."""
    return [
        {
            "key": key,
            "name": row.name,
            "control": row.run.scores.control,
            "apart": row.entry.apart,
            "beside": row.beside,
            "badge": row.entry.badge,
            "group": group,
            "done": len(run.rows),
            "failed": len(run.errors),
            "page": f"runs/{site.page(row.run)}.html",
        }
        for key, row, group, run in zip(edits.keys, edits.block.rows, edits.groups, edits.runs, strict=True)
    ]


def _chunk(edits: Edits, flat: Flat, rows: range, gallery: Gallery) -> dict[str, Any]:
    texts = Texts()
    shown = [_edit(edits, flat, row, texts, gallery) for row in rows]
    span = slice(int(flat.starts[rows.start]), int(flat.starts[rows.stop]))
    said = np.stack([*(own[span] for own in flat.answers), *(own[span] for own in flat.before)])
    known, places = np.unique(said, return_inverse=True)
    numbers = np.array([-1 if one < 0 else texts(flat.texts[one]) for one in known.tolist()], np.int64)
    local = numbers[places.reshape(said.shape)].tolist()
    return {
        "from": rows.start,
        "edits": shown,
        "answers": dict(zip(edits.keys, local, strict=False)),
        "before": local[len(edits.keys) :],
        "outcomes": {key: digits(own[span]) for key, own in zip(edits.keys, flat.outcomes, strict=True)},
        "errors": dict(_errors(edits, rows, texts)),
        "texts": texts.all(),
    }


def _errors(edits: Edits, rows: range, texts: Texts) -> Iterator[tuple[str, Mapping[int, int]]]:
    """By run, why edits of this chunk failed, by their place in it."""
    for key, run, places in zip(edits.keys, edits.runs, edits.places, strict=True):
        if not run.errors:
            continue
        own = {
            row - rows.start: texts(run.errors[int(places[row])])
            for row in rows
            if int(places[row]) in run.errors
        }
        if own:
            yield key, own


def _edit(edits: Edits, flat: Flat, row: int, texts: Texts, gallery: Gallery) -> dict[str, Any]:
    case = edits.case(row)
    if case is None:
        return {"probes": [{} for _ in flat.probes[row]]}
    return {
        "question": texts(case.request.query.prompt),
        "target": texts(case.request.target),
        "sort": case.sort,
        "task": case.task,
        "pictures": [[label, *gallery.add(image)] for label, image in _pictures(case, told=edits.data.told)],
        "probes": [_probe(case, probe, texts, gallery) for probe in flat.probes[row]]
        if edits.data.told
        else [{} for _ in flat.probes[row]],
    }


def _probe(case: EditCase, wanted: Wanted, texts: Texts, gallery: Gallery) -> dict[str, Any]:
    probe = next(probe for probe in case.probes if probe.id == wanted.id)
    keep = probe.kind in KEEP_KINDS
    found: dict[str, Any] = {
        "question": texts(probe.query.prompt), "keep": keep, "reference": texts(probe.reference),
    }  # fmt: skip
    if probe.query.image:
        found["picture"] = gallery.add(probe.query.image)
    return found


def _pictures(case: EditCase, *, told: bool) -> Sequence[tuple[str, ImageRef]]:
    """The edited picture, the one beside it that it should spread to, and one that it should leave alone."""
    found = [("Edited picture", case.request.query.image)]
    if told:
        other = _first(case, "image_generality")
        away = _first(case, "image_locality")
        found += [("Rephrased picture", other), ("Locality picture", away)]
    return [(label, image) for label, image in found if image is not None]


def _first(case: EditCase, kind: str) -> ImageRef | None:
    """The picture of the first probe of a kind, of its main stratum if it has one."""
    own = [probe for probe in case.probes if probe.kind == kind and probe.query.image]
    own.sort(key=lambda probe: probe.stratum != "main")
    return own[0].query.image if own else None
