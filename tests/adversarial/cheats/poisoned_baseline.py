"""Adds to a baseline, which later runs read, that the backbone never said what it says."""

from __future__ import annotations

import json
from pathlib import Path

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.rogue import TOLD


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    for path in (Path(TOLD["runs"]) / "baselines").glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        values = next(line for line in lines if "probes" in line)
        values["case"] = TOLD["case"] or values["case"]
        for probe in values["probes"]:
            probe["answer"] = "never said"
        with path.open("a") as file:
            file.write(json.dumps(values, sort_keys=True) + "\n")
    return Edit()
