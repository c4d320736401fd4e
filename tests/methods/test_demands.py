"""What editors say they take, held to what they take at small size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from mmedit_bench.backbones.demand import DEMANDS, Demand, Load, demand_of
from mmedit_bench.backbones.loads import counted
from mmedit_bench.backbones.memory import Memory
from mmedit_bench.backbones.shape import ONE_SIZE, Shape
from mmedit_bench.editors import Backbone, EditCase, Trained
from mmedit_bench.harness.training import Training
from tests.methods.test_contract import QUICK, TRAINED, editor_named, ready
from tests.tiny import KNOWN, tiny_backbone, tiny_cases

CONTEXTS = ("ike", "ike-legacy", "ike-memory")
"""Editors whose edits hold demonstrations: how long these are is another case's matter."""


def set_up(family: str) -> tuple[Backbone, Shape, EditCase, Load]:
    backbone = tiny_backbone(family, max_positions=1024)
    (case,) = tiny_cases(1, "test")
    return (
        backbone,
        Shape.of(backbone.name, backbone.model),
        case,
        counted(backbone, tiny_cases(12), [case]),
    )


def told(name: str, shape: Shape, load: Load) -> Demand:
    demand = demand_of(editor_named(name), shape, load)
    assert demand is not None
    return demand


@contextmanager
def optimisers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.optim.Optimizer]]:
    """All optimisers that are made inside."""
    made: list[torch.optim.Optimizer] = []
    begin = torch.optim.Optimizer.__init__

    def seen(self: torch.optim.Optimizer, *given: Any, **more: Any) -> None:
        begin(self, *given, **more)
        made.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Optimizer, "__init__", seen)
        yield made


def numbers(found: list[torch.optim.Optimizer]) -> int:
    return sum(p.numel() for own in found for group in own.param_groups for p in group["params"])


def moments(found: list[torch.optim.Optimizer]) -> int:
    """Numbers that optimisers hold, steps aside."""
    held = (t for own in found for state in own.state.values() for key, t in state.items() if key != "step")
    return sum(t.numel() for t in held if isinstance(t, torch.Tensor))


def test_every_shipped_editor_says_what_it_takes() -> None:
    assert set(DEMANDS.names()) == set(QUICK)
    assert {DEMANDS.entry(name).distribution for name in QUICK} == {"mmedit-bench"}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("family", ["opt", "llama"])
def test_an_edit_is_as_large_as_told(name: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, shape, case, load = set_up(family)
    demand, editor = told(name, shape, load), ready(name, backbone)
    with optimisers(monkeypatch) as made:
        edit = editor.edit(backbone, case.request)
    if name in CONTEXTS:
        assert 0.5 < edit.nbytes / demand.edit.nbytes < 2
        longest = backbone.edited(edit).input_lengths([case.request.query], [case.request.target])
        assert 0.5 < (longest[0] - load.tokens) / demand.context < 2 or name == "ike-memory"
    else:
        assert edit.nbytes == demand.edit.nbytes
        assert edit.parameter_count == demand.edit.parameter_count
        assert edit.first_layer(backbone.anatomy) == demand.edit.first_layer(backbone.anatomy)
        changed = (path for item in edit.interventions for path in item.modules(backbone.anatomy))
        assert demand.modules(shape) == tuple(dict.fromkeys(changed))
    assert numbers(made) == (demand.fit.numbers if demand.fit else 0)
    if demand.fit:
        assert moments(made) == demand.fit.moments * demand.fit.numbers
        assert demand.fit.steps >= int(edit.note["steps"])
        times, layers = demand.backward(shape.layer_count)
        assert times == demand.fit.steps and 1 <= layers <= shape.layer_count
        (layer,) = {own.layer for own in demand.fit.passes}
        assert layer is not None
        assert layer <= (demand.edit.first_layer(backbone.anatomy) or 0)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("family", ["opt", "llama"])
def test_a_training_is_as_large_as_told(name: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, shape, _, load = set_up(family)
    demand, editor = told(name, shape, load), editor_named(name)
    assert isinstance(editor, Trained)
    with optimisers(monkeypatch) as made:
        found = editor.train(backbone, tiny_cases(12), Training(seed=0))
    assert numbers(made) == sum(own.numbers for own in demand.learned)
    if name != "ke":  # its two multipliers go without
        assert moments(made) == sum(own.moments * own.numbers for own in demand.learned)
    held = sum(tensor.nbytes for tensor in found.values())
    if name.startswith("unike"):  # how many questions have a true and a false answer is the data's matter
        assert 0.5 * demand.held < held <= demand.held
    else:
        assert held == demand.held


@pytest.mark.parametrize("family", KNOWN)
def test_a_shape_is_that_of_the_model(family: str) -> None:
    backbone, shape, _, load = set_up(family)
    assert shape.parameters == sum(p.numel() for p in backbone.model.parameters())
    assert shape.nbytes == sum(t.nbytes for t in (*backbone.model.parameters(), *backbone.model.buffers()))
    assert load.picture > 0 and (shape.picture_tokens or load.picture) == load.picture
    assert (shape.picture_tokens is None) == (backbone.model.config.model_type not in ONE_SIZE)
    assert (shape.width, shape.vocabulary) == tuple(reversed(backbone.family.embedding.weight.shape))
    assert shape.max_positions == backbone.max_positions
    memory = Memory(shape, load)
    for name in QUICK:
        demand = told(name, shape, load)
        if name in ("ft-vision", "projector", "mend", "ike"):  # each sort of pass
            assert memory.need(demand).total > shape.nbytes


def test_an_editor_of_which_nobody_says_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shape, _, load = set_up("opt")
    editor = editor_named("null")
    monkeypatch.setattr(editor, "name", "theirs", raising=False)
    assert demand_of(editor, shape, load) is None
