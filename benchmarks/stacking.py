"""Twenty edits of `unike` at once: memories folded, stacked one after the other, and left out.

    python benchmarks/stacking.py

Shares of edited questions answered with the target, and of locality questions answered as before.
The training is short (300 train cases, 150 steps), so the figures say which way is better, not how
good the editor is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mmedit_bench.editors import AttentionMemory, Backbone, Edit, EditCase, Query
from mmedit_bench.harness.training import Training
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES

OPTIONS = {"encoder_steps": 150, "store": 200, "quiet": 100}
COUNT = 20


def stacked(backbone: Backbone, edits: Iterable[Edit]) -> Backbone:
    """A view in which every edit keeps its own hooks, and the first one the store."""
    view = backbone.unedited()
    items = [(n, item) for n, edit in enumerate(edits) for item in edit.interventions]
    view._settled = tuple(
        replace(item, banks=(), top_k=0) if n and isinstance(item, AttentionMemory) else item
        for n, item in items
    )
    return view


def without(edit: Edit) -> Edit:
    """The edit's pairs alone."""
    return Edit(tuple(item for item in edit.interventions if not isinstance(item, AttentionMemory)))


def agreeing(view: Backbone, queries: list[Query], wanted: list[str]) -> float:
    """Share of the queries that are answered as wanted."""
    return sum(a == b for a, b in zip(view.answer(queries), wanted, strict=True)) / len(queries)


def main() -> None:
    """Print one row per weight of the pairs' memory loss and way of acting."""
    backbone, suite = BACKBONES.load("blip2-opt-mini")(), SUITES.load("picturebook-vqa")()
    editor = EDITORS.load("unike")
    learned = editor(**OPTIONS).train(backbone, suite.cases("train")[:300], Training(seed=0))
    cases: tuple[EditCase, ...] = suite.cases("validation")[: 2 * COUNT]
    known = backbone.answer([case.request.query for case in cases])
    needed = [case for case, text in zip(cases, known, strict=True) if text != case.request.target][:COUNT]
    asked, targets = [c.request.query for c in needed], [c.request.target for c in needed]
    kept = [p.query for c in needed for p in [p for p in c.probes if p.kind.endswith("_locality")][:2]]
    before = backbone.answer(kept)

    print(f"{'memory_weight':>13}  {'memories':<8}{'reliability':>13}{'locality':>10}")
    for weight in (0.003, 0.03):
        made = editor(**OPTIONS, memory_weight=weight)
        made.load(backbone, learned)
        view = backbone
        for case in needed:
            view = view.edited(made.edit(view, case.request))
        ways = {
            "folded": view,
            "stacked": stacked(backbone, view.edits),
            "none": backbone.edited(*map(without, view.edits)),
        }
        for name, acting in ways.items():
            reliability, locality = agreeing(acting, asked, targets), agreeing(acting, kept, before)
            print(f"{weight:>13}  {name:<8}{reliability:>13.3f}{locality:>10.3f}", flush=True)


if __name__ == "__main__":
    main()
