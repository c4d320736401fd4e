"""The same tables at two sizes: on the embedded backbones and data, and on those of the paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.presence import data_problems, weights_of
from mmedit_bench.reproduce.plan import Place, Plan
from mmedit_bench.reproduce.plan_runs import Means

EMBEDDED, PAPER = "embedded", "paper"
SCALES = (EMBEDDED, PAPER)

BACKBONES = {"blip2-opt-mini": "blip2-opt-2.7b", "minigpt4-mini": "minigpt4-7b"}
SUITES = {
    "picturebook-vqa": "mmedit-vqa",
    "picturebook-caption": "mmedit-caption",
    "picturebook-mix": "mmedit-mix",
}
LEFT_OUT = {
    "decay": "it asks the embedded backbones for facts that they were trained on",
    "fig5": "its panel is drawn for Picturebook",
}
"""Targets that there are at the embedded scale only, with the reason."""


def at_scale(plan: Plan, scale: str) -> Plan:
    """The plan with its places at a scale. Raises `BenchError` for a target that is not there.

    One-step blocks of the evaluation split have no limit at the paper's scale: they are the published
    test splits, as far as their edits are needed. Sequences are drawn from as many edits as here.
    """
    if scale == EMBEDDED:
        return plan
    if plan.target in LEFT_OUT:
        raise BenchError(f"{plan.target} is not at the scale {scale!r}: {LEFT_OUT[plan.target]}")
    whole = plan.form in ("table", "means") and plan.split == "evaluation"
    places = tuple(_moved(place, plan, whole and place.protocol == "one-step") for place in plan.places)
    return replace(plan, places=places, limit=None, scale=scale)


def _moved(place: Place, plan: Plan, whole: bool) -> Place:
    return place._replace(
        backbone=BACKBONES.get(place.backbone, place.backbone),
        suite=SUITES.get(place.suite, place.suite),
        limit=None if whole else plan.limit if place.limit is None else place.limit,
    )


def check(places: Iterable[Place], means: Means) -> None:
    """That all which a plan's places need is here, before anything is run.

    Raises `BenchError` with all that is missing, a line each, and the command that tells more.
    """
    places = tuple(places)
    told: dict[str, list[str]] = {"backbone": [], "data": []}
    lines: list[str] = []
    for backbone in dict.fromkeys(place.backbone for place in places):
        try:
            weights_of(backbone, means.loading.get(backbone, {}))
        except BenchError as error:
            told["backbone"].append(backbone)
            lines.append(f"weights of {backbone}: {error}")
    for name, problems in data_problems(dict.fromkeys(place.suite for place in places)).items():
        told["data"].append(name)
        more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        lines.append(f"data {name}: {problems[0]}{more}")
    if lines:
        backbone, data = (*told["backbone"], places[0].backbone)[0], (*told["data"], places[0].suite)[0]
        doctor = f"mmedit-bench doctor --backbone {backbone} --data {data}"
        raise BenchError("; ".join([*lines, f"nothing was run: `{doctor}` says what to do"]))
