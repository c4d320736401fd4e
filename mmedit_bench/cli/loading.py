"""The options that say how a backbone's weights are had: `--revision`, `--weights` and their like."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
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
        help="Of a backbone that ships without its language model: where that is read from, the first time.",
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


_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def told(loading: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str]]:
    """What may be said of it to others: option, backbone, and a name of the hub, or PLACE for a path.

    A device map is left out: where a model lies is no part of what is measured.
    """
    for backbone, given in loading.items():
        for option, value in given.items():
            if option != "device_map":
                public = option == "revision" or _HUB.fullmatch(value)
                yield option.replace("_", "-"), backbone, value if public else "PLACE"


def loads_each(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for a command that loads several backbones, each as BACKBONE=VALUE and repeatable.

    It is handed what was given as `loading: dict[str, dict[str, str]]`, by backbone.
    """

    @click.option(
        "--revision", multiple=True, metavar="BACKBONE=COMMIT", help="Commit of its repository; repeatable."
    )
    @click.option(
        "--weights",
        multiple=True,
        metavar="BACKBONE=FOLDER",
        help="Where its weights are read from, a folder or OWNER/NAME; repeatable.",
    )
    @click.option(
        "--device-map",
        multiple=True,
        metavar="BACKBONE=auto",
        help="Spread it over devices, evenly or by a JSON file; repeatable.",
    )
    @click.option(
        "--language-model",
        multiple=True,
        metavar="BACKBONE=FILE",
        help="Where the language model that it ships without is read from, the first time; repeatable.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        revision: tuple[str, ...],
        weights: tuple[str, ...],
        device_map: tuple[str, ...],
        language_model: tuple[str, ...],
        **kwargs: Any,
    ) -> Any:
        loading: dict[str, dict[str, str]] = {}
        given = {
            "revision": revision,
            "weights": weights,
            "device_map": device_map,
            "language_model": language_model,
        }
        for option, items in given.items():
            for item in items:
                backbone, equals, value = item.partition("=")
                if not equals or not backbone or not value or option in loading.get(backbone, {}):
                    raise click.BadParameter(
                        f"{item!r} is not of the form backbone=value, or its backbone is repeated",
                        param_hint=f"--{option.replace('_', '-')}",
                    )
                placed = value if option == "revision" else _placed(value)
                loading.setdefault(backbone, {})[option] = str(placed)
        return command(*args, loading=loading, **kwargs)

    return wrapper
