"""Who answers for the port: remembered edits, told apart by text alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from methods.serac.reader import THRESHOLD, Entry, Memory
from methods.serac.scope import likeness
from mmedit_bench.editors import Backbone, Query, register_reader


@dataclass(frozen=True, eq=False)
class Port(Memory):
    """As `serac`'s memory, but of several edits in scope the latest answers, and no picture is seen."""

    @torch.no_grad()
    def nearest(self, backbone: Backbone, query: Query) -> Entry | None:
        """The latest entry of which the mixture's larger weight is the counterfactual model's."""
        code = self.networks.code(backbone, Query(query.prompt))[0]
        inside = (e for e in reversed(self.entries) if likeness(e.code.to(code), code) > THRESHOLD)
        return next(inside, None)


register_reader("serac-legacy", Port)
