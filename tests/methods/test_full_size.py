"""Every editor on every published backbone at full size: what it edits is there and has the sizes it needs.

On torch's meta device: shapes without numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from methods.lora.editor import Adapter, adapted
from methods.projector.editor import projection
from methods.t_patcher.editor import Patches
from methods.unike.intrinsic import pairs_at_random
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.interventions import (
    AttentionMemory,
    Codebook,
    ExtraNeurons,
    Intervention,
    SideMemory,
    WeightDelta,
    attached,
)
from mmedit_bench.plugins.registry import EDITORS
from tests.backbones.full_size import ASKABLE, full_size
from tests.methods.test_contract import QUICK

META = torch.device("meta")


class Unseeded(TorchFunctionMode):
    """Draws nothing: a seeded generator is of another device than meta."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **{name: own for name, own in (kwargs or {}).items() if name != "generator"})


def empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device=META)


def settings(editor: str, backbone: Backbone) -> Any:
    """Published settings, valid for the backbone or refused with words."""
    return EDITORS.load(editor)().settings(backbone)


def sizes(backbone: Backbone) -> tuple[int, int]:
    """Width and inner width of the text model."""
    text = backbone.model.config.get_text_config()
    return text.hidden_size, getattr(text, "ffn_dim", None) or text.intermediate_size


def layer_of(backbone: Backbone, number: int) -> int:
    return number + backbone.layer_count if number < 0 else number


def fine_tuned(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    width, inner = sizes(backbone)
    modules = backbone.anatomy.ffn(layer_of(backbone, settings(editor, backbone).layer))
    for path in modules:
        weight = backbone.weight(path)
        assert set(weight.shape) == {width, inner}
        yield WeightDelta(path, torch.zeros_like(weight))


def bridged(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    assert settings(editor, backbone).part == "bridge"
    paths = backbone.linears(backbone.anatomy.bridge)
    assert not any(map(backbone.anatomy.in_language_model, paths))
    yield from (WeightDelta(path, torch.zeros_like(backbone.weight(path))) for path in paths)


def projected(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    if backbone.anatomy.projector is None:
        return
    settings(editor, backbone)
    items = projection(backbone)
    last = items[-1].delta.shape
    # a matrix by itself is [in, out], a linear layer's weight [out, in]
    assert sizes(backbone)[0] == last[0 if isinstance(items[-1], WeightDelta) else 1]
    yield from items


def adapters(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    s = settings(editor, backbone)
    paths = adapted(backbone, s.modules, s.layers)
    assert len(paths) == 2 * backbone.layer_count, "query and value of all layers"
    generator = torch.Generator()
    for path in paths:
        yield Adapter.of(backbone, path, s.rank, s.alpha / s.rank, generator).delta()


def hypernetwork(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    made = EDITORS.load(editor)()
    with META, Unseeded():
        network = made.fresh(backbone, seed=0)
    assert len(network.modules_edited) == made.settings(backbone).layers * len(backbone.anatomy.ffn_names)
    for number, path in enumerate(network.modules_edited):
        out, into = backbone.weight(path).shape
        if editor == "ke":
            gradients = {path: (empty(3, into), empty(3, out))}
            condition = network.conditioner(empty(5, sizes(backbone)[0]))
            delta = network.gates[number](condition, gradients[path][1].T @ gradients[path][0])
            yield WeightDelta(path, delta)
        else:
            own = network._network(path)
            assert (own.norm_u.mean.shape, own.norm_delta.mean.shape) == ((into,), (out,))
            assert own.inputs == into


def patches(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    s, width = settings(editor, backbone), sizes(backbone)[0]
    made = Patches.at(empty(3, width), s.amplifier, backbone.anatomy.gated)
    yield made.neurons(layer_of(backbone, s.layer))


def codebook(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    s, (width, inner) = settings(editor, backbone), sizes(backbone)
    ffn = backbone.anatomy.ffn(layer_of(backbone, s.layer))
    assert s.key == "inner"
    yield Codebook(ffn[-1], ffn[-1], s.replaced, empty(1, inner), empty(1, width), empty(1), ("x",))


def side_memory(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    s = settings(editor, backbone)
    path = backbone.anatomy.ffn(layer_of(backbone, s.layer))[-1]
    yield SideMemory(path, torch.zeros_like(backbone.weight(path))[None], (0,), (1.0,), s.ratio, s.density)


def latent(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    s, width = settings(editor, backbone), sizes(backbone)[0]
    assert s.layers == 4
    for layer in range(backbone.layer_count - s.layers, backbone.layer_count):
        pairs = pairs_at_random(layer, width, s.pairs, backbone.anatomy.gated, torch.Generator(), META)
        yield ExtraNeurons(layer, pairs.keys, pairs.bias, pairs.values, pairs.up_keys)
        store = empty(s.top_k + 5, width)
        encoder = (empty(32, width), empty(32), empty(width, 32), empty(width))
        yield AttentionMemory(layer, store, store, s.top_k, gate="similarity", encoder=encoder)


def beside(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    """A model of its own, as wide as the embeddings."""
    s = settings(editor, backbone)
    assert s.size % s.heads == 0
    assert backbone.embeddings(()).shape == (0, sizes(backbone)[0])
    yield from ()


def nothing(editor: str, backbone: Backbone) -> Iterator[Intervention]:
    """Editors that change no part of the model."""
    kind = EDITORS.load(editor)
    if getattr(kind, "settings_type", None):
        settings(editor, backbone)
    yield from ()


EDITS = {
    "null": nothing, "copy-target": nothing, "ike": nothing, "ike-legacy": nothing, "ike-memory": nothing,
    "ft": fine_tuned, "ft-l": fine_tuned, "ft-vision": bridged, "projector": projected, "lora": adapters,
    "ke": hypernetwork, "mend": hypernetwork, "t-patcher": patches, "grace": codebook, "wise": side_memory,
    "unike": latent, "unike-as-printed": latent, "serac": beside, "serac-legacy": beside,
}  # fmt: skip
"""By editor, interventions as it would make them, of the sizes that it would make them in."""


def test_every_editor_is_here() -> None:
    assert EDITS.keys() == set(QUICK)


@pytest.mark.parametrize("name", ASKABLE)
def test_every_editor_fits_the_full_size(name: str) -> None:
    backbone = full_size(name)
    width = sizes(backbone)[0]
    with torch.no_grad():
        items = [item for editor, make in EDITS.items() for item in make(editor, backbone)]
        assert len({type(item) for item in items}) >= 6
        with attached(backbone.model, backbone.anatomy, items):  # shapes are compared here
            pass
        # a codebook asks what its numbers are
        running = [item for item in items if not isinstance(item, Codebook)]
        with attached(backbone.model, backbone.anatomy, running):
            logits = backbone.family.runs(
                inputs_embeds=empty(1, 6, width).to(backbone.dtype),
                attention_mask=empty(1, 1, 6, 6).to(backbone.dtype),
                position_ids=torch.arange(6, device=META)[None],
                use_cache=False,
                logits_to_keep=2,
            ).logits
    text = backbone.model.config.get_text_config()
    assert logits.shape == (1, 2, text.vocab_size)
    assert isinstance(backbone.model.get_submodule(backbone.anatomy.head), nn.Linear)
