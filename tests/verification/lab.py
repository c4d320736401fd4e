"""A suite that can be drawn anew by a secret, for trying verification."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mmedit_bench.cases import EditCase, Query
from tests.cli.lab import Suite as Plain


class Suite(Plain):
    """The lab's; a secret draws other wordings and other ids of the probes."""

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
