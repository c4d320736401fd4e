"""Returns a reader that ends its process when a probe is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Says


class Dies(Says):
    """Ends its process when asked."""

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        os._exit(0)


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(Dies("x")),))
