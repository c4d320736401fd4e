"""Asks Python to end."""

from __future__ import annotations

import sys

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    sys.exit(0)
