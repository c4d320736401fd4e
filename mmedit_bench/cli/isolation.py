"""The options that say what an editor's process is allowed: `--isolate`, `--sandbox` and their limits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine
    from mmedit_bench.execution.isolated import Isolation

READY = 4 * 3600.0
"""Seconds that a sandboxed editor may take to be made ready, unless told otherwise."""


def isolates(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it is handed `isolation: Isolation | None`."""

    @click.option(
        "--isolate", is_flag=True, help="Give the editor a process to itself, one beside each worker."
    )
    @click.option(
        "--sandbox/--unsafe-no-sandbox",
        default=None,
        help="Isolate the editor in a bubblewrap sandbox: no network, no evaluation data, files it cannot "
        "change, limits. Where it cannot be started, that is an error.  [default: none]",
    )
    @click.option(
        "--readable",
        multiple=True,
        type=click.Path(path_type=Path, exists=True),
        help="What a sandboxed editor may read beside installed packages, such as a checkpoint; repeatable.",
    )
    @click.option(
        "--ready-timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Longest time to make an isolated editor ready, its training included; default: 4 hours in a "
        "sandbox, else none.",
    )
    @click.option(
        "--memory-limit",
        type=click.IntRange(min=1),
        metavar="MIB",
        help="Address space of the isolated editor's process; in a sandbox also memory of all its processes, "
        "three quarters of the machine's by default.",
    )
    @click.option(
        "--processes",
        type=click.IntRange(min=1),
        metavar="N",
        help="Most processes and threads in the sandbox; default: 256.",
    )
    @functools.wraps(command)
    def wrapper(
        *args: Any,
        isolate: bool,
        sandbox: bool | None,
        readable: tuple[Path, ...],
        ready_timeout: float | None,
        memory_limit: int | None,
        processes: int | None,
        edit_timeout: float | None,
        **kwargs: Any,
    ) -> Any:
        for given, option in ((readable, "--readable"), (processes, "--processes")):
            if given and not sandbox:
                raise click.BadParameter("it is for --sandbox", param_hint=option)
        for number, option in ((ready_timeout, "--ready-timeout"), (memory_limit, "--memory-limit")):
            if number and not (isolate or sandbox):
                raise click.BadParameter("it is for --isolate and --sandbox", param_hint=option)
        if sandbox is False and not isolate:
            raise click.BadParameter(
                "it is for --isolate; without that the editor shares this process, in no sandbox anyway",
                param_hint="--unsafe-no-sandbox",
            )
        isolation: Isolation | None = None
        if isolate or sandbox:
            from mmedit_bench.execution.isolated import Isolation
            from mmedit_bench.execution.sandbox import demanded

            engine: Engine | None = kwargs.get("engine")
            if sandbox and (engine is None or engine.here):  # before anything is measured
                demanded()
            isolation = Isolation(
                edit_timeout=edit_timeout or 600.0,
                memory_limit=memory_limit << 20 if memory_limit else None,
                sandbox="bubblewrap" if sandbox else "none",
                processes=processes,
                ready_timeout=ready_timeout or (READY if sandbox else None),
                readable=tuple(path.absolute() for path in readable),
            )
        return command(*args, isolation=isolation, edit_timeout=edit_timeout, **kwargs)

    return wrapper
