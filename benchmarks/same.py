"""What is read once, replayed and continued, against plain passes: does any answer or token differ?

    python benchmarks/same.py [blip2-opt-mini minigpt4-mini] [--cases 50] [--editors null ft ...]

For every case of Picturebook an edit is made twice, with and without anything remembered; the two
must be equal to the bit. Then all probes are asked as `harness.asking` does, and plainly: answers
token by token with all rows of the batch, teacher forcing on whole inputs, every layer, contexts
included. Trainings are short: equality does not ask how good an editor is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.decoding import greedy
from mmedit_bench.backbones.forcing import answer_logits, forced
from mmedit_bench.backbones.inputs import by_length
from mmedit_bench.cases import EditCase, Query
from mmedit_bench.harness.training import Training
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES

OPTIONS: dict[str, dict[str, Any]] = {
    "mend": {"steps": 20},
    "serac": {"scope_steps": 60, "steps": 60},
    "unike": {"encoder_steps": 20, "store": 100, "quiet": 30},
}
NAMES = ("null", "ft", "t-patcher", "mend", "unike", "serac", "ike")
TRAIN = 120
"""Train cases that an editor is prepared and trained on."""
SUITES_ASKED = ("picturebook-vqa", "picturebook-caption")


def ready(name: str, backbone: Backbone, train: Sequence[EditCase]) -> Any:
    """An editor, trained a little."""
    editor = EDITORS.load(name)(**OPTIONS.get(name, {}))
    if hasattr(editor, "train"):
        editor.load(backbone, editor.train(backbone, train, Training(seed=0)))
    if hasattr(editor, "prepare"):
        editor.prepare(backbone, train)
    return editor


@torch.no_grad()
def plainly(
    view: Backbone, queries: Sequence[Query], targets: Sequence[str], most: int = 48
) -> dict[int, tuple[str, Any]]:
    """Answers and readings of the queries that no route answers, with nothing shared or left out."""
    routed = view._routed(queries)
    left = [i for i in range(len(queries)) if i not in routed]
    whole = view._rows([queries[i] for i in left], [targets[i] for i in left])
    rows = [row.question for row in whole]
    texts, readings = {}, {}
    with view._acting():
        for chosen in by_length(rows, view.batch_size):
            part = [rows[i] for i in chosen]
            prompted = view._passes.prompted(part, 0, view._batch)
            for i, ids in zip(chosen, greedy(prompted, view._room(part, most), shrink=False), strict=True):
                texts[left[i]] = view._text(ids)
        for chosen in by_length(whole, view.batch_size):
            part = [whole[i] for i in chosen]
            for i, own in zip(chosen, answer_logits(view.family, view._batch(part), part), strict=True):
                readings[left[i]] = forced(own, whole[i].answer)
    return {i: (texts[i], readings[i]) for i in left}


def compared(backbone: Backbone, name: str, suite_name: str, count: int) -> tuple[int, int, int, float]:
    """Probes asked, edits that differ, replies that differ, and the largest distance of a log-probability."""
    suite, kept = SUITES.load(suite_name)(), backbone._passes.kept
    limit = kept.limit
    editor = ready(name, backbone, suite.cases("train")[:TRAIN])
    asked, edits, replies, distance = 0, 0, 0, 0.0
    for case in suite.cases("validation")[:count]:
        kept.clear()
        edit = editor.edit(backbone, case.request)
        kept.clear()
        kept.limit = 0
        edits += editor.edit(backbone, case.request).to_bytes() != edit.to_bytes()
        kept.limit = limit
        queries, targets = [p.query for p in case.probes], [p.reference for p in case.probes]
        view = backbone.edited(edit)
        plain = plainly(view, queries, targets)
        for _ in range(2):  # met first, and met again
            found = view.read(queries, targets)
            for i, (text, reading) in plain.items():
                replies += (text, reading.argmax_ids) != (found[i][0], found[i][1].argmax_ids)
                pairs = zip(reading.logprobs, found[i][1].logprobs or (), strict=True)
                distance = max([distance, *(abs(a - b) for a, b in pairs)])
        asked += len(plain)
    return asked, edits, replies, distance


def main() -> None:
    """One row per backbone, suite and editor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbones", nargs="*", default=["blip2-opt-mini", "minigpt4-mini"])
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--editors", nargs="*", default=list(NAMES))
    parser.add_argument("--suites", nargs="*", default=list(SUITES_ASKED))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'backbone':<16}{'suite':<22}{'editor':<12}{'probes':>7}{'edits':>7}{'replies':>9}{'logprob':>10}"
    )
    for named in options.backbones:
        backbone = BACKBONES.load(named)()
        for suite in options.suites:
            for name in options.editors:
                asked, edits, replies, distance = compared(backbone, name, suite, options.cases)
                print(
                    f"{named:<16}{suite:<22}{name:<12}{asked:>7}{edits:>7}{replies:>9}{distance:>10.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
