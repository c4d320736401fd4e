"""Attention memory against plain formulations on the real attention modules of every family."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, gelu
from transformers import DynamicCache

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.decoding import greedy
from mmedit_bench.backbones.forcing import answer_logits
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import AttentionMemory, Edit, Shared, attached
from tests.backbones.rebuilt import hook_count
from tests.tiny import KNOWN, tiny_backbone, tiny_picture

LAYER, WIDTH, HEADS, SIZE = 1, 32, 2, 16
WINDOW = 6
"""Keys that the sliding layer of the tiny Gemma text models sees; it is their layer 0."""


@pytest.fixture(params=KNOWN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def memory(count: int = 5, **changes: Any) -> AttentionMemory:
    values = {"layer": LAYER, "index": normal(count, WIDTH), "states": normal(count, WIDTH, seed=1)}
    return AttentionMemory(**(values | {"top_k": count} | changes))


ENCODER = (normal(8, WIDTH, seed=2), normal(8, seed=3), normal(WIDTH, 8, seed=4), normal(WIDTH, seed=5))


class Trace:
    """One forward of one row: what the attention of `LAYER` read and wrote."""

    def __init__(
        self, backbone: Backbone, item: AttentionMemory | None = None, length: int = 7, layer: int = LAYER
    ) -> None:
        anatomy = backbone.anatomy
        module = backbone.model.get_submodule(anatomy.attention(layer))
        seen: dict[str, Any] = {}

        def remember(_: Any, args: Any, kwargs: Any, output: Any) -> None:
            seen.update(kwargs, output=output[0])

        inputs = normal(1, length, WIDTH, seed=9)
        given: dict[str, Any] = {}
        if backbone.family.axes == 3:  # as inside of a picture: time stands still
            steps = torch.arange(length)
            given["position_ids"] = torch.stack([0 * steps, steps // 3, steps % 3])[:, None]
        with torch.no_grad(), attached(backbone.model, anatomy, [item] if item else []):
            handle = module.register_forward_hook(remember, with_kwargs=True)
            backbone.model.get_submodule(anatomy.language_model)(
                inputs_embeds=inputs, use_cache=False, **given
            )
            handle.remove()
        self.h: Tensor = seen["hidden_states"][0]
        self.output: Tensor = seen["output"][0]
        self.module: Any = module
        self.rotation = seen.get("position_embeddings")
        self.q, self.k, self.v, self.o = (getattr(module, name) for name in anatomy.attention_linears)
        self.norms = {
            self.q: getattr(module, "q_norm", None),
            self.k: getattr(module, "k_norm", None),
            self.v: None,
        }
        self.shift = float("gemma3_text" in anatomy.name)
        self.window = WINDOW if layer == 0 and "gemma3_text" in anatomy.name else length

    def parts(self, linear: Any, x: Tensor, position: int | None = None) -> list[Tensor]:
        """By query head: the projected vector it works with, normed where the layer norms it, and
        rotated where the family rotates and a position is given."""
        own = linear(x).reshape(-1, SIZE)
        heads = [own[head * len(own) // HEADS] for head in range(HEADS)]  # two may share one
        if (norm := self.norms[linear]) is not None:
            # root mean square to one, times the weight or one plus it
            scale = norm.weight + self.shift
            heads = [y / (y.square().mean() + 1e-6).sqrt() * scale for y in heads]
        if self.rotation is None or position is None:
            return heads
        cos, sin = self.rotation[0][0, position], self.rotation[1][0, position]
        half = SIZE // 2
        turned = []
        for head in heads:
            swapped = torch.stack([*(-head[half:]), *head[:half]])
            turned.append(head * cos + swapped * sin)
        return turned

    def seen(self, position: int) -> range:
        """Positions whose keys a position's query meets."""
        return range(max(0, position + 1 - self.window), position + 1)

    def plain(
        self, item: AttentionMemory, position: int
    ) -> tuple[list[Tensor], list[Tensor], list[float], list[float]]:
        """By head: h_know, h_input, mass on the input; and the mean shares of the retrieved entries."""
        h = self.h[position]
        near = [float(cosine_similarity(h, entry, dim=0)) for entry in item.index]
        own = sum(item.groups)  # one group at most
        order = sorted(range(own, len(near)), key=lambda i: -near[i])
        chosen = [*range(own), *order[: item.top_k]]
        know, inputs, kept, shares = [], [], [], [0.0] * len(near)
        for head in range(HEADS):
            free = self.parts(self.q, h)[head]
            placed = self.parts(self.q, h, position)[head]
            outside = {
                i: math.exp(float(free @ self.parts(self.k, item.states[i])[head]) / math.sqrt(SIZE))
                for i in chosen
            }
            inside = [
                math.exp(float(placed @ self.parts(self.k, self.h[j], j)[head]) / math.sqrt(SIZE))
                for j in self.seen(position)
            ]
            know.append(
                sum(
                    (e * self.parts(self.v, item.states[i])[head] for i, e in outside.items()),
                    torch.zeros(SIZE),
                )
                / sum(outside.values())
            )
            inputs.append(
                sum(
                    (
                        e * self.parts(self.v, self.h[j])[head]
                        for j, e in zip(self.seen(position), inside, strict=True)
                    ),
                    torch.zeros(SIZE),
                )
                / sum(inside)
            )
            kept.append(sum(inside) / (sum(inside) + sum(outside.values())))
            for i, e in outside.items():
                shares[i] += e / sum(outside.values()) / HEADS
        return know, inputs, kept, shares


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("position", [0, 3, 6, 9])
def test_eq2_eq8_eq9_attention_over_knowledge_and_input_is_the_alpha_mix(
    backbone: Backbone, position: int, layer: int
) -> None:
    item = memory(layer=layer)
    with torch.no_grad():
        shifted = Trace(backbone, item, length=10, layer=layer)
        know, own, kept, _ = shifted.plain(item, position)
        # Eq. 2 with alpha of Eq. 9: the mass kept on the input
        mixed = torch.cat([a * i + (1 - a) * k for a, i, k in zip(kept, own, know, strict=True)])
        assert torch.allclose(shifted.o(mixed), shifted.output[position], atol=1e-5)
        # Eq. 8: one softmax over the concatenation
        h, seen, heads = shifted.h[position], shifted.seen(position), []
        for head in range(HEADS):
            free, placed = shifted.parts(shifted.q, h)[head], shifted.parts(shifted.q, h, position)[head]
            scores = [float(free @ shifted.parts(shifted.k, state)[head]) for state in item.states]
            scores += [float(placed @ shifted.parts(shifted.k, shifted.h[j], j)[head]) for j in seen]
            values = [
                shifted.parts(shifted.v, x)[head] for x in (*item.states, *(shifted.h[j] for j in seen))
            ]
            heads.append(torch.softmax(torch.tensor(scores) / math.sqrt(SIZE), 0) @ torch.stack(values))
        assert torch.allclose(shifted.o(torch.cat(heads)), shifted.output[position], atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_plain_trace_without_memory_is_the_modules_own_attention(backbone: Backbone, layer: int) -> None:
    trace = Trace(backbone, length=10, layer=layer)
    with torch.no_grad():
        for position in (5, 9):
            _, own, _, _ = trace.plain(memory(), position)
            assert torch.allclose(trace.o(torch.cat(own)), trace.output[position], atol=1e-5)


def test_fixed_weight_zero_changes_no_bit_and_one_leaves_knowledge_only(backbone: Backbone) -> None:
    base = Trace(backbone)
    assert torch.equal(Trace(backbone, memory(gate="fixed", weight=0.0)).output, base.output)
    item = memory(gate="fixed", weight=1.0)
    know = Trace(backbone, item)
    with torch.no_grad():
        plain, _, _, _ = know.plain(item, 4)
        assert torch.allclose(know.o(torch.cat(plain)), know.output[4], atol=1e-5)
    half = Trace(backbone, memory(gate="fixed", weight=0.5))
    assert torch.allclose(half.output, (base.output + know.output) / 2, atol=1e-5)


@pytest.mark.parametrize("on_input", [False, True])
@pytest.mark.parametrize("space", ["state", "output"])
@pytest.mark.parametrize("floor", [-1.0, 0.0, 0.2])
def test_eq7_the_similarity_gate_is_a_cosine_of_encoded_knowledge(
    backbone: Backbone, space: str, on_input: bool, floor: float
) -> None:
    item = memory(gate="similarity", encoder=ENCODER, space=space, on_input=on_input, floor=floor)
    trace = Trace(backbone, item)
    w1, b1, w2, b2 = ENCODER
    for position in (1, 6):
        with torch.no_grad():
            know, own, _, shares = trace.plain(item, position)
            if space == "state":
                mean = sum(
                    (share * state for share, state in zip(shares, item.states, strict=True)),
                    torch.zeros(WIDTH),
                )
                compared = trace.h[position]
            else:
                mean, compared = trace.o(torch.cat(know)), trace.o(torch.cat(own))
            cosine = float(cosine_similarity(w2 @ gelu(w1 @ mean + b1) + b2, compared, dim=0))
            similar = max(0.0, (cosine - floor) / (1 - floor))
            weight = 1 - similar if on_input else similar
            mixed = weight * torch.cat(know) + (1 - weight) * torch.cat(own)
            assert torch.allclose(trace.o(mixed), trace.output[position], atol=1e-5)


@pytest.mark.parametrize(("top_k", "group"), [(1, 0), (3, 0), (2, 2), (0, 1)])
def test_retrieval_is_brute_force_cosine_and_the_only_group_is_always_read(
    backbone: Backbone, top_k: int, group: int
) -> None:
    item = memory(count=9, top_k=top_k, groups=(group,) if group else (), gate="fixed", weight=0.7)
    trace = Trace(backbone, item)
    for position in range(7):
        with torch.no_grad():
            know, own, _, shares = trace.plain(item, position)
            assert sum(share > 0 for share in shares) == top_k + group
            mixed = 0.7 * torch.cat(know) + 0.3 * torch.cat(own)
            assert torch.allclose(trace.o(mixed), trace.output[position], atol=1e-5)


QUERIES = [
    Query("where does the lion live?", tiny_picture(1, 24, 64)), Query("name the colour"), Query("fox"),
]  # fmt: skip
ITEMS = [
    {"gate": "mass"},
    {"gate": "fixed", "weight": 0.4, "top_k": 2},
    {"gate": "similarity", "encoder": ENCODER, "top_k": 1, "groups": (1,)},
]


@pytest.mark.parametrize("options", ITEMS)
def test_decoding_and_teacher_forcing_agree_whatever_the_batch(
    backbone: Backbone, options: dict[str, Any]
) -> None:
    view = backbone.edited(Edit((memory(**options), memory(**options | {"layer": 0}))))
    asked = (QUERIES, ["africa", "green", "a red fox"])
    bare = backbone.logits(*asked)
    assert not any(torch.allclose(*pair, atol=1e-2) for pair in zip(view.logits(*asked), bare, strict=True))
    # token ids, not texts: what a random model writes reads back as other tokens
    eos, lengths = view.tokenizer.eos_token_id, []
    for query in QUERIES:
        row = view._encoder.row(query)
        with torch.no_grad(), attached(view.model, view.anatomy, view._folded()):
            (written,) = greedy(view._passes.prompted([row], 0, view._batch), [8])
            told = replace(row, answer=(*written, eos), length=row.length + len(written) + 1)
            (forced,) = answer_logits(view.family, view._batch([told]), [told])
        lengths.append(len(written))
        assert forced.argmax(-1).tolist()[: len(written)] == written
    assert max(lengths) > 1
    together = view.logits(QUERIES, ["africa", "green", "a red fox"])
    for query, answer, own in zip(QUERIES, ["africa", "green", "a red fox"], together, strict=True):
        assert torch.allclose(view.logits([query], [answer])[0], own, atol=1e-4)


@pytest.mark.parametrize("options", ITEMS)
def test_an_edit_with_memory_survives_a_file(
    backbone: Backbone, options: dict[str, Any], tmp_path: Path
) -> None:
    edit = Edit((memory(**options),))
    edit.save(tmp_path / "edit.safetensors")
    loaded = Edit.load(tmp_path / "edit.safetensors")
    assert loaded == edit
    assert backbone.edited(loaded).answer(QUERIES, 5) == backbone.edited(edit).answer(QUERIES, 5)
    assert edit.first_layer(backbone.anatomy) == LAYER
    hooks = hook_count(backbone)
    backbone.edited(edit).answer(QUERIES, 1)
    assert hook_count(backbone) == hooks


def test_states_and_index_carry_gradients(backbone: Backbone) -> None:
    states = normal(4, WIDTH).requires_grad_()
    edit = Edit((memory(4, states=states, index=normal(4, WIDTH)),))
    backbone.loss(QUERIES, ["africa"] * 3, edit).backward()  # type: ignore[no-untyped-call]
    assert states.grad is not None and states.grad.abs().max() > 0


def test_a_cache_that_forgets_keys_is_refused() -> None:
    backbone = tiny_backbone("gemma3-text")
    language_model = backbone.model.language_model
    with (
        torch.no_grad(),
        attached(backbone.model, backbone.anatomy, [memory(layer=0)]),
        pytest.raises(BenchError, match=r"layer 0: .*the cache forgets keys"),
    ):
        cache = DynamicCache(config=language_model.config)
        language_model(inputs_embeds=normal(1, 9, WIDTH), past_key_values=cache)


def test_half_precision_backbones_take_full_precision_memories(backbone: Backbone) -> None:
    backbone.model.to(torch.bfloat16)
    assert len(backbone.edited(Edit((memory(),))).answer(QUERIES, 3)) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": normal(4, WIDTH)}, "not both"),
        ({"gate": "open"}, "gate 'open'"),
        ({"gate": "similarity"}, "needs"),
        ({"encoder": ENCODER}, "needs"),
        ({"top_k": 0}, "choose no entries"),
        ({"groups": (6,)}, "hold more than the 5 entries"),
        ({"groups": (1, 0)}, "are empty"),
        ({"banks": (Shared({"index": normal(2, WIDTH)}),)}, "holds index, not"),
        ({"banks": (Shared({"index": normal(2, 8), "states": normal(2, 8)}),)}, "d alike"),
        ({"index": normal(0, WIDTH), "states": normal(0, WIDTH)}, "choose no entries"),
        ({"gate": "fixed", "weight": 1.5}, "weight 1.5"),
        ({"space": "outer"}, "space 'outer'"),
    ],
)
def test_what_makes_no_memory_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=f"layer {LAYER}: .*{message}"):
        memory(**changes)


def test_a_memory_of_another_width_is_refused(backbone: Backbone) -> None:
    edit = Edit((AttentionMemory(0, normal(2, 8), normal(2, 8), 1),))
    with pytest.raises(BenchError, match="width 8, not 32"):
        backbone.edited(edit).answer(QUERIES, 1)
