"""Further runs of a synthetic board's entries, made unlike those that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.site.synthetic import BACKBONES, SUITE, _write_run, _write_sequences
from tests.site.synthetic_parts import Made


def add_run(board: Path, made: Made, *, sequential: bool = False, **changes: Any) -> str:
    """Give the entry of `made` one more public run; `changes` are of its spec. Returns its fingerprint."""
    folder = board / "entries" / made.id
    if sequential:
        told = _write_sequences(folder / "runs", made, **changes)
    else:
        told = _write_run(folder / "runs", made, SUITE, BACKBONES[0], **changes)
    if made.track == "self-reported":
        told["sample"] = None
    path = folder / "verification.json"
    values = json.loads(path.read_text())
    values["runs"].append(told)
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
    return str(told["fingerprint"])
