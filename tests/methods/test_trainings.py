"""Every parameter that a training owns is moved by it, before the first edit and in each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mmedit_bench.editors import AttentionMemory, Codebook, Edit, Preparing, Trained
from mmedit_bench.harness.training import Step, Training
from mmedit_bench.plugins.registry import EDITORS
from tests.methods.test_contract import QUICK
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

TRAINED = [name for name in EDITORS.names() if hasattr(EDITORS.load(name), "train")]
"""Of the installed editors, whatever they come from."""

LENGTH = {"steps": 6, "scope_steps": 6, "encoder_steps": 6}
"""A few steps more than the contract's: what begins at zero may hold up others for one."""


class Watched(Training):
    """Notes which parameters are as they were before: of the module, and of the optimisers besides."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.owned: list[str] = []
        self.unmoved: list[str] = []

    def run(
        self,
        steps: int,
        step: Step,
        *,
        module: nn.Module,
        optimisers: Sequence[Optimizer] = (),
        label: str = "train",
    ) -> None:
        """As of a training; frozen parameters of the module are watched too."""
        parameters = {f"{label}.{name}": own for name, own in module.named_parameters()}
        known = set(map(id, parameters.values()))
        for number, optimiser in enumerate(optimisers):
            loose = [
                own for group in optimiser.param_groups for own in group["params"] if id(own) not in known
            ]
            parameters |= {f"{label}.optimiser {number}.{i}": own for i, own in enumerate(loose)}
        before = {name: own.detach().clone() for name, own in parameters.items()}
        super().run(steps, step, module=module, optimisers=optimisers, label=label)
        self.owned += parameters
        self.unmoved += [name for name, own in parameters.items() if torch.equal(own.detach(), before[name])]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", TRAINED)
def test_a_training_moves_each_parameter_that_it_owns(name: str, family: str) -> None:
    backbone, cases, quick = tiny_backbone(family, max_positions=1024), tiny_cases(12), QUICK.get(name, {})
    editor = EDITORS.load(name)(**quick | {key: LENGTH[key] for key in LENGTH.keys() & quick.keys()})
    training = Watched()
    editor.train(backbone, cases, training)
    assert training.owned, "nothing was trained"
    assert training.unmoved == []


FITTED = (
    "ft",
    "ft-vision",
    "ft-l",
    "projector",
    "lora",
    "t-patcher",
    "grace",
    "wise",
    "unike",
    "unike-as-printed",
)
"""Editors that fit an edit to its request."""
GIVEN = ("keys", "radii")
"""Of an entry of a codebook."""


def fitted(edit: Edit) -> dict[str, Tensor]:
    """What an edit's fitting owns, by intervention and name."""
    found = {}
    for number, item in enumerate(edit.interventions):
        given = {Codebook: GIVEN, AttentionMemory: item.tensors()}.get(type(item), ())
        found |= {f"{number}.{name}": own for name, own in item.tensors().items() if name not in given}
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FITTED)
def test_an_edit_moves_each_tensor_that_it_fits(name: str, family: str) -> None:
    backbone, request = tiny_backbone(family), tiny_cases(1, "test")[0].request
    edits = []
    for steps in (0, 4):
        editor = EDITORS.load(name)(**QUICK[name] | {"steps": steps})
        if isinstance(editor, Trained):
            editor.load(backbone, editor.train(backbone, tiny_cases(8), Training(seed=0)))
        if isinstance(editor, Preparing):
            editor.prepare(backbone, tiny_cases(8))
        edits.append(editor.edit(backbone, request))
    begun, ended = map(fitted, edits)
    assert begun.keys() == ended.keys() and begun
    assert [name for name, own in begun.items() if torch.equal(own, ended[name])] == []


def test_a_parameter_that_stays_is_named() -> None:
    module = nn.ParameterDict({"moving": nn.Parameter(torch.ones(2)), "frozen": nn.Parameter(torch.ones(2))})
    module["frozen"].requires_grad_(False)
    outside, dead = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([module["moving"], outside, dead], lr=0.1)

    def step(index: int, rng: object) -> dict[str, float]:
        optimiser.zero_grad()
        loss = module["moving"].sum() + outside.sum() + dead.relu().sum()  # relu has no gradient at zero
        loss.backward()
        optimiser.step()
        return {"loss": loss.item()}

    training = Watched()
    training.run(2, step, module=module, optimisers=[optimiser])
    assert training.unmoved == ["train.frozen", "train.optimiser 0.1"]
