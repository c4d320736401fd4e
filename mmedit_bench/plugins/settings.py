"""Options of a plugin: a frozen dataclass of defaults, a YAML file per backbone, keyword overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mmedit_bench.errors import BenchError

S = TypeVar("S")


def checked(cls: type[S], options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Options as the dataclass types them: a number or word given as text is converted.

    `where` begins the message of the `BenchError` raised for unknown names and unfitting values.
    """
    types = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name not in types:
            raise BenchError(
                f"{where}: unknown option {name!r} (known: {', '.join(sorted(types)) or 'none'})"
            )
        values[name] = _converted(types[name], value, f"{where}: option {name!r}")
    return values


def settings_for(cls: type[S], folder: Path, backbone: str, options: Mapping[str, Any]) -> S:
    """The settings for a backbone: `options` over `folder`/<backbone>.yaml over the class' defaults.

    A backbone without a file gets the defaults. Raises `BenchError` for a file that is not a flat
    mapping of known options.
    """
    path = folder / f"{backbone}.yaml"
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            stored = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except yaml.YAMLError as error:
            raise BenchError(f"{path}: not YAML ({error})") from None
        if not isinstance(stored, dict):
            raise BenchError(f"{path}: holds a {type(stored).__name__}, not a mapping of options")
        values = checked(cls, stored, str(path))
    return cls(**(values | checked(cls, options, "options")))


def _converted(declared: Any, value: Any, where: str) -> Any:
    """A bool, int, float or str from a value or its spelling (YAML reads 1e-3 as text)."""
    name = declared if isinstance(declared, str) else declared.__name__
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
    if name == "float":
        return number
    if not number.is_integer():  # also refuses inf and nan
        raise error
    return int(number)
