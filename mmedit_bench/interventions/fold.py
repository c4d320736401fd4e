"""Many edits as few interventions: what a model carries does not grow with the sequence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from mmedit_bench.interventions.base import Intervention
from mmedit_bench.interventions.edit import Edit


def fold(edits: Iterable[Edit], onto: Sequence[Intervention] = ()) -> tuple[Intervention, ...]:
    """The interventions of `edits`, in their order, after those that were folded before, as few.

    An intervention merges with the latest one of its `place`, as its type says, and stands where
    that one stood. One without a place stays as it is and where it is: nothing merges across it,
    since only its author knows what it commutes with. One edit is added after the other, so that
    `fold([e], onto=fold(es))` is `fold([*es, e])`, bit by bit, and leaving out an edit is never to
    have had it.
    """
    items = list(onto)
    start = max((i + 1 for i, item in enumerate(items) if item.place is None), default=0)
    latest: dict[Hashable, int] = {item.place: i for i, item in enumerate(items) if i >= start}
    for item in (item for edit in edits for item in edit.interventions):
        place = item.place
        if place is None:
            latest.clear()
            items.append(item)
            continue
        found = latest.get(place)
        merged = None if found is None else items[found].merged(item)
        if found is None or merged is None:
            latest[place] = len(items)
            items.append(item)
        else:
            items[found] = merged
    return tuple(items)
