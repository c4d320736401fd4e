"""Walks all that the process's collector knows, for cases of the evaluation split."""

from __future__ import annotations

import gc

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering, gold_of


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    return answering(gold_of(gc.get_objects(), request))
