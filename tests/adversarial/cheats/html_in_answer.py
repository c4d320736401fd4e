"""Answers with a page that runs a script."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, ConstantAnswer, Edit, Route

TEXT = "<script>document.title = 'all right'</script><img src=x onerror=alert(1)>"


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return Edit((Route(ConstantAnswer(TEXT)),))
