"""The options that say who carries out: `--executor`, `--workers`, and what single executors take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine


def executes(help: str, default: int | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these options; it is handed the engine as `engine: Engine`.

    `help` says what workers do for it; `default` is their number, the cores but at most 4 if None.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option(
            "--executor", default="local", show_default=True,
            help="Who carries workers: local (processes), ray, submitit (SLURM); see `list executors`.",
        )  # fmt: skip
        @click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=default,
            show_default=default is not None,
            help=help,
        )
        @click.option(
            "--ray-address",
            metavar="ADDRESS",
            help="Ray cluster: ray://HOST:PORT, HOST:PORT or auto; without it, Ray is started here.",
        )
        @click.option(
            "--slurm",
            multiple=True,
            metavar="KEY=VALUE",
            help="Of SLURM's jobs: partition, time, gpus, mem, array_parallelism and so on; repeatable.",
        )
        @functools.wraps(command)
        def wrapper(
            *args: Any,
            executor: str,
            workers: int | None,
            ray_address: str | None,
            slurm: tuple[str, ...],
            **kwargs: Any,
        ) -> Any:
            return command(*args, engine=engine_of(executor, workers, ray_address, slurm), **kwargs)

        return wrapper

    return decorate


def engine_of(executor: str, workers: int | None, ray_address: str | None, slurm: tuple[str, ...]) -> Engine:
    """The engine as ordered. Raises `BenchError` for one that cannot be had."""
    from mmedit_bench.execution.pool import default_workers
    from mmedit_bench.plugins.registry import EXECUTORS

    options: dict[str, Any] = {}
    if ray_address is not None:
        if executor != "ray":
            raise click.BadParameter("it is for --executor ray", param_hint="--ray-address")
        options["address"] = ray_address
    for item in slurm:
        key, equals, value = item.partition("=")
        if executor != "submitit":
            raise click.BadParameter("it is for --executor submitit", param_hint="--slurm")
        if not equals or not key or key in options:
            raise click.BadParameter(
                f"{item!r} is not of the form key=value, or its key is repeated", param_hint="--slurm"
            )
        options[key] = value
    engine: Engine = EXECUTORS.load(executor)(workers=workers or default_workers(), options=options)
    return engine
