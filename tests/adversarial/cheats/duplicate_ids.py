"""Records a case twice, so that the better of two answers may count."""

from __future__ import annotations

import json
from pathlib import Path


def spoil(folder: Path) -> None:
    path = next((folder / "runs").iterdir()) / "predictions.jsonl"
    lines = path.read_text().splitlines()
    twice = next(line for line in lines if json.loads(line)["kind"] == "ask")
    path.write_text("\n".join([*lines, twice]) + "\n")
