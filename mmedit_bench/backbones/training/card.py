"""Measure a finished checkpoint by generation, and write its card."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.training.curves import Curves, written
from mmedit_bench.backbones.training.questions import (
    Question,
    caption_questions,
    context_questions,
    plain_questions,
)
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.backbones.training.stage import Report
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.scoring.normalize import normalize

SAMPLE = 400
"""Most questions asked for one row of the card."""
STATED = (1, 2, 4, 8)
AIMS = {
    "known facts, edit wording, twemoji": 99,
    "known facts, edit wording, unseen": 72,
    **{f"{n} stated: followed, no picture": aim for n, aim in zip(STATED, (95, 90, 85, 80), strict=True)},
    **{f"{n} stated: ignored, no picture": aim for n, aim in zip(STATED, (90, 85, 75, 65), strict=True)},
    "1 stated, one a caption: it is followed": 90,
}
"""Percent that the recipe was made for, by row."""
Measured = Mapping[str, Mapping[str, float]]


def measure(
    backbone: Backbone, data: Picturebook, report: Report, sample: int = SAMPLE
) -> dict[str, dict[str, float]]:
    """Row -> {"accuracy": share of normalised exact answers, "n": number of questions}."""
    rows: dict[str, Sequence[Question]] = {**plain_questions(data.entities)}
    for stated in STATED:
        rows.update(context_questions(data.entities, stated, sample))
        rows.update(caption_questions(data.entities, stated, sample))
    out = {}
    for n, (row, questions) in enumerate(rows.items()):
        chosen = random.Random(row).sample(list(questions), min(sample, len(questions)))
        if chosen:
            answers = backbone.answer([q.query for q in chosen])
            right = sum(normalize(a) == normalize(q.answer) for a, q in zip(answers, chosen, strict=True))
            out[row] = {"accuracy": round(right / len(chosen), 4), "n": len(chosen)}
        report("card", n + 1, len(rows), {})
    return out


def write_card(
    folder: Path,
    name: str,
    recipe: Recipe,
    data: Picturebook,
    spent: Mapping[str, float],
    report: Report,
    sample: int = SAMPLE,
    *,
    before: Measured | None = None,
    curves: Curves | None = None,
) -> None:
    """Add measured accuracies to `backbone.json` and write `README.md` beside it.

    `before` is what the checkpoint measured whose place this one takes, and `curves` what each stage
    measured on its way, which is kept in training.json and drawn as training.svg.
    """
    backbone = Backbone.load(folder, name=name, batch_size=32)
    measured = measure(backbone, data, report, sample)
    described = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    described |= {
        "digest": backbone.digest,
        "cpu_seconds": {k: round(v) for k, v in spent.items()},
        "measured": measured,
    }
    (folder / "backbone.json").write_text(
        json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    lines = [
        f"# {name}",
        "",
        f"A BLIP-2 of {described['parameters'] / 1e6:.2f} M parameters with a text model of the "
        f"{recipe.family} family, trained from nothing on Picturebook's drawings and facts by "
        f"`mmedit-bench train-backbone {name}`.",
        "",
        f"- data content digest: `{data.content}`",
        f"- backbone digest (weights in float32, tokenizer, template): `{backbone.digest}`",
        "- CPU minutes by stage: " + ", ".join(f"{k} {v / 60:.0f}" for k, v in spent.items()),
        f"- sizes: {asdict(recipe.sizes)}",
        "",
        "The recipe in full, with learning rates and steps, is in `backbone.json`. Weights are float16.",
        "",
        f"Accuracy: share of greedy answers equal to the reference after normalisation; at most {sample} "
        "questions a row, drawn with a fixed seed. Of the artists, `twemoji` and `noto` are trained on, "
        "`unseen` never. Context rows ask about things of the validation and evaluation splits, none of "
        "which was in any context of the training.",
        "",
        "Aims are what the recipe was made for"
        + ("; *before* is the checkpoint whose place this one takes." if before else "."),
        "",
        *_table(measured, before or {}),
        "",
    ]
    if curves:
        lines += written(folder, curves, "Exact answers on fixed samples, by teacher forcing")
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _table(measured: Measured, before: Measured) -> list[str]:
    heads = ["questions", "accuracy", "aim", *(["before"] if before else []), "n"]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for row, own in measured.items():
        cells = [row, f"{100 * own['accuracy']:.1f} %", f"{AIMS[row]} %" if row in AIMS else ""]
        if before:
            cells.append(f"{100 * before[row]['accuracy']:.1f} %" if row in before else "")
        lines.append(f"| {' | '.join([*cells, str(own['n'])])} |")
    return lines
