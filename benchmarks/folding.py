"""What carried edits cost: hooks, seconds to score 8 queries, seconds to make one more edit.

    python benchmarks/folding.py

Learned parts are random, of the shipped sizes, and carried edits are made small: only time is measured.
The least of several repeats is printed, since other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from mmedit_bench.editors import (
    Backbone,
    Edit,
    EditCase,
    ExtraNeurons,
    Intervention,
    LowRankDelta,
    WeightDelta,
)
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES

METHODS = ("ft", "mend", "ke", "t-patcher", "unike")
STEPS: dict[str, dict[str, Any]] = {
    "ft": {"steps": 5, "threshold": 0.0},
    "t-patcher": {"steps": 5, "threshold": 0.0, "memory": 20},
    "unike": {"steps": 5, "threshold": 0.0},
}
"""As many steps for every edit, so that their times can be compared."""


def random_unike(editor: Any, backbone: Backbone) -> dict[str, torch.Tensor]:
    """A store and encoders of the shipped sizes, filled at random."""
    s, width = editor.settings(backbone), backbone.embeddings(()).shape[1]
    generator = torch.Generator().manual_seed(0)
    found = {}
    for layer in range(backbone.layer_count - s.layers, backbone.layer_count):
        for part, count in (
            ("quiet", s.quiet),
            ("question", s.store),
            ("right", s.store),
            ("wrong", s.store),
        ):
            found[f"{part}.{layer}"] = torch.randn(count, width, generator=generator)
        shapes = ((s.encoder_width, width), (s.encoder_width,), (width, s.encoder_width), (width,))
        for part in ("truthfulness", "semantic"):
            for number, shape in enumerate(shapes):
                found[f"{part}.{layer}.{number}"] = 0.05 * torch.randn(shape, generator=generator)
    return found


def ready(name: str, backbone: Backbone, cases: Sequence[EditCase]) -> Any:
    """An editor with all that it needs before its first edit."""
    editor = EDITORS.load(name)(**STEPS.get(name, {}))
    if name == "unike":
        editor.load(backbone, random_unike(editor, backbone))
    elif name in ("mend", "ke"):
        editor.load(backbone, editor.fresh(backbone, 0).state_dict())
    elif name == "t-patcher":
        editor.prepare(backbone, cases)
    return editor


def hushed(edit: Edit) -> Edit:
    """The same edit with so little effect that many of them leave the answers, and their lengths, alone."""
    return Edit(tuple(map(_hushed, edit.interventions)), edit.note)


def _hushed(item: Intervention) -> Intervention:
    match item:
        case WeightDelta():
            return replace(item, delta=1e-4 * item.delta)
        case LowRankDelta():
            return replace(item, left=1e-4 * item.left)
        case ExtraNeurons():
            return replace(item, values=1e-4 * item.values)
    return item


def least(repeats: int, work: Callable[[], object]) -> float:
    """Seconds of the quickest of several calls."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def hooks_of(view: Backbone) -> int:
    """Hooks that one call installs."""
    with view._acting():
        modules = view.model.modules()
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules)


def main() -> None:
    """Print one row per method and number of carried edits."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="blip2-opt-mini")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--carried", nargs="+", type=int, default=[1, 20, 60])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    backbone = BACKBONES.load(options.backbone)()
    suite = SUITES.load("picturebook-vqa")()
    train, cases = suite.cases("train")[:40], suite.cases("validation")
    most = max(options.carried)
    queries = [case.request.query for case in cases[most : most + 8]]
    targets = [case.request.target for case in cases[most : most + 8]]
    request = cases[most].request

    print(
        f"{'method':<10}{'carried':>8}{'hooks':>7}{'s to score 8':>14}{'s per edit':>12}{'kB per edit':>13}"
    )
    for name in options.methods:
        editor = ready(name, backbone, train)
        edits = [hushed(editor.edit(backbone, case.request)) for case in cases[:most]]
        for count in options.carried:
            view = backbone.edited(*edits[:count])
            view.score(queries, targets)
            score = least(options.repeats, partial(view.score, queries, targets))
            edit = least(options.repeats, partial(editor.edit, view, request))
            size = edits[0].nbytes / 1000
            print(
                f"{name:<10}{count:>8}{hooks_of(view):>7}{score:>14.3f}{edit:>12.3f}{size:>13.1f}", flush=True
            )


if __name__ == "__main__":
    main()
