"""The options that say how a backbone's weights are had: `--revision`, `--weights` and their like."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def loads(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it is handed those that were given as `loading: dict[str, str]`."""

    @click.option(
        "--revision", metavar="COMMIT", help="Commit, tag or branch of a published backbone's repository."
    )
    @click.option(
        "--weights",
        metavar="FOLDER|OWNER/NAME",
        help="Where a published backbone's weights are read from; default: where they are published.",
    )
    @click.option(
        "--device-map",
        metavar="auto|FILE",
        help="Spread a published backbone over devices: evenly, or by a JSON file of modules and devices.",
    )
    @click.option(
        "--language-model",
        metavar="FOLDER|FILE.gguf|OWNER/NAME",
        help="The language model of a backbone that ships without one; once named, it is kept.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        revision: str | None,
        weights: str | None,
        device_map: str | None,
        language_model: str | None,
        **kwargs: Any,
    ) -> Any:
        given = {
            "revision": revision,
            "weights": _placed(weights),
            "device_map": _placed(device_map),
            "language_model": _placed(language_model),
        }
        loading = {name: value for name, value in given.items() if value is not None}
        return command(*args, loading=loading, **kwargs)

    return wrapper


def _placed(given: str | None) -> str | None:
    """A path that workers find from whichever folder they stand in; what is no path stays as it is."""
    return str(Path(given).absolute()) if given and Path(given).exists() else given
