"""Where what ends a command becomes a line for people and an exit status.

Status 2: something to mend, which the line names. 3: the command's own, see there. 130: Ctrl-C. 141:
whoever read our output closed it. Anything else is a defect of the program and keeps its traceback.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import click

from mmedit_bench.errors import BenchError, out_of_memory, refusal
from mmedit_bench.rendering.escaping import shown, shown_line

INTERRUPTED, CLOSED = 130, 141
"""128 and the number of the signal, as a shell reports it: SIGINT and SIGPIPE."""


class OutputClosed(Exception):
    """Nobody reads what is printed any more, as behind `| head`."""


class Refusal(click.ClickException):
    """An error on its way to the user: one line on stderr, an exit status, no traceback."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(shown_line(message))
        self.exit_code = status  # type: ignore[misc]

    def show(self, file: object = None) -> None:
        """Also where stderr is closed or its disk is full: the status tells then."""
        with suppress(OSError):
            click.echo(f"Error: {self.format_message()}", err=True)


@contextmanager
def refusals() -> Iterator[None]:
    """Have whatever a user can mend leave this block as a `Refusal`, and an interruption as its status."""
    try:
        yield
    except BenchError as error:
        raise Refusal(str(error), error.status) from error
    except click.ClickException as error:
        error.message = shown(error.message)  # type: ignore[misc]  # it may quote a file's name
        raise
    except OutputClosed:
        raise click.exceptions.Exit(CLOSED) from None
    except KeyboardInterrupt:
        raise Refusal(
            "interrupted; what was finished is kept, and the same command goes on from there", INTERRUPTED
        ) from None
    except BrokenPipeError:  # by what click prints itself, such as help
        drop_output()
        raise click.exceptions.Exit(CLOSED) from None
    except OSError as error:
        raise Refusal(refusal(error)) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise Refusal(
            f"memory is short ({type(error).__name__}): use a smaller --batch-size or fewer processes, or "
            "close other programs; what was finished is kept"
        ) from error


def set_streams() -> None:
    """Ready the streams of this process: no character that a locale lacks ends a command.

    Warnings go to stderr in a line each, with nothing in them that a terminal obeys.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # closed, or not a stream of ours
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    log = logging.getLogger("mmedit_bench")
    log.addHandler(handler)
    log.propagate = False


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        # a traceback is for whoever mends the program, and needs its lines
        return shown_line(text) if record.exc_info is None else shown(text)


def drop_output(stream: IO[str] | None = None) -> None:
    """What is left to be written goes nowhere: Python would try once more as it ends, and complain.

    `stream` is standard output unless given.
    """
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (stream or sys.stdout).fileno())
        os.close(nowhere)


def end_streams() -> None:
    """Write what is still held back of stderr, or drop it: progress that nobody hears is no error."""
    try:
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        drop_output(sys.stderr)
