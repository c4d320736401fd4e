"""Records a case that was never asked, and answers it rightly."""

from __future__ import annotations

import json
from pathlib import Path


def spoil(folder: Path) -> None:
    path = next((folder / "runs").iterdir()) / "predictions.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    more = next(row for row in rows if row["kind"] == "ask")
    with path.open("a") as file:
        file.write(json.dumps({**more, "case": "never-asked", "unit": "never-asked"}, sort_keys=True) + "\n")
