"""Every command on the page about submitting is one that the program has, with the options it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from mmedit_bench.cli import app
from mmedit_bench.submissions import limits
from mmedit_bench.submissions.form import RULES
from mmedit_bench.submissions.package import _MOST_SOURCES, _SUFFIXES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "submitting.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
    if line.startswith("$ ")
]
OURS = [line for line in COMMANDS if line.startswith("mmedit-bench ")]


def test_the_page_holds_the_walk() -> None:
    assert [shlex.split(line)[1] for line in OURS[:6]] == [
        "new-editor", "submit", "submit", "verify", "verify", "site",
    ]  # fmt: skip
    assert [line for line in COMMANDS if line not in OURS] == [
        "python -m pytest demo",
        "openssl rand -hex 16 > secret.hex",
    ]


@pytest.mark.parametrize("line", OURS)
def test_the_command_is_one(line: str) -> None:
    command: click.Command = app
    words = shlex.split(line)[1:]
    context = click.Context(app)
    while isinstance(command, click.Group):
        name = words.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None, name
        command = inner
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known
    # as the program takes it apart, without a look at what the names stand for
    given, _, _ = command.make_parser(click.Context(command)).parse_args(words)
    assert all(given.get(param.name) for param in command.params if param.required)


def test_the_form_on_the_page_is_the_form() -> None:
    table = TEXT.partition("## What the board says of it")[2].partition("## Tracks")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == ["schema", *RULES]


def test_the_limits_on_the_page_are_the_limits() -> None:
    assert f"| a file | {limits.MOST_FILE >> 20} MiB |" in TEXT
    assert f"| a submission | {limits.MOST_BYTES >> 30} GiB, {limits.MOST_FILES:,} files |" in TEXT
    row = next(line for line in TEXT.splitlines() if line.startswith("| source files |"))
    assert str(_MOST_SOURCES) in row and set(re.findall(r"`(\.\w+)`", row)) == _SUFFIXES
