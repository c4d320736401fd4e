"""Options that another one leaves nothing to do: they are refused, not passed over."""

from __future__ import annotations

import click
from click.core import ParameterSource


def refuse_idle(why: str, *names: str) -> None:
    """Refuse each of these parameters of the present command that was given; `why` ends the sentence."""
    context = click.get_current_context()
    for param in context.command.params:
        if param.name in names and context.get_parameter_source(param.name) in (
            ParameterSource.COMMANDLINE,
            ParameterSource.ENVIRONMENT,
        ):
            raise click.UsageError(f"{param.opts[0]} does nothing {why}; leave it out")
