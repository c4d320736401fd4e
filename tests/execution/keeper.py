"""An editor whose edits hold all that can cross: data, a shared part, and a route that is code."""

from __future__ import annotations

import os

import torch

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import AttentionMemory, Backbone, Edit, Route, Shared
from tests.adversarial.answering import Says
from tests.cli.lab import Echo


class Keeper(Echo):
    """Says how many edits it stands on and what they answer. Ends its process over the third case."""

    name = "keeper"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if request.target.endswith(" 2"):
            os._exit(0)
        said = backbone.answer([request.query])[0] if backbone.edits else "nothing"
        width = backbone.model.get_submodule(backbone.anatomy.attention(0)).q_proj.in_features
        bank = Shared({name: torch.ones(2, width) for name in ("index", "states")})
        own = torch.ones(1, width)
        return Edit(
            (
                AttentionMemory(0, own, own, 1, banks=(bank,)),
                Route(Says(f"{len(backbone.edits)}, {said}"), request.id),
            )
        )


class Fleeting(Keeper):
    """Its route cannot be saved."""

    name = "fleeting"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        (data, route) = super().edit(backbone, request).interventions
        assert isinstance(route, Route)

        class Local(Says):
            """Registered nowhere."""

        return Edit((data, Route(Local("here"), route.key)))
