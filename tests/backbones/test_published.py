"""Backbones of full size: what can be held true of them without their weights."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.published import PUBLISHED, Published
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.published import NAMES
from mmedit_bench.plugins.registry import BACKBONES
from tests.backbones.full_size import ASKABLE, WITHOUT_ADAPTER, full_size, known

ROWS = pytest.mark.parametrize("row", PUBLISHED.values(), ids=lambda row: str(row.name))


def test_all_are_known_and_registered() -> None:
    assert tuple(PUBLISHED) == NAMES
    for name, row in PUBLISHED.items():
        assert row.name == name
        assert BACKBONES.load(name) == row.load


def test_looking_at_the_rows_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from mmedit_bench.backbones.published import PUBLISHED; "
        "assert len(PUBLISHED) == 9; assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@ROWS
def test_the_full_size_has_as_many_parameters_as_told(row: Published) -> None:
    model = row.on_meta()
    assert {weight.device.type for weight in model.parameters()} == {"meta"}
    assert sum(weight.numel() for weight in model.parameters()) == row.parameters
    assert type(model).__name__ == row.config().architectures[0]


def test_the_rows_without_adapter_are_those_named() -> None:
    assert tuple(name for name in PUBLISHED if not known(name)) == WITHOUT_ADAPTER


@pytest.mark.parametrize("name", ASKABLE)
def test_every_part_of_the_anatomy_is_there_at_full_size(name: str) -> None:
    backbone = full_size(name)
    model, layout, text = backbone.model, backbone.anatomy, backbone.model.config.get_text_config()
    width, inner = text.hidden_size, getattr(text, "ffn_dim", None) or text.intermediate_size
    head = getattr(text, "head_dim", None) or width // text.num_attention_heads
    heads = text.num_attention_heads * head
    groups = (getattr(text, "num_key_value_heads", None) or text.num_attention_heads) * head
    assert layout.layer_count == backbone.layer_count == text.num_hidden_layers
    for layer in range(layout.layer_count):
        ffn = [tuple(model.get_submodule(path).weight.shape) for path in layout.ffn(layer)]
        assert ffn == [(inner, width)] * (len(ffn) - 1) + [(width, inner)]
        assert len(ffn) == 2 + layout.gated
        model.get_submodule(layout.activation(layer))
        attention = model.get_submodule(layout.attention(layer))
        shapes = [tuple(attention.get_submodule(own).weight.shape) for own in layout.attention_linears]
        assert shapes == [(heads, width), (groups, width), (groups, width), (width, heads)]
        for norm in (layout.q_norm, layout.k_norm):
            assert norm is None or tuple(attention.get_submodule(norm).weight.shape) == (head,)
    assert tuple(model.get_submodule(layout.embeddings).weight.shape) == (text.vocab_size, width)
    assert tuple(model.get_submodule(layout.head).weight.shape) == (text.vocab_size, width)
    assert model.get_submodule(layout.final_norm).weight.shape[0] == width
    for part in (layout.language_model, *layout.vision):
        assert sum(weight.numel() for weight in model.get_submodule(part).parameters())
    assert backbone.linears(layout.bridge)
    if layout.projector is not None:
        assert width in backbone.weight(last_of(backbone, layout.projector)).shape
    # what is in no part of the anatomy: query tokens, and marks between rows of a picture
    parts = (layout.language_model, layout.head, *layout.vision)
    outside = [n for n, _ in model.named_parameters() if not n.startswith(tuple(f"{p}." for p in parts))]
    assert sum(model.get_parameter(n).numel() for n in outside) < 1e6
    assert backbone.max_positions >= 2048


def last_of(backbone: Backbone, part: str) -> str:
    """The last matrix of a part, or the parameter that it is."""
    return part if backbone.anatomy.projected else backbone.linears(part)[-1]


def test_what_is_published_in_parts_says_what_to_do() -> None:
    with pytest.raises(BenchError, match=r"minigpt4-7b is published in parts: .* `mmedit-bench assemble`"):
        PUBLISHED["minigpt4-7b"].load()
