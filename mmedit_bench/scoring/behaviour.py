"""What edits do beyond reaching and keeping: measured on the same answers as the families are.

A behaviour reads the probes of one edit and gives, by column, one number for each probe that meets
its condition, or one for the edit. Its columns are averaged like those of a family, each edit with
one vote; `sections` does that. Conditions rest on the unedited model alone, so they are the same for
all editors: which probes count is never the editor's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mmedit_bench.cases import CHANGE_KINDS, KEEP_KINDS, Probe
from mmedit_bench.runs.evidence import ANSWER, ARGMAX, KL
from mmedit_bench.scoring.columns import key_of
from mmedit_bench.scoring.families import Family
from mmedit_bench.scoring.metrics import Metric, Seen
from mmedit_bench.scoring.normalize import same_answer

GENERALITIES = tuple(kind for kind in CHANGE_KINDS if kind.endswith("generality"))
HALVES = ("reliability/text_alone", "reliability/picture_alone")
"""Columns of an edit's question with one half taken away; see `docs/metrics.md`."""

ALL = "all"
"""Column over the probes of all kinds and strata together."""
MEAN_OF_K, WORST_OF_K, UNIT = "mean_of_k", "worst_of_k", "unit"


class Told(NamedTuple):
    """One probe of one edit, with what the edit wants."""

    probe: Probe
    target: str
    """The edit's."""
    seen: Seen

    @property
    def column(self) -> str:
        """Where it is counted."""
        return key_of(self.probe.kind, self.probe.stratum)


class Found(NamedTuple):
    """One number of one edit in one column."""

    column: str
    value: float | None
    """None where the edited model gave nothing to measure."""
    probes: int = 1
    """Probes behind it."""


Reader = Callable[[Sequence[Told]], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing that edits do, as a table of columns that all measure the same."""

    name: str
    """Unique; of a family's own, it ends with "/" and the family's name."""
    title: str
    label: str
    """What is measured: numbers with different labels never share a column."""
    good: Literal["high", "low", ""]
    """Which way is better; empty where neither is."""
    needs: tuple[str, ...]
    """Evidence that the run must have recorded."""
    read: Reader
    unit: Literal["percent", "nats"] = "percent"
    """Of its numbers. A share is shown in percent; nats are shown as they are."""


def right_before(seen: Seen, metric: Metric) -> bool:
    """Whether the unedited model gives the reference: by answer or, under teacher forcing, by all tokens."""
    if ARGMAX in metric.needs:
        return seen.before.argmax is not None and tuple(seen.before.argmax) == tuple(seen.target)
    return same_answer(seen.before.answer, seen.reference)


def right_after(seen: Seen, metric: Metric) -> bool | None:
    """The same of the edited model; None where it gave nothing to measure."""
    if ARGMAX in metric.needs:
        return None if seen.edited.argmax is None else tuple(seen.edited.argmax) == tuple(seen.target)
    return same_answer(seen.edited.answer, seen.reference)


def of_family(family: Family) -> Iterator[Behaviour]:
    """The behaviours that are made of one family's measurements."""
    change, keep = family.on_change, family.on_keep
    yield Behaviour(
        f"spread/{family.name}", "several generality probes of an edit together", family.change, "high",
        family.needs, lambda told: _spread(told, change),
    )  # fmt: skip
    yield Behaviour(
        f"halves/{family.name}", "the target, given to the edited question alone or the edited picture alone",
        f"{family.change} where wrong before", "low", family.needs,
        lambda told: (
            Found(own.column, change.of(own.seen))
            for own in told
            if own.column in HALVES and not right_before(own.seen, change)
        ),
    )  # fmt: skip
    yield Behaviour(
        f"kept_right/{family.name}", "locality over what the unedited model gets right",
        f"{family.keep} where right before", "high", family.needs,
        lambda told: _kept(
            told, lambda own: keep.of(own.seen), where=lambda own: right_before(own.seen, keep)
        ),
    )  # fmt: skip


def of_answers(family: Family) -> Iterator[Behaviour]:
    """Harm and heal, for a family that reads whole answers."""
    keep = family.on_keep

    def after(own: Told, wanted: bool) -> float | None:
        found = right_after(own.seen, keep)
        return None if found is None else float(found == wanted)

    yield Behaviour(
        f"harm/{family.name}", "wrong after the edit, of what was right before it",
        f"{family.change} fails where right before", "low", family.needs,
        lambda told: _kept(
            told, lambda own: after(own, False), where=lambda own: right_before(own.seen, keep)
        ),
    )  # fmt: skip
    yield Behaviour(
        f"heal/{family.name}", "right after the edit, of what was wrong before it",
        f"{family.change} holds where wrong before", "high", family.needs,
        lambda told: _kept(
            told, lambda own: after(own, True), where=lambda own: not right_before(own.seen, keep)
        ),
    )  # fmt: skip


def _spread(told: Sequence[Told], metric: Metric) -> Iterator[Found]:
    own = [metric.of(one.seen) for one in told if one.probe.kind in GENERALITIES]
    main = [
        metric.of(one.seen) for one in told if one.probe.kind in CHANGE_KINDS and one.probe.stratum == "main"
    ]
    if own:
        read = [value for value in own if value is not None]
        whole = len(read) == len(own)
        yield Found(MEAN_OF_K, sum(read) / len(read) if whole else None, len(own))
        yield Found(WORST_OF_K, min(read) if whole else None, len(own))
    if main:
        yield Found(UNIT, None if None in main else float(all(value == 1 for value in main)), len(main))


def _kept(
    told: Sequence[Told], value: Callable[[Told], float | None], *, where: Callable[[Told], bool]
) -> Iterator[Found]:
    return _probes(told, value, where=lambda own: own.probe.kind in KEEP_KINDS and where(own))


def _probes(
    told: Sequence[Told], value: Callable[[Told], float | None], *, where: Callable[[Told], bool]
) -> Iterator[Found]:
    for own in told:
        if where(own):
            measured = value(own)
            yield Found(own.column, measured)
            yield Found(ALL, measured)


def _could_leak(own: Told) -> bool:
    """Whether the target would be out of place: neither the truth, nor what was said anyway."""
    return not same_answer(own.seen.before.answer, own.target) and not same_answer(
        own.seen.reference, own.target
    )


def _clings(own: Told) -> float:
    return float(
        same_answer(own.seen.edited.answer, own.seen.before.answer)
        and not same_answer(own.seen.edited.answer, own.seen.reference)
    )


def _divergence(own: Told) -> float | None:
    found = own.seen.edited.kl
    return None if found is None else sum(found) / len(found)


REACH: tuple[Behaviour, ...] = (
    Behaviour(
        "over", "over-generalised: the edit's target where it is out of place", "generation_target",
        "low", (ANSWER,),
        lambda told: _kept(
            told, lambda own: float(same_answer(own.seen.edited.answer, own.target)), where=_could_leak
        ),
    ),
    Behaviour(
        "under", "under-generalised: still the old answer where the target is due", "generation_unchanged",
        "low", (ANSWER,),
        lambda told: _probes(
            told, _clings,
            where=lambda own: own.probe.kind in GENERALITIES
            and not same_answer(own.seen.before.answer, own.seen.reference),
        ),
    ),
    Behaviour(
        "divergence", "KL(before || after), mean over the tokens of the reference", "kl",
        "low", (KL,), lambda told: _kept(told, _divergence, where=lambda own: True), "nats",
    ),
)  # fmt: skip
"""Behaviours that belong to no family."""

WHOLE_ANSWERS = ("generation", "teacher_forced_exact")
"""Families whose measurement of a probe is right or wrong."""


def behaviours(families: Mapping[str, Family]) -> tuple[Behaviour, ...]:
    """All behaviours, in the order of tables."""
    found: list[Behaviour] = []
    for name, family in families.items():
        found += of_family(family)
        if name in WHOLE_ANSWERS:
            found += of_answers(family)
    return (*found, *REACH)
