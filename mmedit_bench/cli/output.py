"""What a command says: results on stdout, everything else on stderr."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Output:
    """How this command speaks. `json`: one JSON document on stdout instead of prose."""

    quiet: bool = False
    json: bool = False

    def say(self, text: str) -> None:
        """A line of prose for people; scripts that asked for JSON or quiet do not get it."""
        if not self.quiet and not self.json:
            click.echo(text)

    def note(self, text: str) -> None:
        """A line about the work itself, on stderr."""
        if not self.quiet:
            click.echo(text, err=True)

    def result(self, value: Any, prose: str | None = None) -> None:
        """The answer of the command: JSON if asked for, else `prose` (which --quiet keeps)."""
        if self.json:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))
        elif prose is not None:
            click.echo(prose)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[str, int, int], None]]:
        """Yields `advance(phase, done, total)`: a bar on a terminal, a line every tenth elsewhere."""
        if self.quiet:
            yield lambda phase, done, total: None
        elif sys.stderr.isatty():
            with _bar(title) as advance:
                yield advance
        else:
            yield _Lines(title)


class _Lines:
    """Progress for a log file: a line at every tenth of a phase."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._told = ("", 0)

    def __call__(self, phase: str, done: int, total: int) -> None:
        tenth = done * 10 // max(total, 1)
        if tenth and (phase, tenth) != self._told:
            click.echo(f"{self._title}: {phase} {done}/{total}", err=True)
        self._told = (phase, tenth)


@contextmanager
def _bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        running = ""

        def advance(phase: str, done: int, total: int) -> None:
            nonlocal running
            if phase != running:
                running = phase
                bar.reset(task, description=f"{title}: {phase}")  # a new phase, a new estimate
            bar.update(task, completed=done, total=total)

        yield advance


def speaks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--quiet` and `--json`, handed to it as `output: Output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
    @click.option("--quiet", "-q", is_flag=True, help="No progress, and nothing but the result.")
    @functools.wraps(command)
    def wrapper(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        return command(*args, output=Output(quiet=quiet, json=as_json), **kwargs)

    return wrapper
