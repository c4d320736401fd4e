"""`--help` is quick because it imports nothing that takes time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click import Context, Group
from click.testing import CliRunner

from mmedit_bench.cli import app

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "numpy",
    "pyarrow",
    "PIL",
    "rich",
    "matplotlib",
    "jinja2",
    "yaml",
)
PROBE = """
import json, sys, time
from click.testing import CliRunner
from mmedit_bench.cli import app
for words in {words!r}:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, done.output
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "seconds": time.process_time()}}))
"""


def _paths(command: Group, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    context = Context(command)
    found = [above]
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += _paths(inner, (*above, name)) if isinstance(inner, Group) else [(*above, name)]
    return found


def test_help_imports_nothing_heavy(record_property: pytest.RecordProperty) -> None:
    words = _paths(app)
    code = PROBE.format(words=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    record_property("cpu_seconds_of_all_help_texts", told["seconds"])
    assert told["heavy"] == []


@pytest.mark.parametrize("words", _paths(app), ids=" ".join)
def test_every_command_shows_an_example(words: tuple[str, ...]) -> None:
    text = CliRunner().invoke(app, [*words, "--help"]).output
    assert "Examples:" in text
    assert f"mmedit-bench {' '.join(words)}".rstrip() in text


def test_version() -> None:
    from mmedit_bench import __version__

    assert __version__ in CliRunner().invoke(app, ["--version"]).output


def test_a_nearly_right_command_is_suggested() -> None:
    done = CliRunner().invoke(app, ["reprot"])
    assert done.exit_code == 2
    assert "Did you mean 'report'?" in done.stderr
