"""What a command says: results on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import functools
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import click

from mmedit_bench.cli.edge import OutputClosed, drop_output
from mmedit_bench.errors import Unusable
from mmedit_bench.rendering.escaping import shown, shown_json, shown_line


@dataclass(frozen=True, slots=True)
class Output:
    """How this command speaks. `json`: one JSON document on stdout instead of prose."""

    quiet: bool = False
    json: bool = False

    def say(self, text: str) -> None:
        """A line of prose for people; scripts that asked for JSON or quiet do not get it."""
        if not self.quiet and not self.json:
            _print(shown(text))

    def note(self, text: str) -> None:
        """A line about the work itself, on stderr."""
        if not self.quiet:
            _tell(text)

    def result(self, value: Any, prose: str | None = None, *, styled: bool = False) -> None:
        """The answer of the command: JSON if asked for, else `prose` (which --quiet keeps).

        `styled` prose has colours for a terminal, and nothing else left in it that a terminal obeys.
        """
        if self.json:
            plain = not getattr(sys.stdout, "encoding", "utf-8").lower().startswith("utf")
            text = json.dumps(value, ensure_ascii=plain, allow_nan=False, indent=2, sort_keys=True)
            _print(shown_json(text))
        elif prose is not None:
            _print(prose if styled else shown(prose))

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

    @contextmanager
    def blocks(self, runs: Sequence[str]) -> Iterator[Callable[[str, str], None]]:
        """For runs that end side by side; `runs` holds the name of each run's block.

        Yields `ended(block, what)`, to be told of each run as it ends: a bar for each block on a
        terminal; elsewhere one line at the beginning, and one for each block when all of it is done.
        """
        if self.quiet:
            yield lambda block, what: None
        elif sys.stderr.isatty():
            with _block_bars(Counter(runs)) as ended:
                yield ended
        else:
            yield _BlockLines(Counter(runs))


def _print(text: str) -> None:
    """Onto stdout. Raises `OutputClosed` where nobody reads it, `Unusable` where it cannot be written."""
    try:
        click.echo(text)
    except OSError as error:
        drop_output()
        if error.errno == errno.EPIPE:
            raise OutputClosed from None
        raise Unusable("standard output", error) from None


def _tell(text: str) -> None:
    """Onto stderr, a line. Work goes on where nobody hears of it."""
    with suppress(OSError):
        click.echo(shown_line(text), err=True)


class _Lines:
    """Progress for a log file: a line at every tenth of a phase."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._told = ("", 0)

    def __call__(self, phase: str, done: int, total: int) -> None:
        tenth = done * 10 // max(total, 1)
        if tenth and (phase, tenth) != self._told:
            _tell(f"{self._title}: {phase} {done}/{total}")
        self._told = (phase, tenth)


class _BlockLines:
    """Progress of blocks for a log file."""

    def __init__(self, runs: Counter[str]) -> None:
        self._runs = runs
        self._ended: defaultdict[str, list[str]] = defaultdict(list)
        self._done = 0
        _tell(f"{runs.total()} runs in {len(runs)} blocks")

    def __call__(self, block: str, what: str) -> None:
        own = self._ended[block]
        own.append(what)
        if len(own) == self._runs[block]:
            self._done += 1
            _tell(f"[{self._done}/{len(self._runs)}] {block}: {', '.join(own)}")


@contextmanager
def _block_bars(runs: Counter[str]) -> Iterator[Callable[[str, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("{task.fields[latest]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {
            block: bars.add_task(shown_line(block), total=total, latest="") for block, total in runs.items()
        }
        yield lambda block, what: bars.update(tasks[block], advance=1, latest=shown_line(what))


@contextmanager
def _bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(shown_line(title), total=None)
        running = ""

        def advance(phase: str, done: int, total: int) -> None:
            nonlocal running
            if phase != running:
                running = phase
                bar.reset(task, description=shown_line(f"{title}: {phase}"))  # a new phase, a new estimate
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
