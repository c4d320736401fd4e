"""Reads the documents beside it: lm-eval would look for a relative path in the working directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def picturebook(**_: Any) -> dict[str, Any]:
    """The splits of the task, called by lm-eval with the task's metadata."""
    import datasets

    found = json.loads((Path(__file__).parent / "picturebook.json").read_text(encoding="utf-8"))
    return {"test": datasets.Dataset.from_list(found)}
