"""Ends its process as if all were well."""

from __future__ import annotations

import os

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    os._exit(0)
