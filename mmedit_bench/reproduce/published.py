"""Numbers that the UniKE paper prints, to stand beside measured ones."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from mmedit_bench.scoring.groups import MEANS


@functools.cache
def _facts() -> Any:
    return json.loads(files(__package__).joinpath("published.json").read_bytes())


def source() -> str:
    """Address of the paper."""
    return str(_facts()["source"])


def compares() -> frozenset[str]:
    """The editors here whose methods the paper compares, by the keys of their rows."""
    return frozenset(_facts()["compares"])


def published(table: str, backbone: str, task: str, method: str) -> Mapping[str, float] | None:
    """Percent by column, with the group means computed from them; None if the paper has no such row.

    A row printed for no backbone in particular holds for all.
    """
    for row in _facts()["rows"]:
        places = {(backbone, task), ("unspecified", "both")}
        if (row["table"], row["method"]) == (table, method) and (row["backbone"], row["task"]) in places:
            values = {name: float(value) for name, value in row["values"].items()}
            for name, group in MEANS.items():
                if name not in values and all(part in values for part in group.parts):
                    values[name] = round(sum(values[part] for part in group.parts) / len(group.parts), 2)
            return values
    return None
