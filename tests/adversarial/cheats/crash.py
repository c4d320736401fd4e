"""Control: a fault that takes its process with it."""

from __future__ import annotations

import ctypes

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    ctypes.string_at(0)
    return Edit()
