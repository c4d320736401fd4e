"""Measure a finished checkpoint by generation, and write its card."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.training.questions import Question, context_questions, plain_questions
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.backbones.training.stage import Report
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.scoring.normalize import normalize

SAMPLE = 400
"""Most questions asked for one row of the card."""
STATED = (1, 2, 4, 8)


def measure(
    backbone: Backbone, data: Picturebook, report: Report, sample: int = SAMPLE
) -> dict[str, dict[str, float]]:
    """Row -> {"accuracy": share of normalised exact answers, "n": number of questions}."""
    rows: dict[str, Sequence[Question]] = {**plain_questions(data.entities)}
    for stated in STATED:
        rows.update(context_questions(data.entities, stated, sample))
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
) -> None:
    """Add measured accuracies to `backbone.json` and write `README.md` beside it."""
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
        "| questions | accuracy | n |",
        "| --- | ---: | ---: |",
        *(f"| {row} | {100 * m['accuracy']:.1f} % | {m['n']} |" for row, m in measured.items()),
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
