"""Pages made from their sources at build time: the command reference and the cards."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
CARDS = {
    "Data": "mmedit_bench/datasets/*/*.md",
    "Backbones": "mmedit_bench/backbones/checkpoints/*/*.md",
    "Editors": "methods/*/README.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#)[^)]*\)")
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file holds."""
    for name, text in {"commands.md": commands(), "cards.md": cards()}.items():
        files.append(File.generated(config, name, content=text))
    return files


def commands() -> str:
    """The help of every command, as the program prints it."""
    sys.path.insert(0, str(ROOT))
    from mmedit_bench.cli import app

    parts = ["# Commands\n\nAs `--help` prints them. Results go to stdout, progress to stderr.\n"]
    for path, command in _walk("mmedit-bench", app):
        context = click.Context(command, info_name=path, terminal_width=96, max_content_width=96)
        depth = "#" * min(path.count(" ") + 2, 4)
        parts.append(f"{depth} {path}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _walk(f"{path} {name}", inner)


def cards() -> str:
    """Data, model and method cards, from the folders they ship in."""
    parts = ["# Cards\n\nWhat ships, described where it ships. These are the files in the package.\n"]
    for title, pattern in CARDS.items():
        found = sorted(ROOT.glob(pattern))
        if found:
            parts.append(f"## {title}\n")
        for path in found:
            text = _LINK.sub(
                r"\1", path.read_text(encoding="utf-8")
            )  # relative to the folder, not to this page
            parts.append(_HEADING.sub(r"##\1", text) + "\n")
    return "\n".join(parts)
