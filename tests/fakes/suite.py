"""A suite whose pictures lead back to it, as a careless data set's would."""

from __future__ import annotations

import functools
import hashlib

from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query


class FakeSuite:
    """`count` test cases and two training cases; every picture's opener is a method of the suite."""

    name = "fakes"
    task = "vqa"
    splits = ("train", "test")

    def __init__(self, count: int = 5) -> None:
        self._cases = {
            "train": tuple(self._case("train", i) for i in range(2)),
            "test": tuple(self._case("test", i) for i in range(count)),
        }

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self._cases).encode()).hexdigest()

    def cases(self, split: str) -> tuple[EditCase, ...]:
        return self._cases[split]

    def picture(self, number: int) -> bytes:
        return f"picture {number}".encode()

    def _case(self, split: str, number: int) -> EditCase:
        digest = hashlib.sha256(self.picture(number)).hexdigest()
        image = ImageRef(digest, functools.partial(self.picture, number))
        name, target = f"{split}-{number}", f"new {number}"
        request = EditRequest(name, Query(f"what is {name}?", image), target)
        probes = (
            Probe(f"{name}/p00", "text_locality", Query(f"unrelated to {number}?"), "old"),
            Probe(f"{name}/p01", "reliability", request.query, target),
            Probe(f"{name}/p02", "image_locality", Query("what else?", image), "secret"),
        )
        return EditCase(request, probes, "vqa", split, "counterfactual")
