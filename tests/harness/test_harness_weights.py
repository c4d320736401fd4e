"""The harness with a real (tiny, random) backbone: every way to write to its weights is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mmedit_bench.editors import Backbone, Context, Edit, EditCase, EditRequest, LowRankDelta, Probe
from mmedit_bench.errors import WeightsChanged
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import run
from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.runs.folder import read_run
from tests.fakes.experiment import baseline_of, contents, reachable
from tests.fakes.tiny_suite import TinySuite
from tests.tiny import FAMILIES, tiny_backbone


def in_place(model: Any) -> None:
    with torch.no_grad():
        next(model.parameters()).add_(0.01)


def optimiser(model: Any) -> None:
    parameter = next(model.parameters())
    parameter.requires_grad_(True)
    parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD([parameter], lr=1e-3).step()
    parameter.requires_grad_(False)


def through_data(model: Any) -> None:
    next(model.parameters()).data.mul_(1.01)


def other_data(model: Any) -> None:
    parameter = next(model.parameters())
    parameter.data = parameter.data + 0.01


def load_state_dict(model: Any) -> None:
    model.load_state_dict({name: value * 1.01 for name, value in model.state_dict().items()})


def load_and_assign(model: Any) -> None:
    model.load_state_dict({name: value * 1.01 for name, value in model.state_dict().items()}, assign=True)


def new_parameter(model: Any) -> None:
    norm = model.language_model.get_submodule("model.decoder.layers.0.self_attn_layer_norm")
    norm.weight = torch.nn.Parameter(norm.weight * 1.5, requires_grad=False)


def hook(model: Any) -> None:
    model.language_model.lm_head.register_forward_hook(lambda module, inputs, output: -output)


def patched(model: Any) -> None:
    head = model.language_model.lm_head
    forward = head.forward
    head.forward = lambda hidden: -forward(hidden)


WRITES = [
    in_place,
    optimiser,
    through_data,
    other_data,
    load_state_dict,
    load_and_assign,
    new_parameter,
    hook,
    patched,
]


class Writer:
    """Honest at first, then writes to the model."""

    name = "writer"
    version = "1"

    def __init__(self, write: Any, when: int = 1) -> None:
        self._write = write
        self._when = TinySuite().cases("test")[when].request.query

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if request.query == self._when:
            self._write(backbone.model)
        return Edit((Context(f"{request.query.prompt} {request.target}\n"),))


def experiment(editor: Any, family: str = "opt") -> Experiment:
    return Experiment(
        suite=TinySuite(),
        split="test",
        backbone=tiny_backbone(family),
        editor=editor,
        protocol=OneStep(),
        limit=2,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for runs, kept over tests so that answers before the edit are asked once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def out(shared: Path) -> Path:
    """The same without the runs of earlier tests."""
    for folder in shared.glob("tiny--*"):
        shutil.rmtree(folder)
    return shared


@pytest.fixture(scope="module")
def clean(shared: Path) -> bytes:
    """Predictions of an editor that never writes."""
    return contents(run(experiment(Writer(lambda model: None)), shared))[1]


@pytest.mark.parametrize("write", WRITES)
def test_every_way_to_write_is_noticed(clean: bytes, out: Path, write: Any) -> None:
    with pytest.raises(WeightsChanged, match="editor writer"):
        run(experiment(Writer(write)), out, policy=ProofPolicy(share=1e-9))
    (folder,) = out.glob("tiny--*")
    assert [record.case for record in read_run(folder).asks] == ["test-0"]
    assert clean.startswith((folder / "predictions.jsonl").read_bytes())


@pytest.mark.parametrize("write", [through_data, hook])
def test_the_first_unit_is_checked_too(out: Path, write: Any) -> None:
    with pytest.raises(WeightsChanged):
        run(experiment(Writer(write, when=0)), out)
    (folder,) = out.glob("tiny--*")
    assert read_run(folder).segments == ()


class RandomDelta:
    """A weight delta with random entries, to see seeds at work."""

    name = "random-delta"
    version = "1"

    def __init__(self, found: list[object] | None = None) -> None:
        self._found = found

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if self._found is not None:
            self._found += reachable(backbone, request)
        module = "language_projection"
        out, into = backbone.weight(module).shape
        return Edit((LowRankDelta(module, torch.randn(out, 1), torch.randn(1, into)),))


@pytest.mark.parametrize("family", FAMILIES)
def test_runs_and_resumes_to_the_same_bytes(out: Path, family: str) -> None:
    done = run(experiment(RandomDelta(), family), out)
    assert (done.status, done.failed) == ("complete", 0)
    expected = contents(done)
    predictions = done.folder / "predictions.jsonl"
    for size in (0, len(expected[1]) - 1):
        predictions.write_bytes(expected[1][:size])
        assert contents(run(experiment(RandomDelta(), family), out)) == expected
    before = baseline_of(out, done)
    assert any(
        now.reading.answer != then.reading.answer
        for ask in read_run(done.folder).asks
        for now, then in zip(ask.probes, before.probes[ask.case], strict=True)
    )


def test_a_backbone_leads_to_no_probe(out: Path) -> None:
    found: list[object] = []
    run(experiment(RandomDelta(found)), out)
    kinds = {type(item) for item in found}
    assert {EditRequest, Backbone, torch.nn.Parameter} <= kinds
    assert not {Probe, EditCase, TinySuite} & kinds
