"""`mmedit-bench assemble`: a backbone from parts that are published one by one."""

from __future__ import annotations

from pathlib import Path

import click

from mmedit_bench.cli.output import Output, speaks

_FILE = click.Path(path_type=Path, exists=True)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def assemble() -> None:
    """Put a backbone together from parts that are published one by one.

    \b
    Examples:
      mmedit-bench assemble minigpt4 --vision eva_vit_g.pth --qformer blip2_pretrained_flant5xxl.pth \\
          --projection pretrained_minigpt4_7b.pth --language-model vicuna-7b --out minigpt4-7b
    """


@assemble.command()
@click.option(
    "--vision", type=_FILE, required=True, help="EVA ViT-g: eva_vit_g.pth, or a BLIP-2 checkpoint's folder."
)
@click.option(
    "--qformer",
    type=_FILE,
    required=True,
    help="Q-Former: blip2_pretrained_flant5xxl.pth, or a BLIP-2 checkpoint's folder.",
)
@click.option(
    "--projection", type=_FILE, required=True, help="MiniGPT-4's own checkpoint, the linear projection."
)
@click.option(
    "--language-model", type=_FOLDER, required=True, help="Folder of Vicuna in transformers' layout."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="New folder to write."
)
@click.option("--config", type=_FILE, help="BLIP-2 configuration in place of the published one.")
@click.option(
    "--sha256",
    "digests",
    multiple=True,
    metavar="PART=HEX",
    help="What a file's sha256 must be: vision, qformer or projection; repeatable.",
)
@speaks
def minigpt4(
    vision: Path,
    qformer: Path,
    projection: Path,
    language_model: Path,
    out: Path,
    config: Path | None,
    digests: tuple[str, ...],
    output: Output,
) -> None:
    """Assemble MiniGPT-4 as a BLIP-2 checkpoint with a Llama text model.

    Files of torch are read as tensors and plain values only: nothing in them is run, and one that
    holds more is refused. The folder holds safetensors and all that loading takes; `run` reads it with
    --weights. How to get the parts: docs/adding-a-backbone.md.

    \b
    Examples:
      mmedit-bench assemble minigpt4 --vision eva_vit_g.pth --qformer blip2_pretrained_flant5xxl.pth \\
          --projection pretrained_minigpt4_7b.pth --language-model vicuna-7b --out minigpt4-7b
      mmedit-bench run --suite mmedit-vqa --backbone minigpt4-7b --weights minigpt4-7b --editor ft
    """
    from mmedit_bench.backbones.assembly import assemble_minigpt4

    wanted = {}
    for item in digests:
        part, equals, value = item.partition("=")
        if not equals or part in wanted:
            raise click.BadParameter(
                f"{item!r} is not of the form part=hex, or its part is repeated", param_hint="--sha256"
            )
        wanted[part] = value
    made = assemble_minigpt4(
        out, vision=vision, qformer=qformer, projection=projection, language_model=language_model,
        config=config, digests=wanted, told=output.note,
    )  # fmt: skip
    prose = f"{made['folder']}: {made['tensors']} tensors, {made['bytes'] / 1e9:.1f} GB"
    output.result(made, prose=prose)
    output.say(f"next: mmedit-bench run --backbone minigpt4-7b --weights {out} ...")
