"""UniKE's truthfulness space against what is true: in its store, and on questions it never saw.

    python benchmarks/truthfulness.py --backbone minigpt4-mini --suite picturebook-vqa --set anchor=true

Picturebook knows what is true of every request; an editor is not told. For each edited layer: the
silhouette (cosine, -1 to 1) of true against false answers' codes, the cosine of zeta with the
difference of their means, and the share of questions whose true answer lies further along zeta than
the false one; over the store, which the encoders were trained on, and over the validation split.
Further, how long zeta is and where the encoders' losses ended.
The editor is trained first where `prepare` has not been called.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.metrics import silhouette_score
from torch import Tensor
from torch.nn.functional import cosine_similarity

from methods.unike.editor import UniKEEditor
from methods.unike.encoders import encode
from methods.unike.triplets import Triplet, triplets
from mmedit_bench.cases import EditCase
from mmedit_bench.cli.run import parsed
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.plugins.registry import BACKBONES, SUITES
from mmedit_bench.reproduce.latent_spaces import POINTS


def main() -> None:
    """Prints a line per layer; with --record the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", default="minigpt4-mini")
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--set", action="append", default=[], help="An option of the editor, name=value.")
    parser.add_argument("--record", type=Path, help="Write what was measured here.")
    given = parser.parse_args()
    suite, backbone = SUITES.load(given.suite)(), BACKBONES.load(given.backbone)()
    order = Order(
        suite=given.suite, backbone=given.backbone, editor="unike", split="validation",
        options=parsed(given.set),
    )  # fmt: skip
    editor, artefact = Workshop().trained(order)
    assert isinstance(editor, UniKEEditor) and editor._learned is not None and artefact is not None
    curves = json.loads((artefact.folder / "artefact.json").read_text(encoding="utf-8"))["curves"]
    last = curves["encoders"][-1]
    learned = editor._learned
    train, held_out = suite.cases("train"), _judged(backbone, suite.cases("validation"))
    truths = {case.request.query: truth(case.id) for case in train}
    told = triplets(backbone, train)[: editor.settings(backbone).store]
    rows = []
    for layer, states in sorted(learned.store.states.items()):
        weights, path = learned.encoders[layer].truthfulness, backbone.anatomy.attention(layer)
        true, false = encode(weights, states.right), encode(weights, states.wrong)
        zeta = true.mean(0) - false.mean(0)
        queries = [own.query for own in held_out]
        unseen = [
            encode(weights, torch.stack([own[path][-1] for own in read]).float())
            for answers in ([own.right for own in held_out], [own.wrong for own in held_out])
            for read in [backbone.states(queries, answers, [path])]
        ]
        rows.append(
            {
                "layer": layer,
                "losses": {name: round(last[f"{name}.{layer}"], 2) for name in ("L1", "L2")},
                "length of zeta": round(float(zeta.norm()), 2),
                "store": _described(zeta, true, false),
                "validation": _described(zeta, *unseen),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    found = {
        "backbone": given.backbone,
        "suite": given.suite,
        "editor": f"unike {editor.version}",
        "options": dict(order.options),
        "triplets": len(told),
        "true answers that are true": sum(_same(own.right, truths[own.query]) for own in told),
        "false answers that are false": sum(not _same(own.wrong, truths[own.query]) for own in told),
        "validation questions": len(held_out),
        "layers": rows,
    }
    print(json.dumps({name: value for name, value in found.items() if name != "layers"}))
    if given.record:
        given.record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def truth(id: str) -> str:
    """What is true of the request of a case."""
    data = files.load()
    edit = next(edit for edit in data.edits if edit.id == id)
    thing = next(own for own in data.entities if own.id == edit.picture.split("/")[0])
    if edit.relation == "caption":
        return thing.caption
    fact = thing.fact(edit.relation)
    assert fact is not None, id
    return fact.value


def _judged(backbone: Any, cases: Sequence[EditCase]) -> list[Triplet]:
    """Each question with the truth, and with the backbone's mistake or a counterfactual's target."""
    answers = backbone.answer([case.request.query for case in cases])
    found = []
    for case, own in zip(cases, answers, strict=True):
        right, wrong = truth(case.id), own if case.sort == "correction" else case.request.target
        if not _same(right, wrong):
            found.append(Triplet(case.request.query, right, wrong))
    return found


def _described(zeta: Tensor, true: Tensor, false: Tensor) -> dict[str, float]:
    few = [own[:POINTS].detach().double() for own in (true, false)]  # as figure 5
    codes, sorts = torch.cat(few), [number for number, own in enumerate(few) for _ in own]
    return {
        "silhouette": round(float(silhouette_score(codes.numpy(), sorts, metric="cosine")), 3),
        "cosine of zeta": round(float(cosine_similarity(zeta, true.mean(0) - false.mean(0), dim=0)), 3),
        "ordered": round(float((((true - false) @ zeta) > 0).float().mean()), 3),
    }


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


if __name__ == "__main__":
    main()
