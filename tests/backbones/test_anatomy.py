"""Every path of the anatomy table leads somewhere, and layers are told apart."""

from __future__ import annotations

import pytest
from torch import nn

from mmedit_bench.backbones.anatomy import anatomy_of
from mmedit_bench.errors import BenchError
from tests.tiny import KNOWN, TWINS, tiny_model


@pytest.mark.parametrize("family", (*KNOWN, *TWINS))
def test_all_paths_exist(family: str) -> None:
    model = tiny_model(family)
    anatomy = anatomy_of(model)
    assert anatomy.layer_count == 2
    linears = [*anatomy.ffn(0), *anatomy.ffn(1), anatomy.head]
    linears += [f"{anatomy.attention(1)}.{name}" for name in anatomy.attention_linears]
    assert all(isinstance(model.get_submodule(path), nn.Linear) for path in linears)
    names = (anatomy.q_norm, anatomy.k_norm)
    assert [hasattr(model.get_submodule(anatomy.attention(0)), f"{x}_norm") for x in "qk"] == [
        *map(bool, names)
    ]
    others = [
        anatomy.activation(0),
        anatomy.final_norm,
        anatomy.language_model,
        *anatomy.vision,
        anatomy.bridge,
    ]
    assert all(isinstance(model.get_submodule(path), nn.Module) for path in others)
    assert anatomy.projector is not None
    if anatomy.projected is None:
        (*_, last) = [m for m in model.get_submodule(anatomy.projector).modules() if isinstance(m, nn.Linear)]
        assert last.out_features == model.get_input_embeddings().embedding_dim
    else:
        assert model.get_parameter(anatomy.projector).shape[1] == model.get_input_embeddings().embedding_dim
        assert isinstance(model.get_submodule(anatomy.projected), nn.Module)
    assert model.get_submodule(anatomy.embeddings) is model.get_input_embeddings()
    # all linears of a feed-forward layer are listed: none beside these and the attention's
    inside = [
        name for name, m in model.get_submodule(anatomy.layer(0)).named_modules() if isinstance(m, nn.Linear)
    ]
    assert len(inside) == len(anatomy.ffn_names) + len(anatomy.attention_linears)


@pytest.mark.parametrize("family", (*KNOWN, *TWINS))
def test_layers_of_modules(family: str) -> None:
    anatomy = anatomy_of(tiny_model(family))
    assert [anatomy.layer_of(anatomy.ffn(i)[-1]) for i in (0, 1)] == [0, 1]
    assert anatomy.layer_of(anatomy.layer(1)) == 1
    assert anatomy.layer_of(anatomy.head) == anatomy.layer_of(anatomy.final_norm) == 2
    assert anatomy.layer_of(anatomy.embeddings) == anatomy.layer_of(anatomy.bridge) == 0
    assert anatomy.in_language_model(anatomy.ffn(1)[0])
    assert anatomy.in_language_model(anatomy.head)
    assert not any(anatomy.in_language_model(path) for path in (*anatomy.vision, anatomy.bridge))
    for index in (-1, 2):
        with pytest.raises(BenchError, match=f"no layer {index}: the backbone has layers 0 to 1"):
            anatomy.layer(index)


def test_unknown_architectures_are_named() -> None:
    with pytest.raises(BenchError, match=r"no anatomy for a \?/\? model \(known: blip-2/opt, blip-2/llama, "):
        anatomy_of(nn.Linear(1, 1))
