"""Options of protocols, checked: a schedule is made whole, also for a run that a stranger brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.steps import Measure

MOST = 100_000
"""Largest number that an option may be."""


def whole(protocol: str, option: str, value: Any, least: int = 1) -> int:
    """`value` if it is a whole number from `least` to `MOST`. Raises `BenchError` naming the option."""
    if type(value) is not int or not least <= value <= MOST:
        raise BenchError(f"{protocol}: option {option!r} is {value!r}; it must be {least} to {MOST}")
    return value


def wholes(protocol: str, option: str, values: Any, least: int = 1) -> tuple[int, ...]:
    """A list of whole numbers, in order and each once; one number is a list of one, None an empty one."""
    if values is None:
        return ()
    given = values if isinstance(values, list | tuple) else [values]
    return tuple(sorted({whole(protocol, option, value, least) for value in given}))


def switch(protocol: str, option: str, value: Any) -> bool:
    """`value` if it is true or false. Raises `BenchError`."""
    if not isinstance(value, bool):
        raise BenchError(f"{protocol}: option {option!r} is {value!r}; it must be true or false")
    return value


def choice(protocol: str, option: str, value: Any, among: Sequence[str]) -> str:
    """`value` if it is one of these. Raises `BenchError` naming them."""
    if value not in among:
        raise BenchError(f"{protocol}: option {option!r} is {value!r}; it must be {' or '.join(among)}")
    return str(value)


def measures(protocol: str, value: Any) -> dict[str, dict[str, Any]]:
    """The option `measures`: names of measures, each with its options. Raises `BenchError`."""
    given = {} if value is None else value
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and isinstance(own, Mapping | None) for name, own in given.items()
    ):
        raise BenchError(
            f"{protocol}: option 'measures' is {value!r}; it must give each measure its options, such as "
            "{lm-eval: {tasks: [picturebook-facts]}}"
        )
    return {name: dict(own or {}) for name, own in given.items()}


def measuring(of: Mapping[str, Mapping[str, Any]], moment: str) -> list[Measure]:
    """A step for each of these measures."""
    return [Measure(name, dict(options), moment) for name, options in of.items()]
