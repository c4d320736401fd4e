"""What a text stage multiplies, and in what batches, changes its speed and not what it learns."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from mmedit_bench.backbones.training.language import Mixture, batch_loss, by_length
from mmedit_bench.backbones.training.linears import bfloat16_linears, product
from mmedit_bench.backbones.training.model import Vocabulary, build_model
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.backbones.training.sequences import LONG, Examples
from mmedit_bench.backbones.training.tokens import Pieces
from mmedit_bench.backbones.training.writing import IGNORED, Example
from mmedit_bench.datasets.picturebook.files import Picturebook


@pytest.mark.parametrize("shape", [(7, 12), (3, 5, 12)])
def test_products_are_those_of_factors_rounded_to_bfloat16(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, grad = torch.randn(*shape), torch.randn(4, 12), torch.randn(*shape[:-1], 4)

    def rounded(t: torch.Tensor) -> torch.Tensor:
        return t.bfloat16().double()

    own = [t.clone().requires_grad_() for t in (x, weight)]
    out = product(*own)
    out.backward(grad)
    wanted = (rounded(x) @ rounded(weight).T, rounded(grad) @ rounded(weight),
              torch.einsum("no,ni->oi", rounded(grad).flatten(0, -2), rounded(x).flatten(0, -2)))  # fmt: skip
    for found, one in zip((out, own[0].grad, own[1].grad), wanted, strict=True):
        assert found is not None and found.dtype == torch.float32 and found.shape == one.shape
        torch.testing.assert_close(found.double(), one, rtol=1 / 128, atol=1 / 64)


def test_linears_are_changed_within_and_restored_after() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Tanh())
    x = torch.randn(2, 5)
    before = layer(x)
    with pytest.raises(RuntimeError, match="stop"), bfloat16_linears(layer):
        inner = layer(x)
        raise RuntimeError("stop")
    assert torch.equal(layer(x), before)
    linear = layer[0]
    assert torch.equal(inner, torch.tanh(product(x, linear.weight) + linear.bias))
    assert not torch.equal(inner, before)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60))
def test_parts_by_length_keep_every_example_and_pad_little(lengths: list[int]) -> None:
    batch = [Example([n] * length, [0] * length) for n, length in enumerate(lengths)]
    parts = by_length(batch)
    assert sorted(e.ids[0] for part in parts for e in part) == list(range(len(batch)))
    for part in parts:
        shortest, longest = len(part[0].ids), len(part[-1].ids)
        assert max(len(e.ids) for e in part) == longest <= 1.3 * shortest + 12


@pytest.mark.parametrize("family", ["opt", "llama"])
def test_padding_and_parts_do_not_change_the_loss(
    family: str, recipe: Recipe, few: Picturebook, tokenizer: PreTrainedTokenizerFast
) -> None:
    torch.manual_seed(0)
    model = build_model(family, Vocabulary.of(tokenizer), recipe.sizes)
    source = Examples(few.entities, Pieces(tokenizer), recipe.sizes.queries)
    batch = Mixture(0, 5, 0, 4, 0).draw(source, 3, 6, 1)

    # one by one, unpadded, with the library's own loss
    total, count = torch.zeros(()), 0
    for example in batch:
        labels = torch.tensor(example.labels)
        logits = model.language_model(torch.tensor([example.ids])).logits[0]
        total = total + F.cross_entropy(logits[:-1], labels[1:], ignore_index=IGNORED, reduction="sum")
        count += int((labels[1:] != IGNORED).sum())
    torch.testing.assert_close(batch_loss(model, batch, None), total / count, rtol=1e-4, atol=1e-5)


def test_contexts_leave_room_in_the_models(few: Picturebook, tokenizer: PreTrainedTokenizerFast) -> None:
    source = Examples(few.entities, Pieces(tokenizer), 8)
    drawn = [source.in_context(random.Random(n), 10, picture=n % 2 == 0) for n in range(200)]
    marks = [source.pieces.tokenizer.decode(e.ids).count("Prompt:") for e in drawn]
    assert max(marks) > 4 and max(len(e.ids) for e in drawn) < 512
    assert LONG < 512
