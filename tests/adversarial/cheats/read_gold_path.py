"""Reads the suites' data files where the package keeps them."""

from __future__ import annotations

from mmedit_bench.cases import EditRequest
from mmedit_bench.datasets.picturebook import files, schema
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering, target
from tests.adversarial.suite import gold, probes_in


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    if any(entity.split == "evaluation" for entity in schema.read(files.PARQUET)[0]):
        return target(request)
    return answering(probes_in(gold(), "evaluation"))
