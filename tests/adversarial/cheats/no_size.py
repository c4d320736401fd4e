"""Returns an edit whose size cannot be had."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit, Route
from tests.adversarial.answering import Says


class NoSize(Says):
    """Does not say how large it is."""

    @property
    def nbytes(self) -> int:
        raise RuntimeError("too large for numbers")


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(NoSize("x")),))
