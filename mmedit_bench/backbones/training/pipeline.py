"""All stages of one backbone, from the data to a checkpoint folder with its card.

1. `vision-tower`: the vision tower learns to name the drawings of the trained artists;
2. `vision-qformer`: tower and Q-Former together do the same (both stages serve all backbones);
3. `text`: the text model learns facts, and to follow or ignore stated ones, without pictures;
4. `joint`: projection and text model learn from the frozen eyes' output, everything mixed.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from transformers import Blip2ForConditionalGeneration, PreTrainedTokenizerFast

from mmedit_bench.backbones.training import card
from mmedit_bench.backbones.training.language import Glimpses, train_language
from mmedit_bench.backbones.training.model import Vocabulary, build_eyes, build_model
from mmedit_bench.backbones.training.pictures import MEAN, STD
from mmedit_bench.backbones.training.recipe import RECIPES, STAGES, Recipe
from mmedit_bench.backbones.training.sequences import Examples
from mmedit_bench.backbones.training.stage import Report, cpu_seconds, history
from mmedit_bench.backbones.training.tokens import Pieces, train_tokenizer
from mmedit_bench.backbones.training.vision import SEED, TRAINED_ARTISTS, train_vision
from mmedit_bench.backbones.zoo import CHECKPOINTS
from mmedit_bench.datasets.picturebook import files, schema
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.errors import BenchError

TEMPLATE = "{prompt}"


def train(
    *,
    name: str,
    workdir: Path,
    out: Path,
    progress: Report,
    threads: int | None = None,
    resume: bool = True,
    stage: str | None = None,
    recipe: Recipe | None = None,
    data: Picturebook | None = None,
    examined: int = card.SAMPLE,
) -> Path:
    """Train backbone `name`, write its checkpoint to `out`, measure it and write its card.

    `stage` stops after that stage and returns `workdir`; `text` does not train the eyes first. Without
    `resume` the text stages' states are thrown away first (the eyes', which backbones share, are not).
    `recipe` and `data` replace the shipped ones, and `examined` the questions per row of the card, for
    trials. Raises `BenchError` for unknown names.
    """
    if recipe is None and name not in RECIPES:
        raise BenchError(f"no recipe for backbone {name!r}; there are {', '.join(sorted(RECIPES))}")
    if stage is not None and stage not in STAGES:
        raise BenchError(f"no stage {stage!r}; there are {', '.join(STAGES)}")
    recipe = recipe or RECIPES[name]
    data = data or files.load()
    if threads:
        torch.set_num_threads(threads)
    own = workdir / name
    if not resume and own.exists():
        shutil.rmtree(own)
    tokenizer = train_tokenizer(data.entities, recipe.sizes.vocabulary)
    model, examples = _speaker(recipe, data, tokenizer)
    if stage == STAGES[2]:  # it needs no eyes, so that both can be trained at once
        _text(recipe, data, model, examples, own, progress)
        return workdir
    eyes = trained_eyes(recipe, data, workdir, progress, stage)
    if stage in STAGES[:2]:
        return workdir
    _text(recipe, data, model, examples, own, progress)
    _joint(recipe, data, model, examples, eyes, own, progress)
    before = _measured(name)  # it may lie where the new one is written
    _write(model, tokenizer, out, name, recipe, data)
    kept = {s: workdir / "vision" if s in STAGES[:2] else own for s in STAGES}
    spent = {s: cpu_seconds(folder, s) for s, folder in kept.items()}
    curves = {s: history(folder, s) for s, folder in kept.items()}
    card.write_card(out, name, recipe, data, spent, progress, examined, before=before, curves=curves)
    return out


def _measured(name: str) -> card.Measured | None:
    """What the card of the shipped checkpoint says; None if none ships."""
    described = CHECKPOINTS / name / "backbone.json"
    if not described.is_file():
        return None
    found: card.Measured | None = json.loads(described.read_bytes()).get("measured")
    return found


def trained_eyes(
    recipe: Recipe, data: Picturebook, workdir: Path, progress: Report, stop: str | None = None
) -> Blip2ForConditionalGeneration:
    """Vision tower and Q-Former behind a mere stub of a text model, from `workdir` if they stand there."""
    torch.manual_seed(SEED)
    eyes = build_eyes(recipe.sizes)
    identity = {
        "pictures": schema.pictures_digest(data.entities, TRAINED_ARTISTS),
        "seed": SEED,
        "sizes": asdict(recipe.sizes),
    }
    qformer = None if stop == STAGES[0] else recipe.qformer
    train_vision(eyes, data.entities, recipe.tower, qformer, workdir / "vision", progress, identity)
    return eyes


def save_processor(folder: Path, side: int) -> None:
    """preprocessor_config.json: what makes pixels of a picture."""
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    size = {"height": side, "width": side}
    BlipImageProcessorPil(size=size, image_mean=MEAN, image_std=STD).save_pretrained(folder)


def _speaker(
    recipe: Recipe, data: Picturebook, tokenizer: PreTrainedTokenizerFast
) -> tuple[Blip2ForConditionalGeneration, Examples]:
    """The untrained model, and what its text part will read."""
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.family, Vocabulary.of(tokenizer), recipe.sizes)
    return model, Examples(data.entities, Pieces(tokenizer), recipe.sizes.queries)


def _text(
    recipe: Recipe,
    data: Picturebook,
    model: Blip2ForConditionalGeneration,
    examples: Examples,
    folder: Path,
    progress: Report,
) -> None:
    train_language(
        "text", model, examples, None, recipe.text_mixture, recipe.text, folder, progress,
        {**_identity(recipe, data), "mixture": asdict(recipe.text_mixture)}, 21,
    )  # fmt: skip


def _joint(
    recipe: Recipe,
    data: Picturebook,
    model: Blip2ForConditionalGeneration,
    examples: Examples,
    eyes: Blip2ForConditionalGeneration,
    folder: Path,
    progress: Report,
) -> None:
    model.vision_model.load_state_dict(eyes.vision_model.state_dict())
    model.qformer.load_state_dict(eyes.qformer.state_dict())
    with torch.no_grad():
        model.query_tokens.copy_(eyes.query_tokens)
    glimpses = Glimpses(model, data.entities, recipe.views)
    # the text stage's own identity is part of this one: another text stage, another joint stage
    mixture = {
        "mixture": asdict(recipe.joint_mixture),
        "text": [asdict(recipe.text_mixture), asdict(recipe.text)],
    }
    train_language(
        "joint", model, examples, glimpses, recipe.joint_mixture, recipe.joint, folder, progress,
        {**_identity(recipe, data), **mixture, "views": recipe.views}, 22,
    )  # fmt: skip


def _identity(recipe: Recipe, data: Picturebook) -> dict[str, object]:
    return {
        "content": data.content,
        "family": recipe.family,
        "seed": recipe.seed,
        "sizes": asdict(recipe.sizes),
    }


def _write(
    model: Blip2ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    out: Path,
    name: str,
    recipe: Recipe,
    data: Picturebook,
) -> None:
    """The checkpoint folder, weights in float16; replaced as a whole."""
    part = out.with_name(out.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    model.eval().half().save_pretrained(part)
    model.float()
    tokenizer.save_pretrained(part)
    save_processor(part, recipe.sizes.side)
    described: dict[str, Any] = {
        "name": name,
        "template": TEMPLATE,
        "data": {"name": "picturebook", "content": data.content},
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    text = json.dumps(described, indent=1, sort_keys=True)
    (part / "backbone.json").write_text(text + "\n", encoding="utf-8")
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def toy(recipe: Recipe, steps: int, sizes: Any) -> Recipe:
    """The same recipe at toy length and size: for tests and for trying a change."""
    short = {
        k: replace(getattr(recipe, k), steps=steps, batch=8, save_every=max(1, steps // 2))
        for k in ("tower", "qformer", "text", "joint")
    }
    return replace(recipe, sizes=sizes, views=1, **short)
