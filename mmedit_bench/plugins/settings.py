"""Options of a plugin: a frozen dataclass of defaults, a YAML file per backbone, keyword overrides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mmedit_bench.errors import BenchError, Unusable
from mmedit_bench.plugins.published import NAMES

S = TypeVar("S")
T = TypeVar("T")

SHARED = "published"
"""Name of the file with what holds on all backbones of full size."""


@dataclass(frozen=True, slots=True)
class OfBackbone:
    """A bound that differs between backbones: its words, and how it is read off a backbone."""

    words: str
    read: Callable[[Any], int]


LAYERS = OfBackbone("layers", lambda backbone: backbone.layer_count)
"""The number of decoder layers, for an option that counts them."""

FIRST_LAYER = OfBackbone("-layers", lambda backbone: -backbone.layer_count)
LAST_LAYER = OfBackbone("layers - 1", lambda backbone: backbone.layer_count - 1)
"""The ends for an option that names a layer, from 0 at the first or from -1 at the last."""

Bound = float | OfBackbone | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an option does and which values it takes; `low` and `high` belong to the range."""

    doc: str = ""
    low: Bound = None
    high: Bound = None
    above: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def range(self) -> str:
        """The allowed values in words, such as "above 0" or "1 to layers"; "" if any will do."""
        return self._words(_shown(self.low), _shown(self.high))

    def range_on(self, backbone: Any) -> str:
        """The same with the backbone's own numbers."""
        return self._words(_shown(_read(self.low, backbone)), _shown(_read(self.high, backbone)))

    def allows(self, value: Any, backbone: Any = None) -> bool:
        """Whether a converted value is in range. Without a backbone its bounds are not looked at."""
        low, high = _read(self.low, backbone), _read(self.high, backbone)
        return (
            (not self.choices or value in self.choices)
            and (low is None or value >= low)
            and (high is None or value <= high)
            and (self.above is None or value > self.above)
        )

    def lowered(self, default: Any, backbone: Any) -> Any:
        """A default that fits a backbone with fewer layers than it was written for."""
        if isinstance(self.high, OfBackbone):
            default = min(default, self.high.read(backbone))
        if isinstance(self.low, OfBackbone):
            default = max(default, self.low.read(backbone))
        return default

    def _words(self, low: str, high: str) -> str:
        if self.choices:
            return f"one of {', '.join(str(choice) for choice in self.choices)}"
        if self.above is not None:
            return f"above {self.above:g}" + (f", at most {high}" if high else "")
        if low and high:
            return f"{low} to {high}"
        return f"at least {low}" if low else f"at most {high}" if high else ""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a plugin, as it is listed."""

    name: str
    type: str
    default: Any
    meaning: Meaning


def option(
    default: T,
    doc: str,
    *,
    low: Bound = None,
    high: Bound = None,
    above: float | None = None,
    choices: tuple[Any, ...] = (),
) -> T:
    """A field of a settings dataclass: its default, its meaning in a line, and what values it takes.

    The range is `low` to `high`, or above `above`; a bound such as `LAYERS` is the backbone's. A
    subclass that gives the field another default need not repeat the rest.
    """
    meaning = Meaning(doc, low, high, above, choices)
    made: T = field(default=default, metadata={"option": meaning})
    return made


def options_of(cls: type) -> tuple[Option, ...]:
    """The options that a settings dataclass declares, in its order."""
    return tuple(
        Option(own.name, _type_name(own.type), own.default, _meaning(cls, own.name)) for own in fields(cls)
    )


def checked(cls: type, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options as the dataclass types them: a number or word given as text is converted.

    `where` begins the message of the `BenchError` raised for unknown names, for values of another
    type and for values out of range. Bounds that depend on the backbone are left to `settings_for`.
    """
    known = {own.name: own for own in options_of(cls)}
    values: dict[str, Any] = {}
    for name, given in options.items():
        if name not in known:
            raise BenchError(
                f"{where}: unknown option {name!r} (known: {', '.join(sorted(known)) or 'none'})"
            )
        value = _converted(known[name].type, given, f"{where}: option {name!r}")
        meaning = known[name].meaning
        if not meaning.allows(value):
            raise BenchError(f"{where}: option {name!r} is {value!r}; {_demand(meaning)}")
        values[name] = value
    return values


def stored(cls: type, folder: Path | None, backbone: str) -> dict[str, Any]:
    """What the file of a backbone sets, checked; nothing if there is none. See `settings_for`.

    Raises `BenchError` for a file that is not a flat mapping of known options.
    """
    path = _file(folder, backbone)
    if path is None:
        return {}
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: not YAML ({error}); mend it") from None
    except OSError as error:
        raise Unusable(path, error) from None
    if not isinstance(values, dict):
        raise BenchError(f"{path}: holds a {type(values).__name__}, not a mapping of options")
    return checked(cls, values, str(path))


def settings_for(
    cls: type[S], folder: Path | None, backbone: Any, options: Mapping[str, Any], where: str = "options"
) -> S:
    """The settings for a backbone: `options` over `folder`/<backbone>.yaml over the class' defaults.

    A backbone of full size without a file of its own has that of all of them, published.yaml. Any
    other gets the defaults. Both are lowered to the layers that it has. Options and files of one
    backbone are refused where they exceed them, with a `BenchError` that begins with `where` or the
    file. The name of a backbone does in place of the backbone; bounds that depend on it are then not
    looked at.
    """
    name, judge = (backbone, None) if isinstance(backbone, str) else (backbone.name, backbone)
    written, given = stored(cls, folder, name), checked(cls, options, where)
    values = written | given
    path = _file(folder, name)
    shared = path is not None and path.stem == SHARED
    if judge is not None:
        for own in options_of(cls):
            if own.name not in values or (shared and own.name not in given):
                values[own.name] = own.meaning.lowered(values.get(own.name, own.default), judge)
            elif not own.meaning.allows(value := values[own.name], judge):
                begin = where if own.name in given else f"{folder}/{name}.yaml"
                raise BenchError(
                    f"{begin}: option {own.name!r} is {value!r}; {_demand(own.meaning)}, "
                    f"which on {name} is {own.meaning.range_on(judge)}"
                )
    return cls(**values)


def _file(folder: Path | None, backbone: str) -> Path | None:
    """The file whose values hold on a backbone, if there is one."""
    if folder is None:
        return None
    names = (backbone, SHARED) if backbone in NAMES else (backbone,)
    return next((path for name in names if (path := folder / f"{name}.yaml").is_file()), None)


def _meaning(cls: type, name: str) -> Meaning:
    """From the class itself, or from the nearest base that says more than a default."""
    for base in cls.__mro__:
        own = vars(base).get("__dataclass_fields__", {}).get(name)
        if own is not None and "option" in own.metadata:
            meaning: Meaning = own.metadata["option"]
            return meaning
    return Meaning()


def _demand(meaning: Meaning) -> str:
    return f"choose {meaning.range}" if meaning.choices else f"it must be {meaning.range}"


def _read(bound: Bound, backbone: Any) -> float | None:
    if isinstance(bound, OfBackbone):
        return None if backbone is None else bound.read(backbone)
    return bound


def _shown(bound: Bound) -> str:
    if isinstance(bound, OfBackbone):
        return bound.words
    return "" if bound is None else f"{bound:g}"


def _type_name(declared: Any) -> str:
    return declared if isinstance(declared, str) else str(declared.__name__)


def _converted(name: str, value: Any, where: str) -> Any:
    """A bool, int, float or str from a value or its spelling (YAML reads 1e-3 as text)."""
    error = BenchError(f"{where} is {value!r}, which is no {name}")
    if name == "str":
        return str(value)
    if name == "bool":
        words = {"true": True, "false": False}
        if str(value).lower() not in words:
            raise error
        return words[str(value).lower()]
    if isinstance(value, bool):
        raise error
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise error from None
    if not math.isfinite(number) or (name == "int" and not number.is_integer()):
        raise error
    return int(number) if name == "int" else number
