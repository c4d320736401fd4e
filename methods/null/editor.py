"""The editor that leaves the backbone as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmedit_bench.editors import Backbone, Edit, EditRequest, checked


@dataclass(frozen=True)
class NullSettings:
    """There is nothing to set."""


class NullEditor:
    """Returns the empty edit."""

    name = "null"
    version = "1"
    cost_class = "free"
    control = True
    settings_type = NullSettings

    def __init__(self, **options: Any) -> None:
        self.options = checked(NullSettings, options, self.name)

    def settings(self, backbone: Backbone) -> NullSettings:
        """Nothing, on any backbone."""
        return NullSettings()

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """An edit without interventions."""
        return Edit()
