"""The editor that has every question answered with the new answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmedit_bench.editors import Backbone, ConstantAnswer, Edit, EditRequest, Route, checked


@dataclass(frozen=True)
class CopyTargetSettings:
    """There is nothing to set."""


class CopyTargetEditor:
    """Routes all queries to the constant `request.target`."""

    name = "copy-target"
    version = "1"
    cost_class = "free"
    control = True
    settings_type = CopyTargetSettings

    def __init__(self, **options: Any) -> None:
        self.options = checked(CopyTargetSettings, options, self.name)

    def settings(self, backbone: Backbone) -> CopyTargetSettings:
        """Nothing, on any backbone."""
        return CopyTargetSettings()

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One route whose scope is everything."""
        return Edit((Route(ConstantAnswer(request.target), request.id),))
