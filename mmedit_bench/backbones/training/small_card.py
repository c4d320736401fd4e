"""What a small backbone can do, measured by generation, and the card that says so."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.training.card import STATED
from mmedit_bench.backbones.training.curves import Curves, written
from mmedit_bench.backbones.training.questions import Question, context_questions, named, picture, pointed
from mmedit_bench.backbones.training.stage import Report
from mmedit_bench.backbones.training.vision import TRAINED_ARTISTS
from mmedit_bench.cases import Query
from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import ARTISTS, Entity
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.scoring.normalize import normalize

if TYPE_CHECKING:
    from mmedit_bench.backbones.training.small import SmallRecipe

SAMPLE = 100
"""Most questions asked for one row of the card."""
AIMS = {
    **{f"the thing is named, {artist}": 95 for artist in TRAINED_ARTISTS},
    "the thing is named, unseen": 50,
    **{f"grounding, {artist}": 80 for artist in TRAINED_ARTISTS},
}
"""Percent that the bridge was made for, exact, by row."""
RECOVERED = (
    "By artist, the share of visual tokens that are nearest to the word they were to be, and of things all "
    "of whose tokens are"
)
"""What the curves of a bridge say."""
Row = Mapping[str, float]


def measure(backbone: Backbone, data: Picturebook, report: Report, sample: int = SAMPLE) -> dict[str, Row]:
    """By row: "exact" and "said" (the answer is, or has in it, the reference, both normalised), and "n".

    Grounding compares the answer about a pictured thing with the answer about the thing by its name,
    and not with any reference; once for all questions, and once for those that are answered right by name.
    """
    rows: dict[str, Sequence[Question]] = {}
    for artist in ARTISTS:
        rows[f"the thing is named, {artist}"] = _names(data.entities, artist)
    for stated in STATED:
        rows.update(context_questions(data.entities, stated, sample))
    count = len(rows) + len(ARTISTS)
    found: dict[str, Row] = {}
    for number, (row, questions) in enumerate(rows.items()):
        chosen = random.Random(row).sample(list(questions), min(sample, len(questions)))
        answers = backbone.answer([own.query for own in chosen])
        found[row] = _shares(answers, [own.answer for own in chosen])
        report("card", number + 1, count, {})
    for number, artist in enumerate(ARTISTS):
        pairs = _grounding(data.entities, artist)
        pairs = random.Random(f"grounding {artist}").sample(pairs, min(sample, len(pairs)))
        seen = backbone.answer([pictured for pictured, _, _ in pairs])
        told = backbone.answer([by_name for _, by_name, _ in pairs])
        found[f"grounding, {artist}"] = _shares(seen, told)
        known = [n for n, (_, _, value) in enumerate(pairs) if _said(told[n], value)]
        if known:
            found[f"grounding, {artist}, right by name"] = _shares(
                [seen[n] for n in known], [told[n] for n in known]
            )
        report("card", len(rows) + number + 1, count, {})
    return found


def _names(entities: Sequence[Entity], artist: str) -> list[Question]:
    """What is this, or whose flag: in the edits' own wording."""
    asked = []
    for entity in entities:
        relation = "country" if entity.group == "flag" else "name"
        prompt = wordings.QUESTIONS[relation][0].format(x=wordings.FILLERS[entity.group][0])
        asked.append(Question(Query(prompt, picture(entity, artist)), entity.name))
    return asked


def _grounding(entities: Sequence[Entity], artist: str) -> list[tuple[Query, Query, str]]:
    """One question about the pictured thing and about the thing by name, in one wording; the fact."""
    r = random.Random(f"grounded questions {artist}")
    pairs = []
    for entity in entities:
        for fact in entity.facts:
            if fact.relation not in wordings.PICTURE_ONLY:
                template = [r.choice(wordings.trained(fact.relation))]
                seen = Query(pointed(r, entity, fact, template), picture(entity, artist))
                pairs.append((seen, Query(named(r, entity, fact, template)), fact.value))
    return pairs


def _shares(answers: Sequence[str], references: Sequence[str]) -> Row:
    pairs = list(zip(answers, references, strict=True))
    exact = sum(normalize(a) == normalize(r) for a, r in pairs) / len(pairs)
    said = sum(_said(a, r) for a, r in pairs) / len(pairs)
    return {"exact": round(exact, 4), "said": round(said, 4), "n": len(pairs)}


def _said(answer: str, reference: str) -> bool:
    return f" {normalize(reference)} " in f" {normalize(answer)} "


def write(
    folder: Path,
    name: str,
    recipe: SmallRecipe,
    backbone: Backbone,
    data: Picturebook,
    spent: float,
    report: Report,
    sample: int = SAMPLE,
    *,
    curves: Curves,
) -> None:
    """Add what is measured to `backbone.json`, and write `README.md` and the training's curves beside it."""
    measured = measure(backbone, data, report, sample)
    described = json.loads((folder / "backbone.json").read_text(encoding="utf-8"))
    described |= {
        "cpu_seconds": {"bridge": round(spent)},
        "measured": measured,
        "measured_with": backbone.digest,
    }
    (folder / "backbone.json").write_text(
        json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    lines = [
        f"# {name}",
        "",
        "The vision tower and Q-Former that the mini backbones share, a bridge trained by `mmedit-bench "
        f"train-backbone {name}`, and the language model {recipe.language_model} ({recipe.licence}), which "
        "nobody here trained and which does not ship.",
        "",
        f"To get the language model: {recipe.language_model_from}.",
        "",
        f"- data content digest: `{data.content}`",
        f"- backbone digest of what was measured: `{backbone.digest}`",
        f"- CPU minutes of the bridge: {spent / 60:.0f}",
        "",
        f"Shares of greedy answers, at most {sample} questions a row, drawn with a fixed seed: *exact* equal "
        "the reference after normalisation, *said* have it in them. Grounding compares the answer about the "
        "pictured thing with that about the thing by its name. Of the artists, `twemoji` and `noto` are "
        "trained on, `unseen` never. Context rows ask about things of the validation and evaluation splits; "
        "the language model was trained on no context of this project. Aims are what the bridge was made "
        f"for. Measured in {str(backbone.dtype).removeprefix('torch.')}.",
        "",
        "| questions | exact | aim | said | n |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {row} | {100 * own['exact']:.0f} % | {f'{AIMS[row]} %' if row in AIMS else ''} "
            f"| {100 * own['said']:.0f} % | {own['n']} |"
            for row, own in measured.items()
        ),
        "",
        *written(folder, curves, RECOVERED),
    ]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
