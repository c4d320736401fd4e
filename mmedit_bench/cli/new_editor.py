"""`mmedit-bench new-editor`: the package of an editor, to begin with."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

import click

from mmedit_bench.cli.output import Output, speaks


@click.command("new-editor")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default=True,
    help="Folder that the package's own folder is made in.",
)
@click.option("--author", help="For the draft of the submission; default: git's user.name.")
@click.option("--contact", help="A handle such as @somebody, likewise; default: the login name.")
@speaks
def new_editor(name: str, out: Path, author: str | None, contact: str | None, output: Output) -> None:
    """Write the package of a new editor: one module, a test, a card, and the draft of its submission.

    The editor works as it is written, by fine-tuning a layer. Nothing is overwritten. The package need
    not be installed for `submit`, which takes its folder.

    \b
    Examples:
      mmedit-bench new-editor demo
      mmedit-bench new-editor rank-one --out ~/editors --author "Ada Someone" --contact @ada
    """
    from mmedit_bench.scaffold.package import UNKNOWN, write_package

    place = write_package(
        name, out, author=author or _git_name() or UNKNOWN, contact=contact or _login() or UNKNOWN
    )
    written = sorted(str(path) for path in place.rglob("*") if path.is_file())
    output.result({"folder": str(place), "files": written}, prose="\n".join(written))
    output.say(f"next: python -m pytest {place}")
    output.say(
        f"then: mmedit-bench submit {place} --suite picturebook-vqa --backbone blip2-opt-mini --dry-run"
    )


def _git_name() -> str | None:
    """Who git says the user is; None without git or where it was not told."""
    try:
        asked = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = " ".join(asked.stdout.split())
    return name if name and name.isprintable() else None


def _login() -> str | None:
    """The login name as a handle; None for one that cannot be told or is no handle."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in a container
        return None
    return f"@{name}" if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}", name) else None
