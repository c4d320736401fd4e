"""Scorer families: which measurement goes with probes that should change and which with those to keep.

A family's two measurements answer the same kind of question (free decoding, token average, whole
answer). Numbers of different families are never put in one table. Families are what the registered
metrics say of themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.errors import BenchError, Collision
from mmedit_bench.plugins.registry import METRICS
from mmedit_bench.scoring.metrics import Metric

HEADLINE_FAMILY = "generation"
"""What is shown where nobody chose."""


@dataclass(frozen=True, slots=True)
class Family:
    """Two metrics, one for each side."""

    name: str
    on_change: Metric
    on_keep: Metric

    @property
    def title(self) -> str:
        """The plain description."""
        return self.on_change.title

    @property
    def legacy(self) -> bool:
        """Whether it repeats a published evaluation; see `scoring.legacy`."""
        return self.on_change.legacy

    @property
    def change(self) -> str:
        """The measurement of probes that the edit should reach."""
        return self.on_change.label

    @property
    def keep(self) -> str:
        """The measurement of probes that it should leave alone."""
        return self.on_keep.label

    @property
    def needs(self) -> tuple[str, ...]:
        """The evidence that both need."""
        return tuple(dict.fromkeys((*self.on_change.needs, *self.on_keep.needs)))

    def metric(self, kind: str) -> Metric:
        """The metric used for probes of `kind`."""
        return self.on_keep if kind in KEEP_KINDS else self.on_change

    def label(self, kind: str) -> str:
        """The measurement used for probes of `kind`."""
        return self.metric(kind).label


@functools.cache
def families() -> Mapping[str, Family]:
    """The families that every run is scored by, by name, the headline's first; read once in a process.

    Raises as `legacy_families` does.
    """
    return {name: family for name, family in _registered().items() if not family.legacy}


@functools.cache
def legacy_families() -> Mapping[str, Family]:
    """Those that repeat published evaluations, by name: a run is scored by them on request.

    Raises `Collision` if two metrics bear one label or claim one side of a family, and `BenchError`
    for a plugin that offers no metrics or half a family.
    """
    return {name: family for name, family in _registered().items() if family.legacy}


def _registered() -> dict[str, Family]:
    labels: dict[str, str] = {}
    sides: dict[str, dict[str, Metric]] = {}
    for name in METRICS.names():
        offered = METRICS.load(name)
        source = METRICS.entry(name).source
        for metric in (offered,) if isinstance(offered, Metric) else offered:
            if not isinstance(metric, Metric):
                raise BenchError(f"{source} registers {name!r} as metrics, but {metric!r} is no Metric")
            if metric.label in labels:
                raise Collision(
                    f"metric {metric.label!r} is registered twice: by {labels[metric.label]} and by "
                    f"{source}. Uninstall all but one."
                )
            labels[metric.label] = source
            own = sides.setdefault(metric.family, {})
            if metric.side in own:
                other = own[metric.side].label
                raise Collision(
                    f"family {metric.family!r} has two metrics of the side {metric.side}: {other} of "
                    f"{labels[other]} and {metric.label} of {source}. Uninstall all but one."
                )
            own[metric.side] = metric
    for family, own in sides.items():
        if len(own) < 2 or len({(metric.title, metric.legacy) for metric in own.values()}) > 1:
            only = next(iter(own.values()))
            raise BenchError(
                f"family {family!r} of {labels[only.label]} needs a metric for each side, change and keep, "
                "with one title, both legacy or neither"
            )
    order = sorted(sides, key=lambda name: (name != HEADLINE_FAMILY, name))
    return {name: Family(name, sides[name]["change"], sides[name]["keep"]) for name in order}


def family_named(name: str) -> Family:
    """The family called `name`, legacy or not; `BenchError` listing the known ones otherwise."""
    known = {**families(), **legacy_families()}
    if name not in known:
        raise BenchError(f"scorer family {name!r} is unknown; choose one of {', '.join(known)}")
    return known[name]
