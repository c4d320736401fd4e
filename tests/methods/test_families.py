"""Every shipped editor on every known family, in full and half precision and on the device it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import methods.unike.editor
from methods.unike.intrinsic import Pairs
from mmedit_bench.cases import Query
from mmedit_bench.editors import Backbone
from mmedit_bench.harness.training import Training
from tests.methods.placement import Misplaced, Placement
from tests.methods.test_contract import QUICK, editor_named, ready
from tests.tiny import KNOWN, tiny_backbone, tiny_cases

CASES = tiny_cases(3, "test")
ASKED = [case.request.query for case in CASES]
CUDA = pytest.param(
    "cuda",
    marks=(pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
)
QUICKER = ("ft", "ft-vision", "projector", "lora", "t-patcher", "unike", "unike-as-printed")
MOVES = {name: {"lr": 0.1} for name in QUICKER} | {
    "ft-l": {"lr": 0.1, "epsilon": 0.1},
    "mend": {"edit_lr": 1.0},
}
"""Options with which a few steps on a random model are seen in what it says."""


def seen(backbone: Backbone) -> list[Any]:
    """What can be seen of an edit: answers, and predictions at the targets."""
    forced = backbone.score(ASKED, [case.request.target for case in CASES])
    return [backbone.answer(ASKED, 4), [own.logprobs for own in forced], [own.argmax_ids for own in forced]]


def quick(name: str, backbone: Backbone) -> Any:
    """An editor that is ready, on eight training cases."""
    editor = editor_named(name, **MOVES.get(name, {}))
    train = tiny_cases(8)
    if hasattr(editor, "train"):
        editor.load(backbone, editor.train(backbone, train, Training(seed=0)))
    if hasattr(editor, "prepare"):
        editor.prepare(backbone, train)
    return editor


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", KNOWN)
@pytest.mark.parametrize("name", QUICK)
def test_every_editor_edits_every_family(name: str, family: str, dtype: str, device: str) -> None:
    backbone = tiny_backbone(family, max_positions=1024, dtype=dtype, device=device)
    digest, versions, bare = backbone.digest, backbone.versions(), seen(backbone)
    with Placement():
        editor = quick(name, backbone)
        edit = editor.edit(backbone, CASES[0].request)
        edited = seen(backbone.edited(edit))
    assert (backbone.digest, backbone.versions()) == (digest, versions)
    assert seen(backbone) == bare, "dropping the edit restores every answer"
    for item in edit.interventions:
        for tensor in item.tensors().values():
            assert tensor.device.type == device
            assert tensor.isfinite().all()
    if name not in ("null", "serac", "serac-legacy", "ike-memory"):  # gates of a random model may stay shut
        assert edited != bare
    view = backbone
    with Placement():
        for case in CASES:
            if name == "copy-target" and view.edits:
                break  # answers everything already
            view = view.edited(editor.edit(view, case.request))
        assert len(view.answer(ASKED, 4)) == len(ASKED)
    assert seen(view.unedited()) == bare


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(
    "options",
    [
        {"init": "random"},
        {"init": "random", "optimiser": "sgd"},
        {"zeta": "random"},
        {"zeta": "semantic"},
        {"zeta": "none", "gate": "mass"},
        {"external": "context"},
        {"own": "none", "gate": "fixed"},
    ],
)
def test_ablations_of_unike_run_in_half_precision_on_the_backbones_device(
    options: dict[str, Any], device: str
) -> None:
    backbone = tiny_backbone("llama", max_positions=1024, dtype="bfloat16", device=device)
    train = tiny_cases(8)
    with Placement():
        editor = editor_named("unike", **options)
        editor.load(backbone, editor.train(backbone, train, Training(seed=0)))
        editor.prepare(backbone, train)
        edit = editor.edit(backbone, CASES[0].request)
        assert len(backbone.edited(edit).answer(ASKED, 4)) == len(ASKED)


# ---- the second device is a real hindrance


def test_a_tensor_made_without_the_device_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """UniKE's random pairs as they once were: zeros without a device."""
    source = (
        "import torch\n"
        "def pairs(layer, width, count, gated, generator, device):\n"
        "    keys = ((torch.rand(count, width, generator=generator) * 2 - 1) / width**0.5).to(device)\n"
        "    up = keys.clone() if gated else None\n"
        "    return Pairs(layer, keys, torch.zeros(count), torch.zeros_like(keys), up)\n"
    )
    made: dict[str, Any] = {"Pairs": Pairs}
    exec(compile(source, f"{methods.__path__[0]}/unike/old.py", "exec"), made)
    monkeypatch.setattr(methods.unike.editor, "pairs_at_random", made["pairs"])
    backbone = tiny_backbone("llama", max_positions=1024)
    editor = ready("unike", backbone, 8)
    editor.options = dict(editor.options) | {"init": "random"}
    with Placement(), pytest.raises(Misplaced, match=r"of \(3,\), made without the backbone's device"):
        editor.edit(backbone, CASES[0].request)


CALLS: dict[str, tuple[str, bool]] = {
    "zeros beside weights": ("torch.zeros(4) + w", False),
    "in a list": ("torch.stack([w, torch.ones(4)])", False),
    "by way of others": ("(torch.eye(4) * 2)[0] @ w", False),
    "through a parameter": ("torch.nn.Parameter(torch.ones(4)) * w", False),
    "through a module": ("torch.nn.Linear(4, 2)(w)", False),
    "changing the type only": ("torch.arange(4).to(torch.float32) * w", False),
    "to another homeless one": ("torch.ones(4).to(torch.zeros(4)) * w", False),
    "with a device": ("torch.zeros(4, device=w.device) + w", True),
    "like another": ("torch.zeros_like(w) + w", True),
    "moved": ("torch.ones(4).to(w) * w", True),
    "moved by name": ("torch.ones(4).to(w.device) * w", True),
    "a module moved": ("torch.nn.Linear(4, 2).to(w.device)(w)", True),
    "a bare number": ("torch.tensor(2.0) * w", True),
    "as an index": ("w[torch.tensor([0, 2])]", True),
    "apart from weights": ("torch.linspace(0, 1, 4) * torch.ones(4)", True),
}


@pytest.mark.parametrize("what", CALLS)
def test_what_placement_lets_pass(what: str) -> None:
    source, fine = CALLS[what]
    made: dict[str, Any] = {"torch": torch}
    code = f"def call(w):\n    return {source}\n"
    exec(compile(code, f"{methods.__path__[0]}/some/method.py", "exec"), made)
    call: Callable[[Tensor], Tensor] = made["call"]
    w = torch.ones(4)
    with Placement():
        if fine:
            assert call(w) is not None
        else:
            with pytest.raises(Misplaced, match="made without the backbone's device"):
                call(w)


def test_code_that_is_no_method_is_left_alone() -> None:
    with Placement():
        assert (torch.zeros(4) + Query("x").prompt.__len__()).sum() == 4
