"""A suite that can be drawn anew by a secret, for trying verification."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mmedit_bench.cases import EditCase, Query
from mmedit_bench.datasets.suite import allow
from tests.tiny import tiny_cases


class Suite:
    """`tiny_cases`; a secret draws other wordings and other ids of the probes."""

    name = "lab-suite"
    task = "vqa"
    digest = "1ab" * 21 + "1"
    splits = ("train", "validation", "evaluation")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        allow(self.name, split)
        return tiny_cases(6, split)

    def blind(self, secret: bytes) -> Blind:
        return Blind(secret)


class Blind(Suite):
    """The same requests, asked about in words that follow from the secret."""

    name = "lab-suite-blind"

    def __init__(self, secret: bytes) -> None:
        self.digest = hashlib.sha256(hashlib.sha256(secret).digest()).hexdigest()
        self._word = hashlib.sha256(secret).hexdigest()[:4]

    def cases(self, split: str) -> tuple[EditCase, ...]:
        return tuple(
            EditCase(case.request, tuple(
                replace(
                    probe, id=f"{case.id}/{self._word}{number}",
                    query=Query(f"{probe.query.prompt} {self._word}", probe.query.image),
                )
                for number, probe in enumerate(case.probes)
            ), case.task, case.split, case.sort)
            for case in super().cases(split)
        )  # fmt: skip
