"""How long targets have taken: lines beside the runs, one for each run as it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmedit_bench.runs.files import append_all, make_folder

FILE_NAME = "reproduce.jsonl"


def log(out: Path, target: str, seconds: float, *, workers: int, runs: int) -> None:
    """Add the seconds since the line before, in which so many runs ended; `workers` go on at once."""
    make_folder(out)
    line = json.dumps({"target": target, "seconds": round(seconds, 1), "workers": workers, "runs": runs})
    append_all(out / FILE_NAME, f"{line}\n".encode(), sync=False)


def total(out: Path, target: str) -> float:
    """Wall seconds that all calls for a target have taken so far."""
    return sum(float(call["seconds"]) for call in _calls(out, target))


def _calls(out: Path, target: str) -> Iterator[Mapping[str, Any]]:
    path = out / FILE_NAME
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            call = json.loads(line)
        except ValueError:
            continue  # torn by a killed writer; times are for people
        if call.get("target") == target:
            yield call
