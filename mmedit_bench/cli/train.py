"""`mmedit-bench train-backbone`: make a shipped checkpoint anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks


@click.command("train-backbone")
@click.argument("name")
@click.option(
    "--workdir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("training"),
    show_default=True,
    help="Where the states of unfinished and finished stages are kept.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the checkpoint and its card, replaced as a whole; default: WORKDIR/checkpoints/NAME.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads torch may use; default: its own choice.")
@click.option(
    "--resume/--no-resume", default=True, show_default=True, help="Go on from the states in WORKDIR."
)
@click.option("--stage", help="Stop after this stage.")
@click.option(
    "--language-model",
    metavar="FOLDER|FILE.gguf|OWNER/NAME",
    help="Of a backbone whose language model nobody here trains: where it lies.",
)
@speaks
def train_backbone(
    name: str,
    workdir: Path,
    out: Path | None,
    threads: int | None,
    resume: bool,
    stage: str | None,
    language_model: str | None,
    output: Output,
) -> None:
    """Train backbone NAME from scratch with the recipe it shipped with.

    Seeded and resumable: started again with the same WORKDIR, it goes on where it was. Takes two
    to three hours of one core; nobody who only uses the benchmark needs it. What is installed is
    only replaced if --out names its folder.

    \b
    Examples:
      mmedit-bench train-backbone blip2-opt-mini
      mmedit-bench train-backbone minigpt4-mini --workdir /data/training --threads 8
      mmedit-bench train-backbone minigpt4-qwen2.5-0.5b --language-model qwen2.5-coder-0.5b-instruct.gguf
    """
    from mmedit_bench.backbones.training import train
    from mmedit_bench.backbones.training.small import SMALL, train_small

    chosen: dict[str, Any] = {"stage": stage}
    make: Callable[..., Path] = train
    if name in SMALL:
        if stage is not None:
            raise click.BadParameter(f"{name} has one stage", param_hint="--stage")
        chosen, make = {"language_model": language_model}, train_small
    elif language_model is not None:
        raise click.BadParameter(f"{name} trains a language model of its own", param_hint="--language-model")
    with output.progress(name) as advance:

        def report(at: str, step: int, steps: int, figures: Mapping[str, float]) -> None:
            advance(at, step, steps)
            if len(figures) > 1:  # a measurement, not only the running loss
                output.note(f"{at} {step}/{steps}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))

        written = make(
            name=name,
            workdir=workdir,
            out=out or workdir / "checkpoints" / name,
            threads=threads,
            progress=report,
            resume=resume,
            **chosen,
        )
    output.result({"backbone": name, "written": str(written)}, prose=str(written))
