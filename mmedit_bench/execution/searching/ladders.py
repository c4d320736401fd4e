"""Coordinate search with a budget: one option at a time, ladders longer where the best stands at an end.

Every editor gets the same number of trials. What a ladder leaves of them goes into wider ladders, into
another round, since the best of one option depends on the others, and then into finer rungs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mmedit_bench.errors import BenchError, Unusable
from mmedit_bench.runs.spec import canonical

Options = Mapping[str, Any]
Ask = Callable[[Sequence[Options]], Sequence[float]]
Allows = Callable[[str, Any], bool]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Values of one option to begin with: numbers in rising order, or choices without one."""

    name: str
    rungs: tuple[Any, ...]
    ordered: bool

    @classmethod
    def of(cls, name: str, rungs: Sequence[Any], *, choices: bool = False) -> Ladder:
        """Raises `BenchError` for no rungs, and for one that is named twice."""
        if not rungs or len({canonical(rung) for rung in rungs}) < len(rungs):
            raise BenchError(f"ladder {name}: {list(rungs)} is empty or names a value twice")
        numbers = all(isinstance(rung, int | float) and not isinstance(rung, bool) for rung in rungs)
        ordered = numbers and not choices and len(rungs) > 1
        return cls(name, tuple(sorted(rungs)) if ordered else tuple(rungs), ordered)


@dataclass
class Climb:
    """What was tried, in this order, and where the search stands."""

    tried: list[tuple[dict[str, Any], float]] = field(default_factory=list)
    open_ends: tuple[str, ...] = ()
    """Options whose best value stands at an end of what was tried, and could go further."""

    @property
    def best(self) -> dict[str, Any]:
        """The options with the highest score; the first of equals."""
        return max(self.tried, key=lambda own: own[1])[0]


def read_ladders(path: Path) -> tuple[Ladder, ...]:
    """A YAML file: by option a list of values, or {choices: [...]} for numbers without an order.

    The order of the file is that of the search. Raises `BenchError` naming the file and the field.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: not YAML ({error}); mend it") from None
    except OSError as error:
        raise Unusable(path, error) from None
    if not isinstance(values, dict) or not values:
        raise BenchError(f"{path}: holds no mapping of options to values to try")
    found = []
    for name, given in values.items():
        choices = isinstance(given, dict) and given.keys() == {"choices"}
        rungs = given["choices"] if choices else given
        if not isinstance(rungs, list):
            raise BenchError(f"{path}: {name} is neither a list of values nor {{choices: [...]}}")
        try:
            found.append(Ladder.of(str(name), [_number(rung) for rung in rungs], choices=choices))
        except BenchError as error:
            raise BenchError(f"{path}: {error}") from None
    return tuple(found)


def climb(
    ladders: Sequence[Ladder], budget: int, ask: Ask, allows: Allows = lambda name, value: True
) -> Climb:
    """At most `budget` trials, fewer only where nothing is left to try.

    Begins at the middle of each ladder. `ask` scores several options at once, higher is better, and is
    never asked twice for the same. `allows` says whether an option may have a value.
    """
    state = _State(list(ladders), budget, ask, allows)
    state.ask([state.here])
    while state.left:
        before = len(state.climb.tried), dict(state.here)
        for number in range(len(state.ladders)):
            state.walk(number)
        if (len(state.climb.tried), state.here) == before and not state.refined():
            break
    state.climb.open_ends = tuple(own.name for own in state.ladders if state.open_end(own) is not None)
    return state.climb


class _State:
    def __init__(self, ladders: list[Ladder], budget: int, ask: Ask, allows: Allows) -> None:
        self.ladders = ladders
        self.climb = Climb()
        self.here: dict[str, Any] = {own.name: own.rungs[len(own.rungs) // 2] for own in ladders}
        self._budget, self._ask, self._allows = budget, ask, allows
        self._known: dict[str, float] = {}

    @property
    def left(self) -> int:
        return self._budget - len(self.climb.tried)

    def ask(self, wanted: Sequence[dict[str, Any]]) -> bool:
        """Try what is new of these, as far as the budget goes; whether anything was."""
        new = {canonical(own): own for own in wanted if canonical(own) not in self._known}
        chosen = list(new.values())[: self.left]
        for options, score in zip(chosen, self._ask(chosen) if chosen else (), strict=True):
            self._known[canonical(options)] = score
            self.climb.tried.append((options, score))
        self.here = dict(self.climb.best) if self.climb.tried else self.here
        return bool(chosen)

    def walk(self, number: int) -> None:
        """All rungs of a ladder with the rest as it is best, and more while the best is at an end."""
        own = self.ladders[number]
        self.ask([self.here | {own.name: rung} for rung in own.rungs])
        while self.left and (rung := self.open_end(own)) is not None:
            own = self.ladders[number] = _with(own, [rung])
            if not self.ask([self.here | {own.name: rung}]):
                break

    def refined(self) -> bool:
        """Put rungs on both sides of each best one; whether there was room for any."""
        some = False
        for number, own in enumerate(self.ladders):
            if not own.ordered:
                continue
            at = own.rungs.index(self.here[own.name])
            pairs = list(zip(own.rungs, own.rungs[1:], strict=False))[max(0, at - 1) : at + 1]
            new = [rung for low, high in pairs if (rung := _between(low, high)) is not None]
            if new := [rung for rung in new if self._allows(own.name, rung)]:
                self.ladders[number] = _with(own, new)
                some = True
        return some

    def open_end(self, own: Ladder) -> Any | None:
        """The next rung beyond the end that the best one stands at; None if it is inside or cannot go on."""
        if not own.ordered or self.here[own.name] not in (own.rungs[0], own.rungs[-1]):
            return None
        first = self.here[own.name] == own.rungs[0]
        end, next_to_it = (own.rungs[0], own.rungs[1]) if first else (own.rungs[-1], own.rungs[-2])
        rung = _beyond(end, next_to_it)
        return rung if rung not in own.rungs and self._allows(own.name, rung) else None


def _with(own: Ladder, rungs: Sequence[Any]) -> Ladder:
    return Ladder(own.name, tuple(sorted({*own.rungs, *rungs})), ordered=True)


def _beyond(end: float, next_to_it: float) -> float:
    """As far from the end as its neighbour, by ratio where both are above 0."""
    if end > 0 and next_to_it > 0:
        return _like(end, next_to_it, end * end / next_to_it)
    return _like(end, next_to_it, 2 * end - next_to_it)


def _between(low: float, high: float) -> float | None:
    middle = _like(low, high, (low * high) ** 0.5 if low > 0 else (low + high) / 2)
    return middle if low < middle < high else None


def _like(one: float, other: float, value: float) -> float:
    """Of whole numbers a whole one, else one of two digits."""
    if isinstance(one, int) and isinstance(other, int):
        return round(value)
    return float(f"{value:.2g}")


def _number(rung: Any) -> Any:
    """YAML reads 1e-3 as text."""
    if isinstance(rung, str):
        try:
            return float(rung)
        except ValueError:
            return rung
    return rung
