"""What UniKE's dynamic gate weighs its memory with, where the paper takes it and elsewhere.

    python benchmarks/alpha.py --backbone minigpt4-mini --suite picturebook-vqa

The paper's alpha (Eq. 7) is one number of a question, taken at its last position; here every position
has its own. For each edited layer and kind of probe, over edits of the validation split: the mean weight
of the memory at the last position of the question, with its standard deviation over questions, and the
mean over all positions. An edit tells its own questions from others only if these differ.
The editor is trained first where `prepare` has not been called.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch
from torch import Tensor

from methods.unike.editor import UniKEEditor
from mmedit_bench.cases import Query
from mmedit_bench.editors import AttentionMemory, Backbone, Edit
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.interventions.recall import Recall
from mmedit_bench.plugins.registry import BACKBONES, SUITES

EDIT = "the edit"


def main() -> None:
    """Prints a line per layer and kind; with --record the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="minigpt4-mini")
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--limit", type=int, default=50, help="Edits.")
    parser.add_argument("--top-k", type=int, help="States of the store that are read; what ships by default.")
    parser.add_argument("--record", type=Path, help="Write what was measured here.")
    given = parser.parse_args()
    suite, backbone = SUITES.load(given.suite)(), BACKBONES.load(given.backbone)()
    options = {} if given.top_k is None else {"top_k": given.top_k}
    order = Order(
        suite=given.suite, backbone=given.backbone, editor="unike", split="validation", options=options
    )
    editor, _ = Workshop().trained(order)
    assert isinstance(editor, UniKEEditor)
    settings = editor.settings(backbone)
    found: dict[tuple[int, str], list[tuple[float, float]]] = defaultdict(list)
    cases = suite.cases("validation")[: given.limit]
    for case in cases:
        memory = Edit(editor._external(backbone, case.request, settings))
        edited = backbone.edited(memory)
        asked = [(EDIT, case.request.query), *((f"{p.kind}/{p.stratum}", p.query) for p in case.probes)]
        for kind, query in asked:
            for layer, weights in gates(edited, memory, query).items():
                found[layer, kind].append((float(weights[-1]), float(weights.mean())))
    rows = [
        {
            "layer": layer,
            "questions": kind,
            "n": len(own),
            "last position": round(mean(last for last, _ in own), 3),
            "deviation": round(pstdev(last for last, _ in own), 3),
            "all positions": round(mean(every for _, every in own), 3),
        }
        for (layer, kind), own in sorted(found.items())
    ]
    for row in rows:
        print(json.dumps(row))
    if given.record:
        head = {
            "backbone": given.backbone, "suite": given.suite, "editor": f"unike {editor.version}",
            "edits": len(cases), "top_k": settings.top_k, "own": settings.own, "rows": rows,
        }  # fmt: skip
        given.record.write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def gates(edited: Backbone, memory: Edit, query: Query) -> dict[int, Tensor]:
    """By layer, the memory's weight at each position of a question, [n]."""
    layers = {own.layer for own in memory.interventions if isinstance(own, AttentionMemory)}
    seen: dict[int, Tensor] = {}
    usual = Recall._weight

    def spied(self: Recall, *args: Any) -> Tensor:
        weight = usual(self, *args)
        seen.setdefault(self._memory.layer, weight[0, :, 0])  # the question; what is decoded comes later
        return weight

    Recall._weight = spied  # type: ignore[method-assign,assignment]
    try:
        edited.answer([query], max_new_tokens=1)
    finally:
        Recall._weight = usual  # type: ignore[method-assign]
    assert seen.keys() == layers
    return seen


if __name__ == "__main__":
    main()
