"""A model on several devices does what it does on one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.placement import Mover, _numbered, altered, automatic, read_map, spread
from mmedit_bench.cases import Query
from mmedit_bench.editors import LowRankDelta
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit
from tests.backbones.test_replay import QUERIES, TARGETS, delta_at, remembered
from tests.methods.test_contract import QUICK
from tests.methods.test_families import ASKED, CASES, quick
from tests.tiny import KNOWN, tiny_backbone

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def split(backbone: Backbone, first: str, second: str) -> dict[str, str]:
    """The upper half of the text model on the second device, all else on the first.

    The head goes along, unless it is one weight with the embeddings.
    """
    layout = backbone.anatomy
    tied = backbone.model.get_input_embeddings().weight is backbone.model.get_submodule(layout.head).weight
    upper = (layout.layer(1), *(() if tied else (layout.final_norm, layout.head)))
    return {"": first, **dict.fromkeys(upper, second)}


def placed(family: str, first: str, second: str) -> Backbone:
    backbone = tiny_backbone(family, max_positions=1024)
    spread(backbone.model, split(backbone, first, second), first)
    parts = (backbone.model, backbone.tokenizer, backbone.image_processor)
    return Backbone(backbone.name, *parts, template=backbone.template)


@pytest.mark.parametrize("family", KNOWN)
def test_hooks_of_a_map_change_nothing_and_hide_no_layer_from_replay(family: str) -> None:
    plain, mapped = tiny_backbone(family, max_positions=1024), placed(family, "cpu", "cpu:0")
    assert any(isinstance(h, Mover) for m in mapped.model.modules() for h in m._forward_pre_hooks.values())
    assert not any(map(altered, mapped.model.modules()))
    assert mapped.digest == plain.digest
    assert mapped.answer(QUERIES, 5) == plain.answer(QUERIES, 5)
    edit = Edit((delta_at(plain, 1),))
    for one, two in zip(
        mapped.logits(QUERIES, TARGETS, edit), plain.logits(QUERIES, TARGETS, edit), strict=True
    ):
        assert torch.equal(one, two)
    assert remembered(mapped), "layers below an edit stand still the next time"


def test_each_outermost_part_on_one_device_fetches_its_inputs() -> None:
    backbone = placed("llama", "cpu", "cpu:0")
    movers = {
        name
        for name, module in backbone.model.named_modules()
        if any(isinstance(hook, Mover) for hook in module._forward_pre_hooks.values())
    }
    text = "language_model.model"
    assert {f"{text}.layers.0", f"{text}.layers.1", f"{text}.rotary_emb", "vision_model"} <= movers
    assert not {"", "language_model", text, f"{text}.layers", f"{text}.layers.0.mlp"} & movers


def test_maps_are_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    assert read_map("auto") is None
    file.write_text('{"": "cpu", "a.b": 1, "c": "cuda:0"}')
    assert read_map(str(file)) == {"": "cpu", "a.b": "cuda:1", "c": "cuda:0"}
    for text, said in (
        ("[]", "not a JSON object"),
        ("{}", "not a JSON object"),
        ("{", "neither 'auto' nor a JSON file"),
        ('{"a": "gpu 1"}', "'a' is put on 'gpu 1'"),
        ('{"a": "meta"}', "holds no numbers"),
    ):
        file.write_text(text)
        with pytest.raises(BenchError, match=said):
            read_map(str(file))
    with pytest.raises(BenchError, match="neither 'auto' nor a JSON file"):
        read_map("nowhere.json")


def test_modules_that_are_not_there_and_torn_weights_are_refused() -> None:
    with pytest.raises(BenchError, match=r"no module 'head'; it has vision_model, .*language_model"):
        spread(tiny_backbone("opt").model, {"head": "cpu"}, "cpu")
    with pytest.raises(BenchError, match="are one weight, so cpu and cpu:0 must be the same"):
        spread(tiny_backbone("opt").model, {"language_model.lm_head": "cpu:0"}, "cpu")
    assert _numbered("cuda") == _numbered("cuda:0") != _numbered("cuda:1")


def test_the_automatic_map_covers_every_weight() -> None:
    pytest.importorskip("accelerate", reason="needs the extra maps")
    backbone = tiny_backbone("llava")
    found = automatic(backbone.model)
    assert set(found.values()) <= {"cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))}
    spread(backbone.model, found, "cpu")
    assert backbone.answer(QUERIES[:2], 3)


def test_a_checkpoint_is_loaded_by_a_map(tmp_path: Path) -> None:
    from tests.backbones.test_checkpoint import write

    plain = tiny_backbone("llava")
    write(plain, tmp_path)
    (tmp_path / "map.json").write_text(json.dumps(split(plain, "cpu", "cpu:0")))
    read = Backbone.load(tmp_path, name="x", device_map=str(tmp_path / "map.json"))
    assert read.placed[plain.anatomy.layer(1)] == "cpu:0"
    assert read.device_types == {"cpu"}
    assert read.answer(QUERIES[:2], 3) == Backbone.load(tmp_path, name="x").answer(QUERIES[:2], 3)


# ---- with a second device


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("order", [("cpu", "cuda:0"), ("cuda:0", "cpu")])
@pytest.mark.parametrize("family", KNOWN)
def test_a_split_model_answers_edits_and_replays_as_a_whole_one(family: str, order: tuple[str, str]) -> None:
    plain, mapped = tiny_backbone(family, max_positions=1024), placed(family, *order)
    assert mapped.device_types == {"cpu", "cuda"}
    assert mapped.digest == plain.digest
    assert mapped.answer(QUERIES, 5) == plain.answer(QUERIES, 5)
    for layer in (0, 1):
        edit = Edit((delta_at(mapped, layer),))
        alike = Edit((delta_at(plain, layer),))
        for _ in range(2):
            pairs = zip(
                mapped.logits(QUERIES, TARGETS, edit), plain.logits(QUERIES, TARGETS, alike), strict=True
            )
            assert all(torch.allclose(one.cpu(), two, atol=1e-3) for one, two in pairs)
            assert mapped.edited(edit).answer(QUERIES, 5) == plain.edited(alike).answer(QUERIES, 5)
    context = Edit((Context("New Fact: the fox lives in paris, and the lion in lisbon. " * 2),))
    assert mapped.edited(context).answer(QUERIES, 5) == plain.edited(context).answer(QUERIES, 5)
    module = mapped.anatomy.ffn(1)[-1]
    inputs, deltas = mapped.gradients(QUERIES, TARGETS, [module])[1][module]
    assert inputs.device == deltas.device == mapped.device
    left = torch.zeros(mapped.weight(module).shape[0], 1, device=mapped.device, requires_grad=True)
    right = torch.ones(1, mapped.weight(module).shape[1], device=mapped.device)
    mapped.loss(QUERIES, TARGETS, Edit((LowRankDelta(module, left, right),))).backward()
    assert left.grad is not None and left.grad.abs().sum() > 0


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("family", ["llama", "llava"])
def test_every_editor_edits_a_split_model(family: str, name: str) -> None:
    backbone = placed(family, "cuda:0", "cpu")
    bare = backbone.answer(ASKED, 4)
    editor = quick(name, backbone)
    view = backbone
    for case in CASES:
        view = view.edited(editor.edit(view, case.request))
    assert len(view.answer([Query("what is this?"), *ASKED], 4)) == len(ASKED) + 1
    assert backbone.unedited().answer(ASKED, 4) == bare
