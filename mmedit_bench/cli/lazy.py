"""A command group that imports a subcommand only when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from mmedit_bench.cli.edge import refusals


class LazyGroup(click.Group):
    """Subcommands as `name -> "module:attribute"`, listed in the order given.

    The modules named may import click and the standard library at their top and nothing heavier:
    `--help` imports all of them for their short help.
    """

    def __init__(self, members: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        self.members = dict(members)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order given."""
        return list(self.members)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a subcommand; None if there is none of that name."""
        target = self.members.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), target
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a name that is nearly right."""
        name = args[0]
        if name not in self.members and not name.startswith("-") and not ctx.resilient_parsing:
            close = difflib.get_close_matches(name, self.members, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"there is no command {name!r}.{hint} Known: {', '.join(self.members)}.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; an error meant for the user loses its traceback, any other keeps it."""
        with refusals():
            return super().invoke(ctx)
