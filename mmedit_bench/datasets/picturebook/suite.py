"""Picturebook's edits as cases, and as `datasets.Dataset`s."""

from __future__ import annotations

import hashlib
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.datasets.picturebook import files, halves
from mmedit_bench.datasets.picturebook.edits import StoredEdit
from mmedit_bench.datasets.picturebook.entities import SPLITS
from mmedit_bench.datasets.suite import allow
from mmedit_bench.errors import BadData

if TYPE_CHECKING:
    from datasets import Dataset

    from mmedit_bench.datasets.suite import Suite

CASES = 2
"""Version of the way cases are made of stored edits; raise it when that changes."""


MIX = "mix"
"""The task of the suite that has the cases of all."""
MIXED = ("vqa", "caption")


class PicturebookSuite:
    """One task of Picturebook; `task` is "vqa", "caption", or "mix" for the cases of both.

    The mix has the same cases under the same ids, each with its own task, in turn as long as both
    last: any first N, up to twice the smaller task, are half of each.
    """

    splits = tuple(SPLITS)

    def __init__(self, task: str) -> None:
        self.task = task
        self.name = f"picturebook-{task}"

    @property
    def digest(self) -> str:
        """sha256 (hex) of the data's content, the task, and how cases are made of it."""
        return hashlib.sha256(f"{files.load().content}/{self.task}/{CASES}".encode()).hexdigest()

    def cases(self, split: str) -> tuple[EditCase, ...]:
        """Cases of "train", "validation" or "evaluation"; any first N are a fair sample of the split."""
        if split not in SPLITS:
            raise BadData(f"suite {self.name}: no split {split!r}; there are {', '.join(SPLITS)}")
        allow(self.name, split)
        return _cases(self.task, split)

    def blind(self, secret: bytes) -> Suite:
        """The same requests with probes drawn by a secret; see `datasets.blind.blind_suite`."""
        from mmedit_bench.datasets.picturebook.blind import BlindPicturebook

        return BlindPicturebook(self, MIXED if self.task == MIX else (self.task,), secret)

    def as_dataset(self, split: str) -> Dataset:
        """A row per edit: texts, the picture as `Image`, and the probes with their pictures."""
        import datasets

        image = datasets.Image()
        probe = {k: datasets.Value("string") for k in ("id", "kind", "stratum", "prompt", "reference")}
        features = datasets.Features(
            {k: datasets.Value("string") for k in ("id", "task", "split", "sort", "prompt", "target")}
            | {"image": image, "probes": datasets.List({**probe, "image": image})}
        )
        return datasets.Dataset.from_list([_row(case) for case in self.cases(split)], features=features)


@cache
def _cases(task: str, split: str) -> tuple[EditCase, ...]:
    if task == MIX:
        in_turn = zip_longest(*(_cases(own, split) for own in MIXED))
        return tuple(case for cases in in_turn for case in cases if case is not None)
    pictures = _pictures()
    chosen = [e for e in files.load().edits if e.task == task and e.id.split("-")[1] == split]
    return tuple(_case(edit, split, pictures) for edit in chosen)


@cache
def _pictures() -> dict[str, ImageRef]:
    refs = {}
    for entity in files.load().entities:
        for artist, data in entity.pictures.items():
            digest = hashlib.sha256(data).hexdigest()
            refs[f"{entity.id}/{artist}"] = ImageRef(digest, lambda data=data: data)  # type: ignore[misc]
    return refs


def _case(edit: StoredEdit, split: str, pictures: dict[str, ImageRef]) -> EditCase:
    def query(prompt: str, picture: str) -> Query:
        return Query(prompt, pictures[picture] if picture else None)

    asked = (*edit.probes, *(halves.halves(edit) if split in halves.SPLITS else ()))
    request = EditRequest(edit.id, query(edit.prompt, edit.picture), edit.target)
    probes = tuple(
        Probe(f"{edit.id}/p{n:02d}", p.kind, query(p.prompt, p.picture), p.reference, p.stratum)
        for n, p in enumerate(asked)
    )
    return EditCase(request, probes, edit.task, split, edit.sort)


def _row(case: EditCase) -> dict[str, Any]:
    def picture(query: Query) -> dict[str, Any] | None:
        return {"bytes": query.image.bytes(), "path": None} if query.image else None

    return {
        "id": case.id,
        "task": case.task,
        "split": case.split,
        "sort": case.sort,
        "prompt": case.request.query.prompt,
        "target": case.request.target,
        "image": picture(case.request.query),
        "probes": [
            {
                "id": p.id,
                "kind": p.kind,
                "stratum": p.stratum,
                "prompt": p.query.prompt,
                "reference": p.reference,
                "image": picture(p.query),
            }
            for p in case.probes
        ],
    }
