"""The same tables at several sizes: on the embedded backbones, on a real small one, on those of the paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.presence import data_problems, weights_of
from mmedit_bench.reproduce.plan import Place, Plan
from mmedit_bench.reproduce.plan_runs import Means

EMBEDDED, SMALL, PAPER = "embedded", "small", "paper"
SCALES = (EMBEDDED, SMALL, PAPER)

SMALL_BACKBONE = "minigpt4-qwen2.5-0.5b"
"""A language model that knows things, behind the embedded backbones' eyes; on the embedded data."""
SMALL_LIMIT = 100
"""Most edits of a block there, of those that are made one at a time."""
SMALL_WALKS = 100
"""About so many edits of a block there, of those that are made one after the other."""

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
"""Targets that there are not at the paper's scale, with the reason."""


def at_scale(plan: Plan, scale: str) -> Plan:
    """The plan with its places at a scale. Raises `BenchError` for a target that is not there.

    One-step blocks of the evaluation split have no limit at the paper's scale: they are the published
    test splits, as far as their edits are needed. Sequences are drawn from as many edits as here.
    At the small scale there is one backbone, which stands for MiniGPT-4, and fewer edits of each block.
    """
    if scale == EMBEDDED:
        return plan
    if scale == SMALL:
        own = tuple(_on_the_small(place) for place in _of_minigpt4(plan))
        return replace(plan, places=own, scale=scale)
    if plan.target in LEFT_OUT:
        raise BenchError(f"{plan.target} is not at the scale {scale!r}: {LEFT_OUT[plan.target]}")
    whole = plan.form in ("table", "means") and plan.split == "evaluation"
    places = tuple(_moved(place, plan, whole and place.protocol == "one-step") for place in plan.places)
    return replace(plan, places=places, limit=None, scale=scale)


def _of_minigpt4(plan: Plan) -> Iterator[Place]:
    """The places on the stand-in of MiniGPT-4, which are all that a plan of one backbone has."""
    yield from (place for place in plan.places if place.backbone == "minigpt4-mini")


def _on_the_small(place: Place) -> Place:
    options = dict(place.protocol_options)
    if "length" not in options:
        limit = SMALL_LIMIT if place.limit is None else min(SMALL_LIMIT, place.limit)
        return place._replace(backbone=SMALL_BACKBONE, limit=limit)
    # sequences are given up before orders: without a second order nothing is said of what the order adds
    walks = max(2, SMALL_WALKS // options["length"])
    orders = min(options["orders"], walks)
    options |= {"sequences": max(1, min(options["sequences"], walks // orders)), "orders": orders}
    return place._replace(backbone=SMALL_BACKBONE, protocol_options=options)


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
