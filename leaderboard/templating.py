"""How templates become pages, and where they and their styles lie."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mmedit_bench.rendering.escaping import isolated

HERE = Path(__file__).parent


@functools.cache
def environment() -> Environment:
    """Everything that comes from runs and suites is escaped and kept within bounds, in attributes too.

    A name that a template misspells is an error.
    """
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=lambda value: isolated(value) if type(value) is str else value,  # markup is ours
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def static(name: str) -> str:
    """The text of a style sheet or script."""
    return (HERE / "static" / name).read_text(encoding="utf-8")
