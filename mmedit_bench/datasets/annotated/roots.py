"""Where annotation files and pictures lie: told by environment variables, looked up when needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.errors import BadData

DATA = "MMEDIT_BENCH_DATA"
"""The variable that names the folder of all data sets; each has a folder of its own name in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of pictures: `prefix` is how their names begin, `within` where they lie unless said otherwise.

    `variable` names the environment variable that says otherwise; its folder is the one that the names
    in the annotations are relative to.
    """

    prefix: str
    within: str
    variable: str


@dataclass(frozen=True, slots=True)
class Root:
    """A folder and the variable that named it, for messages."""

    folder: Path
    variable: str


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders of one data set."""

    annotations: Path
    pictures: tuple[tuple[str, Root], ...]
    """By prefix of their names; the first that fits counts."""

    def of(self, name: str) -> Root:
        """The root that the picture called `name` is relative to. Raises `BadData` if there is none."""
        for prefix, root in self.pictures:
            if name.startswith(prefix):
                return root
        known = ", ".join(prefix for prefix, _ in self.pictures)
        raise BadData(f"picture {name!r} begins with none of {known}; the annotation file is damaged")


def find_roots(dataset: str, places: tuple[Place, ...], data: Path | None = None) -> Roots:
    """The roots of a data set: below `data`, else below the folder that `MMEDIT_BENCH_DATA` names.

    A variable of a place counts also where `data` is given. Raises `BadData` if neither names a folder.
    """
    folder = data or told(DATA)
    if folder is None:
        raise BadData(
            f"{dataset} is not part of this package: set {DATA} to the folder that holds {dataset}/, "
            f"or give --root to `data` and `audit`; `mmedit-bench data fetch {dataset}` says where its files "
            "come from"
        )
    pictures = []
    for place in places:
        own = told(place.variable)
        root = Root(own, place.variable) if own else Root(folder / dataset / place.within, DATA)
        pictures.append((place.prefix, root))
    return Roots(folder / dataset, tuple(pictures))


def told(variable: str) -> Path | None:
    """The folder that an environment variable names; None where it is not set or empty."""
    value = os.environ.get(variable)
    return Path(value).expanduser() if value else None
