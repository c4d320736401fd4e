"""Control: edits nothing."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit()
