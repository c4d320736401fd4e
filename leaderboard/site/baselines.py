"""Which runs of a block are measured as most are: no number of the others can be set against theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leaderboard.site.runs import Run

if TYPE_CHECKING:
    from leaderboard.site.model import Entry

    Entered = tuple[Entry, Run]

Feature = tuple[str, ...]


def others(runs: Sequence[Entered], *, blind: bool) -> list[bool]:
    """By run of a block, whether it is measured against another baseline than most entries are.

    Every secret draws probes of its own, and so has a baseline of its own: of blind runs those of one
    secret are held to one baseline, and all of them to the number type and the device of most.
    """
    if not blind:
        usual = _usual(runs, _baseline)
        return [_baseline(run) != usual for _, run in runs]
    way = _usual(runs, _way)
    alike = [(entry, run) for entry, run in runs if _way(run) == way]
    of_secret = {
        secret: _usual([one for one in alike if one[1].commitment == secret], _baseline)
        for secret in {run.commitment for _, run in alike}
    }
    return [_way(run) != way or _baseline(run) != of_secret[run.commitment] for _, run in runs]


def _baseline(run: Run) -> Feature:
    return (run.against,)


def _way(run: Run) -> Feature:
    return run.spec.dtype, run.spec.device


def _usual(runs: Sequence[Entered], feature: Callable[[Run], Feature]) -> Feature:
    """The feature that whole runs of most entries have, of equals the maintainers' own.

    What is shown apart has no say.
    """
    entries: dict[Feature, set[tuple[bool, str]]] = {feature(run): set() for _, run in runs}
    for entry, run in runs:
        if run.scores.complete and not entry.apart:
            entries[feature(run)].add((entry.status == "reference", entry.id))
    return min(entries, key=lambda one: (-len(entries[one]), -sum(ours for ours, _ in entries[one]), one))
