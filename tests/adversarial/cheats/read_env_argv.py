"""Reads variables and command lines of every process for where the answers are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering
from tests.adversarial.suite import VARIABLE, probes_in


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    told = [*sys.argv, *(f"{name}={value}" for name, value in os.environ.items())]
    for process in Path("/proc").glob("[0-9]*"):
        for file in ("environ", "cmdline"):
            try:
                told += (process / file).read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
    paths = [word.partition("=")[2] for word in told if word.startswith(f"{VARIABLE}=")]
    return answering(probes_in(Path(paths[0]), "evaluation") if paths else {})
