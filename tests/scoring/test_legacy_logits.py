"""Legacy scores of a real run against the published formulas on the model's own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmedit_bench.backbones.forcing import all_logits
from mmedit_bench.cases import Probe
from mmedit_bench.editors import Backbone, Context, Edit, EditRequest, WeightDelta
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import run
from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.runs.evidence import evidence
from mmedit_bench.runs.folder import read_run
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.score import checked_run
from tests.fakes.tiny_suite import TinySuite
from tests.tiny import FAMILIES, tiny_backbone

IGNORED = -100


class Nudge:
    """A small random change of one layer, and a context before the questions if so set."""

    name = "nudge"
    version = "1"

    def __init__(self, context: bool) -> None:
        self.context = context

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        module = backbone.anatomy.ffn(1)[-1]
        noise = torch.randn(backbone.weight(module).shape, generator=torch.Generator().manual_seed(3))
        told = (Context(f"{request.query.prompt} {request.target}\n"),) if self.context else ()
        return Edit((WeightDelta(module, 0.05 * noise), *told))


def outputs(view: Backbone, probe: Probe) -> tuple[Tensor, Tensor]:
    """Logits [1, N, vocabulary] of question and answer, read alone, and labels [1, N]."""
    rows = view._rows([probe.query], [probe.reference])
    with torch.no_grad(), view._acting():
        (logits,) = all_logits(view.family, view._batch(rows), rows)
    answer = list(rows[0].answer[:-1])  # published code has no end token in its inputs
    labels = torch.tensor([IGNORED] * (len(logits) - len(answer)) + answer)
    return logits[None].float(), labels[None]


def target_accuracy(logits: Tensor, labels: Tensor, exact: bool) -> Tensor:
    """Predictions are those of the position before; over labels, or whole rows."""
    guessed, wanted = logits[:, :-1].argmax(-1), labels[:, 1:]
    counts = wanted != IGNORED
    if exact:
        return ((guessed == wanted) | ~counts).all(-1).float().mean()
    return ((guessed == wanted) & counts).sum() / counts.sum()


def ranked_agreement(before: Tensor, after: Tensor, count: int) -> Tensor:
    """Over all positions that both have from the end, and all ranks."""
    shared = min(before.shape[1], after.shape[1])
    ids = [own[:, -shared:].softmax(-1).topk(count, dim=-1).indices.flatten() for own in (before, after)]
    return (ids[0] == ids[1]).sum() / ids[0].shape[0]


def answer_agreement(before: Tensor, after: Tensor, tokens: int) -> Tensor:
    """The most likely tokens where the reference's are predicted."""
    guessed = [own[:, -tokens - 1 : -1].argmax(-1) for own in (before, after)]
    return (guessed[0] == guessed[1]).float().mean()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("context", [False, True], ids=["weights", "context"])
def test_a_run_scores_as_the_formulas_do(tmp_path: Path, family: str, context: bool) -> None:
    suite, backbone, editor = TinySuite(), tiny_backbone(family), Nudge(context)
    done = run(
        Experiment(
            suite=suite, split="test", backbone=backbone, editor=editor, protocol=OneStep(),
            evidence=evidence(["top10"]),
        ),
        tmp_path,
    )  # fmt: skip
    assert read_run(done.folder).failed == 0
    checked = checked_run(done.folder, suite)
    wanted: dict[str, dict[str, list[float]]] = {}
    for case in suite.cases("test"):
        view = backbone.edited(editor.edit(backbone, replace(case.request, id="it")))
        for probe in case.probes:
            (before, labels), (after, own) = outputs(backbone, probe), outputs(view, probe)
            assert (after.shape[1] > before.shape[1]) == context
            token, exact = (target_accuracy(after, own, exact) for exact in (False, True))
            tokens = int((labels != IGNORED).sum())
            by_kind = ranked_agreement(before, after, 1 if probe.kind == "text_locality" else 10)
            answers, ten = answer_agreement(before, after, tokens), ranked_agreement(before, after, 10)
            lines = {
                "legacy_trainer_exact": (exact, by_kind),
                "legacy_trainer_token": (token, by_kind),
                "legacy_editor": (token, answers),
                "legacy_editor_ike": (token, ten),
                "liveedit": (token, answers),
            }
            for name, (change, keep) in lines.items():
                number = keep if probe.kind.endswith("locality") else change
                wanted.setdefault(name, {}).setdefault(f"{probe.kind}/main", []).append(number.item())
    some = set()
    for name, columns in wanted.items():
        values = edit_values(checked, name)
        for column, numbers in columns.items():
            found = values.values[:, values.columns.index(column)]
            assert torch.equal(torch.tensor(found).float(), torch.tensor(numbers))  # to the bit
            some.update(numbers)
    assert len(some) > 3  # the edit did something, and not everything
