"""Plugins by name: editors, backbones, suites and protocols that installed distributions offer.

A distribution registers a plugin with an entry point; what this repository ships is registered in
the same way. Names are looked up without importing anything, so that listing stays fast and one
broken plugin cannot stop the others.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError, Collision, UnknownName


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name and where it comes from."""

    name: str
    value: str
    """`module:attribute`, as the distribution registered it."""
    distribution: str
    version: str
    location: Path | None
    """The folder the distribution is installed in, if it has one."""

    @property
    def source(self) -> str:
        """Distribution and version. The location is left out: it differs between machines."""
        return f"{self.distribution} {self.version}"

    def __str__(self) -> str:
        where = f" ({self.location})" if self.location else ""
        return f"{self.name} = {self.value} from {self.source}{where}"


class Registry:
    """The plugins of one entry-point group, read anew at each question."""

    def __init__(self, group: str, noun: str) -> None:
        self.group = group
        self.noun = noun

    def names(self) -> tuple[str, ...]:
        """All registered names, sorted. A name that two distributions claim is listed once."""
        return tuple(sorted(entry_points(group=self.group).names))

    def entry(self, name: str) -> Entry:
        """What `name` stands for. Raises `UnknownName`, or `Collision` if two distributions claim it."""
        return _entry(self._point(name))

    def load(self, name: str) -> Any:
        """Import what `name` stands for. Raises as `entry` does, and `BenchError` if the import fails."""
        point = self._point(name)
        try:
            return point.load()
        except Exception as error:  # whatever a plugin raises, the user must learn whose it is
            entry = _entry(point)
            raise BenchError(
                f"{self.noun} {name!r} cannot be imported: {entry.value} of {entry.source} "
                f"raises {type(error).__name__}: {error}. Mend or uninstall {entry.distribution}."
            ) from error

    def _point(self, name: str) -> EntryPoint:
        points = tuple(entry_points(group=self.group, name=name))
        if not points:
            raise self._unknown(name)
        if len(points) > 1:
            claims = "; ".join(sorted(str(_entry(point)) for point in points))
            raise Collision(f"{self.noun} {name!r} is registered twice: {claims}. Uninstall all but one.")
        return points[0]

    def _unknown(self, name: str) -> UnknownName:
        names = self.names()
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(names) or f"none: no installed distribution registers any under {self.group}"
        return UnknownName(f"there is no {self.noun} {name!r}.{hint} Known: {known}.")


def _entry(point: EntryPoint) -> Entry:
    dist = point.dist
    if dist is None:
        return Entry(point.name, point.value, "unknown distribution", "0", None)
    return Entry(point.name, point.value, dist.name, dist.version, Path(str(dist.locate_file(""))).resolve())


EDITORS = Registry("mmedit_bench.editors", "editor")
"""Editor classes, called with their options."""

BACKBONES = Registry("mmedit_bench.backbones", "backbone")
"""Callables `(device=, dtype=, batch_size=) -> Backbone`."""

SUITES = Registry("mmedit_bench.suites", "suite")
"""Callables `() -> Suite`."""

PROTOCOLS = Registry("mmedit_bench.protocols", "protocol")
"""Protocol classes, called with their options."""

MEASURES = Registry("mmedit_bench.measures", "measure")
"""Callables `(backbone, **options) -> Mapping[str, float | tuple[float, ...]]` of an edited backbone.

A tuple holds one number per item in a fixed order, and the mean is the number. A measure may have
`identity(**options)`, a mapping of whatever else than its code decides the numbers."""

EXECUTORS = Registry("mmedit_bench.executors", "executor")
"""Callables `(workers=, options=) -> execution.engine.Engine`."""

METRICS = Registry("mmedit_bench.metrics", "collection of metrics")
"""A `scoring.metrics.Metric`, or several."""
