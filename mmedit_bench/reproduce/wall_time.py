"""How long targets have taken: lines beside the runs, one for each run as it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedit_bench.reproduce.plan import Plan
from mmedit_bench.runs.files import append_all, make_folder

FILE_NAME = "reproduce.jsonl"


def log(out: Path, plan: Plan, seconds: float, *, workers: int, runs: int) -> None:
    """Add the seconds since the line before, in which so many runs ended; `workers` go on at once."""
    make_folder(out)
    told = {**_named(plan), "seconds": round(seconds, 1), "workers": workers, "runs": runs}
    line = json.dumps(told)
    append_all(out / FILE_NAME, f"{line}\n".encode(), sync=False)


def total(out: Path, plan: Plan) -> float:
    """Wall seconds that all calls for a target have taken so far, at its scale and with its limit."""
    return sum(float(call["seconds"]) for call in _calls(out, plan))


def _named(plan: Plan) -> dict[str, Any]:
    """What makes the runs of one call those of another: the same folder may hold several scales."""
    return {"target": plan.target, "scale": plan.scale, "limit": plan.limit}


def _calls(out: Path, plan: Plan) -> Iterator[Mapping[str, Any]]:
    path = out / FILE_NAME
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            call = json.loads(line)
        except ValueError:
            continue  # torn by a killed writer; times are for people
        # lines of earlier versions name the target alone
        if all(call.get(name, own) == own for name, own in _named(plan).items()) and "target" in call:
            yield call
