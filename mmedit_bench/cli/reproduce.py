"""`mmedit-bench reproduce`: a table or figure of the UniKE paper, from runs to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mmedit_bench.cli.executors import executes
from mmedit_bench.cli.idle import refuse_idle
from mmedit_bench.cli.loading import loads_each, told
from mmedit_bench.cli.output import Output, speaks

if TYPE_CHECKING:
    from mmedit_bench.execution.engine import Engine

TARGETS = (
    "table1", "table2", "table3", "table4", "table5", "streams", "decay", "sequence-parts", "fig4a", "fig4b",
    "fig4c", "fig5", "smoke",
)  # fmt: skip
SOME_FAILED = 3
"""Exit status where some runs could not be made or some edits failed; everything else is written."""


@click.command()
@click.argument("target", type=click.Choice(TARGETS))
@click.option(
    "--scale",
    type=click.Choice(["embedded", "small", "paper"]),
    default="embedded",
    show_default=True,
    help="embedded: the mini backbones on Picturebook, on any machine; small: a language model of half a "
    "billion parameters behind their eyes, which must be here, and fewer edits; paper: BLIP-2 OPT-2.7B and "
    "MiniGPT-4 on MMEdit, for which weights, pictures and a GPU must be here.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of what is written.",
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder of the runs; those that are complete are not made again.",
)
@executes("Runs at once; default: the cores, at most 4.")
@click.option("--limit", type=click.IntRange(min=1), help="Fewer edits per block than the plan has.")
@click.option("--backbone", "backbones", multiple=True, help="Only the blocks on this backbone; repeatable.")
@click.option("--suite", "suites", multiple=True, help="Only the blocks of this suite; repeatable.")
@click.option("--device", default="cpu", show_default=True, help="Such as cpu or cuda:0.")
@click.option("--dtype", default="float32", show_default=True, help="float32, bfloat16 or float16.")
@loads_each
@click.option(
    "--finished",
    is_flag=True,
    help="Take the runs in --runs as they lie, made on whatever machine; make none and load no backbone.",
)
@click.option(
    "--render-only", is_flag=True, help="Only write tables and figures anew from the JSON in --out."
)
@speaks
def reproduce(
    target: str,
    scale: str,
    out: Path,
    runs: Path,
    engine: Engine,
    limit: int | None,
    backbones: tuple[str, ...],
    suites: tuple[str, ...],
    device: str,
    dtype: str,
    loading: dict[str, dict[str, str]],
    finished: bool,
    render_only: bool,
    output: Output,
) -> None:
    """Measure a table or figure of the UniKE paper and write it beside the published numbers.

    Tables become Markdown, LaTeX and JSON; figures become SVG, PNG and JSON. `smoke` asks on the
    train split whether every method takes up the edits it is given. A call that was stopped goes on
    where it was. What trained editors need is trained first if it is missing; see `prepare`.

    At the scale of the paper the published test splits are measured whole, and nothing is run before
    all weights and pictures are seen to be here; `doctor --backbone --data` says what is missing and
    how much memory each editor needs.

    --device, --dtype and --limit say which runs are meant, also with --finished, which takes those that
    `run`, or this command on another machine, has made of the code and settings that are here.

    Exit status: 0 done; 2 something to mend; 3 written, but some runs or edits failed.

    \b
    Examples:
      mmedit-bench reproduce table1 --scale embedded
      mmedit-bench reproduce fig4b --limit 50 --out /tmp/results
      mmedit-bench reproduce table1 --render-only
      mmedit-bench reproduce table1 --scale small --device cuda --runs from-the-cluster --finished
      mmedit-bench reproduce table1 --scale paper --device cuda --dtype bfloat16 \\
          --weights minigpt4-7b=checkpoints/minigpt4-7b --executor submitit --workers 8
      mmedit-bench reproduce table1 --scale small \\
          --language-model minigpt4-qwen2.5-0.5b=qwen2.5-coder-0.5b-instruct-q4_k_m.gguf
    """
    from mmedit_bench.execution.order import refuse_strangers
    from mmedit_bench.reproduce.plan import narrowed
    from mmedit_bench.reproduce.plan_runs import Means
    from mmedit_bench.reproduce.scales import at_scale, check
    from mmedit_bench.reproduce.target import plan_of, produced, rendered

    command = f"mmedit-bench reproduce {target} --scale {scale}" + (f" --limit {limit}" if limit else "")
    command += "".join(f" --backbone {name}" for name in backbones)
    command += "".join(f" --suite {name}" for name in suites)
    # both change numbers, if little
    command += f" --device {device}" * (device != "cpu") + f" --dtype {dtype}" * (dtype != "float32")
    command += "".join(f" --{option} {name}={what}" for option, name, what in told(loading))
    if render_only:
        refuse_idle(
            "with --render-only: the document that is there says what is shown",
            "runs", "limit", "backbones", "suites", "device", "dtype", "finished", "executor", "workers",
            "revision", "weights", "device_map", "language_model",
        )  # fmt: skip
        written = rendered(target, out)
        output.result({"written": [str(path) for path in written]}, prose="\n".join(map(str, written)))
        return
    plan = narrowed(at_scale(plan_of(target), scale), backbones=backbones, suites=suites)
    refuse_strangers(loading, [place.backbone for place in plan.places])
    means = Means(engine=engine, device=device, dtype=dtype, loading=loading)
    if scale != "embedded" and not finished:
        check(plan.places, means)
    blocks = [place.title for place, _ in plan.runs()]
    with output.blocks(blocks) as ended:
        made = produced(
            plan, out, runs, means, limit=limit, command=command, as_they_lie=finished,
            told=lambda run: ended(run.place.title, f"{run.row.key} {run.outcome.seconds:.0f} s"),
        )  # fmt: skip
    values = {"written": [str(path) for path in made.written], "incomplete": list(made.incomplete)}
    output.result(values, prose="\n".join(map(str, made.written)))
    if made.incomplete:
        for line in made.incomplete:
            output.note(line)
        raise SystemExit(SOME_FAILED)
