"""UniKE: its equations against plain formulations, and what each option does."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from methods.ike.editor import IKEEditor
from methods.unike.editor import UniKEAsPrintedEditor, UniKEEditor
from methods.unike.encoders import Encoders, encode
from methods.unike.intrinsic import Pairs, pairs_at_queries, pairs_at_random
from methods.unike.store import States, Store, own_states
from methods.unike.triplets import triplets
from mmedit_bench.editors import (
    AttentionMemory,
    Backbone,
    BenchError,
    Context,
    Drawable,
    Edit,
    ExtraNeurons,
    Trained,
)
from mmedit_bench.harness.training import Training
from mmedit_bench.interventions import fold
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

CASES = tiny_cases(8)
REQUEST = tiny_cases(1, "test")[0].request
FAST: dict[str, Any] = {"layers": 2, "encoder_steps": 3, "encoder_width": 8, "encoder_batch": 4, "steps": 3}


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def learned(backbone: Backbone, **options: Any) -> Mapping[str, Tensor]:
    return UniKEEditor(**FAST | options).train(backbone, CASES, Training(seed=0))


def editor(backbone: Backbone, **options: Any) -> UniKEEditor:
    made = UniKEEditor(**FAST | options)
    made.load(backbone, learned(backbone))
    made.prepare(backbone, CASES)
    return made


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- the intrinsic part


def test_eq3_pairs_equal_a_feed_forward_layer_with_a_wider_matrix(backbone: Backbone) -> None:
    gated = backbone.anatomy.gated
    pairs = pairs_at_random(1, 32, 5, gated, torch.Generator().manual_seed(1), torch.device("cpu"))
    with torch.no_grad():
        pairs.values.copy_(normal(5, 32))
        pairs.bias.copy_(normal(5))
    wider = copy.deepcopy(backbone.model)
    paths = backbone.anatomy.ffn(1)
    with torch.no_grad():
        rows = [pairs.keys, pairs.up_keys] if gated else [pairs.keys]
        for path, more in zip(paths[:-1], rows, strict=True):
            linear = wider.get_submodule(path)
            linear.weight = torch.nn.Parameter(torch.cat([linear.weight, more]))  # type: ignore[list-item]
            if gated:  # the family's linears have no bias; the new rows do, in the gate
                linear.bias = torch.nn.Parameter(
                    torch.cat([torch.zeros(48), pairs.bias if path == paths[0] else torch.zeros(5)])
                )
            else:
                linear.bias = torch.nn.Parameter(torch.cat([linear.bias, pairs.bias]))
        down = wider.get_submodule(paths[-1])
        down.weight = torch.nn.Parameter(torch.cat([down.weight, pairs.values.T], dim=1))
    rebuilt = Backbone("wider", wider, backbone.tokenizer, backbone.image_processor)
    queries, targets = [case.request.query for case in CASES], [case.request.target for case in CASES]
    extra = backbone.logits(queries, targets, Edit((pairs.neurons(),)))
    for a, b in zip(extra, rebuilt.logits(queries, targets), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_eq3_without_pairs_or_with_zero_values_no_bit_changes(backbone: Backbone) -> None:
    queries, targets = [REQUEST.query], [REQUEST.target]
    (base,) = backbone.logits(queries, targets)
    for count in (0, 4):
        pairs = pairs_at_queries(1, normal(3, 32), count, backbone.anatomy.gated)
        assert torch.equal(backbone.logits(queries, targets, Edit((pairs.neurons(),)))[0], base)


def test_a_key_at_a_query_gives_that_query_preactivation_one() -> None:
    queries = normal(3, 8)
    pairs = pairs_at_queries(0, queries, 7, gated=True)
    for i in range(7):
        assert (queries[i % 3] @ pairs.keys[i]).item() == pytest.approx(1, abs=1e-5)
    assert pairs.up_keys is not None and torch.equal(pairs.up_keys, pairs.keys)


def test_eq6_zeta_is_added_to_every_value_and_only_to_values() -> None:
    zeta = normal(8)
    pairs = Pairs(0, normal(3, 8), normal(3), normal(3, 8, seed=4), None, zeta, beta=0.7)
    assert pairs.w_zeta is not None
    assert torch.equal(pairs.neurons().values, pairs.values), "W_zeta begins at zero"
    with torch.no_grad():
        pairs.w_zeta.copy_(normal(8, 8, seed=5))
    moved = pairs.neurons()
    for row in range(3):
        expected = [
            float(pairs.values[row, i]) + 0.7 * sum(float(pairs.w_zeta[i, j] * zeta[j]) for j in range(8))
            for i in range(8)
        ]
        assert torch.allclose(moved.values[row], torch.tensor(expected), atol=1e-5)
    assert torch.equal(moved.keys, pairs.keys) and torch.equal(moved.bias, pairs.bias)
    assert torch.equal(pairs.frozen().values, moved.values)
    assert not pairs.frozen().values.requires_grad


def test_pairs_fire_at_their_own_query_and_are_quiet_elsewhere_as_patches_are() -> None:
    quiet = normal(6, 8, seed=3)
    pairs = pairs_at_queries(0, normal(2, 8), 4, gated=False)
    found = pairs.manners(quiet, 0.5, 2.0).item()
    own, expected = [], 0.0
    for i in range(4):
        own.append(sum(float(pairs.own[i % 4, k] * pairs.keys[i, k]) for k in range(8)))  # type: ignore[index]
        expected += 0.5 * math.exp(-own[i]) / 4
    for i in range(4):
        for q in range(6):
            s = sum(float(quiet[q, k] * pairs.keys[i, k]) for k in range(8))
            expected += 2.0 * (math.exp(s + 3) + math.exp(s - own[i] + 3)) / 24
    assert found == pytest.approx(expected, rel=1e-4)
    alone = pairs_at_random(0, 8, 4, False, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert alone.manners(quiet, 0.5, 2.0).item() == pytest.approx(
        2.0 * torch.exp(quiet @ alone.keys.T + 3).mean().item(), rel=1e-5
    )


# ---- the knowledge store and the encoders


def test_zeta_is_the_difference_of_mean_codes() -> None:
    weights = [
        (normal(6, 4, seed=k), normal(6, seed=k + 1), normal(4, 6, seed=k + 2), normal(4, seed=k + 3))
        for k in (0, 9)
    ]
    own = Encoders(*weights)
    states = States(normal(5, 4), normal(5, 4, seed=20), normal(5, 4, seed=30))
    for space, weight in (("real", own.truthfulness), ("semantic", own.semantic)):
        codes = [
            encode(weight, right) - encode(weight, wrong)
            for right, wrong in zip(states.right, states.wrong, strict=True)
        ]
        assert torch.allclose(own.zeta(states, space), torch.stack(codes).mean(0), atol=1e-5)
    noise = own.zeta(states, "random")
    assert noise.norm().item() == pytest.approx(own.zeta(states).norm().item(), rel=1e-4)
    assert torch.equal(noise, own.zeta(states, "random"))
    assert cosine_similarity(noise, own.zeta(states), dim=0).abs() < 0.999


def test_a_learned_w_zeta_is_the_ridge_map_from_codes_to_states_and_carries_direction() -> None:
    d, n = 6, 60
    weights = (normal(12, d), normal(12, seed=1), normal(d, 12, seed=2), normal(d, seed=3))
    other = (normal(12, d, seed=5), normal(12, seed=6), normal(d, 12, seed=7), normal(d, seed=8))
    apart = 3 * normal(d, seed=9)
    states = States(normal(n, d), normal(n, d, seed=20) + apart, normal(n, d, seed=30) - apart)
    own = Encoders(weights, other)
    read = torch.cat([states.right, states.wrong]).double()
    for space, encoder in (("real", weights), ("random", weights), ("semantic", other)):
        codes = encode(tuple(w.double() for w in encoder), read)
        codes = codes - codes.mean(0)
        # ridge regression is plain least squares with d further rows sqrt(ridge) * I that want zero
        ridge = 1e-3 * (codes * codes).sum(0).mean()
        tall = torch.cat([codes, ridge.sqrt() * torch.eye(d, dtype=codes.dtype)])
        wanted = torch.cat([read - read.mean(0), torch.zeros(d, d, dtype=codes.dtype)])
        expected = torch.linalg.lstsq(tall, wanted).solution.T
        assert torch.allclose(own.back(states, space).double(), expected, atol=1e-4)

    true = states.right.mean(0) - states.wrong.mean(0)

    def towards_truth(space: str) -> float:
        shift = own.back(states, space) @ own.zeta(states, space)
        return float(cosine_similarity(shift, true, dim=0))

    assert towards_truth("real") > 0.95
    assert towards_truth("real") > towards_truth("random") + 0.1


def test_with_a_learned_w_zeta_each_value_is_its_own_plus_the_same_shift() -> None:
    zeta, back = normal(8), normal(8, 8, seed=5)
    pairs = Pairs(0, normal(3, 8), normal(3), normal(3, 8, seed=4), None, zeta, beta=0.7, learned=back)
    assert pairs.w_zeta is None and not any(tensor is back for tensor in pairs.parameters())
    for row, value in zip(pairs.neurons().values, pairs.values, strict=True):
        assert torch.allclose(row, value + 0.7 * (back @ zeta), atol=1e-6)
    assert pairs.shift is not None and not pairs.shift.requires_grad


def test_the_store_holds_states_of_triplets(backbone: Backbone) -> None:
    told = triplets(backbone, CASES)
    store = Store.collect(backbone, CASES, [0, 1], most=100, quiet=3)
    assert len(store.states[1].question) == len(told) == 8
    path = backbone.anatomy.attention(1)
    for row, triplet in enumerate(told):
        for part in ("right", "wrong"):
            (read,) = backbone.states([triplet.query], [getattr(triplet, part)], [path])
            assert torch.allclose(getattr(store.states[1], part)[row], read[path][-1], atol=1e-4)
        assert torch.allclose(store.states[1].question[row], read[path][0], atol=1e-4)
    assert len(Store.collect(backbone, CASES, [1], most=4, quiet=1).states[1].right) == 4
    again = Store.restore(store.tensors())
    assert all(torch.equal(again.tensors()[name], tensor) for name, tensor in store.tensors().items())


def test_an_edit_reads_what_is_true_and_never_a_false_answer(backbone: Backbone) -> None:
    made = editor(backbone, own="none")
    held = Store.restore(learned(backbone)).states
    for memory in items(made.edit(backbone, REQUEST), AttentionMemory):
        (bank,) = memory.banks
        assert torch.equal(bank.tensors["index"], held[memory.layer].question)
        assert torch.equal(bank.tensors["states"], held[memory.layer].right)
        assert not torch.equal(held[memory.layer].right, held[memory.layer].wrong)


def test_eq7_the_gate_has_the_semantic_encoder_of_its_own_layer(backbone: Backbone) -> None:
    tensors, parts = learned(backbone), list[Tensor]()
    memories = items(editor(backbone).edit(backbone, REQUEST), AttentionMemory)
    for layer, memory in enumerate(memories):
        own = [tensors[f"semantic.{layer}.{number}"] for number in range(4)]
        assert memory.layer == layer and memory.gate == "similarity"
        assert all(torch.equal(a, b) for a, b in zip(memory.mlp, own, strict=True))
        parts += [own[0], tensors[f"truthfulness.{layer}.0"]]
    assert not any(torch.equal(a, b) for i, a in enumerate(parts) for b in parts[:i]), "four encoders"


def test_the_last_layers_are_edited(backbone: Backbone) -> None:
    for count, layers in ((1, {1}), (2, {0, 1})):
        made = UniKEEditor(**FAST | {"layers": count})
        made.load(backbone, learned(backbone, layers=count))
        edit = made.edit(backbone, REQUEST)
        assert {item.layer for item in items(edit, AttentionMemory)} == layers
        assert {item.layer for item in items(edit, ExtraNeurons)} == layers


def test_training_lowers_both_losses_and_repeats_its_bytes(backbone: Backbone) -> None:
    training = Training(seed=0)
    made = UniKEEditor(**FAST | {"encoder_steps": 150, "encoder_lr": 3e-3})
    first = made.train(backbone, CASES, training)
    curve = training.curves["encoders"]
    for name in ("L1.1", "L2.1"):
        assert curve[-1][name] < curve[0][name]
    second = made.train(backbone, CASES, Training(seed=0))
    other = made.train(backbone, CASES, Training(seed=1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["semantic.1.0"], other["semantic.1.0"])


def test_ablations_share_what_is_learned_and_readings_of_eq_4_do_not(backbone: Backbone) -> None:
    plain = UniKEEditor(**FAST).training_settings(backbone)
    for options in ({"top_k": 8}, {"gate": "fixed"}, {"zeta": "none"}, {"steps": 9}, {"intrinsic": False}):
        assert UniKEEditor(**FAST | options).training_settings(backbone) == plain
    for options in ({"temperature": 1.0}, {"anchor": True}):
        assert UniKEEditor(**FAST | options).training_settings(backbone) != plain
    printed = UniKEAsPrintedEditor(**FAST).training_settings(backbone)
    assert printed == plain | {"temperature": 1.0, "anchor": True}
    assert isinstance(UniKEEditor(), Trained)


# ---- edits


def test_own_states_are_pairs_of_neighbouring_positions(backbone: Backbone) -> None:
    path = backbone.anatomy.attention(1)
    (read,) = backbone.states([REQUEST.query], [REQUEST.target], [path])
    states = read[path]
    index, values = own_states(backbone, REQUEST, [1], "final")[1]
    assert torch.equal(index, states[:1]) and torch.equal(values, states[-1:])
    index, values = own_states(backbone, REQUEST, [1], "answer")[1]
    assert torch.equal(index, states[:-1]) and torch.equal(values, states[1:])
    assert len(index) == len(backbone.answer_ids(REQUEST.target)) - 1


@pytest.mark.parametrize("cls", [UniKEEditor, UniKEAsPrintedEditor])
def test_an_edit_learns_the_request_with_the_memory_at_work(
    backbone: Backbone, cls: type[UniKEEditor]
) -> None:
    made = cls(**FAST | {"steps": 150, "lr": 0.05, "threshold": 0.1})
    made.load(backbone, learned(backbone))
    edit = made.edit(backbone, REQUEST)
    kinds = [type(item) for item in edit.interventions]
    assert kinds == [AttentionMemory, AttentionMemory, ExtraNeurons, ExtraNeurons]
    assert backbone.edited(edit).answer([REQUEST.query]) == [REQUEST.target]
    assert float(edit.note["zeta_norm"]) > 0 and float(edit.note["values_norm"]) > 0


def items(edit: Edit, kind: type[Any]) -> list[Any]:
    return [item for item in edit.interventions if isinstance(item, kind)]


def test_ablations_are_options(backbone: Backbone) -> None:
    only = editor(backbone, external="none", zeta="none").edit(backbone, REQUEST)
    assert not items(only, AttentionMemory) and len(items(only, ExtraNeurons)) == 2
    latent = editor(backbone, intrinsic=False).edit(backbone, REQUEST)
    assert len(items(latent, AttentionMemory)) == 2 and not items(latent, ExtraNeurons)
    text = editor(backbone, external="context", examples=2).edit(backbone, REQUEST)
    assert "New Fact" in items(text, Context)[0].text and items(text, ExtraNeurons)
    (first, _) = items(editor(backbone, top_k=3).edit(backbone, REQUEST), AttentionMemory)
    own = len(backbone.answer_ids(REQUEST.target)) - 1
    assert (first.top_k, first.groups, len(first.index)) == (3, (own,), own)
    (bank,) = first.banks
    assert {name: len(tensor) for name, tensor in bank.tensors.items()} == {"index": 8, "states": 8}
    (alone, _) = items(editor(backbone, top_k=0).edit(backbone, REQUEST), AttentionMemory)
    assert (alone.groups, alone.banks) == ((own,), ())
    (shared, _) = items(editor(backbone, own="none").edit(backbone, REQUEST), AttentionMemory)
    assert (len(shared.index), shared.groups, len(shared.banks)) == (0, (), 1)
    (fixed, _) = items(editor(backbone, gate="fixed", weight=0.3).edit(backbone, REQUEST), AttentionMemory)
    assert (fixed.gate, fixed.weight, fixed.encoder) == ("fixed", 0.3, ())


def test_demonstrations_are_as_many_as_ike_was_found_to_need() -> None:
    for name in ("minigpt4-mini", "blip2-opt-mini"):
        searched = IKEEditor().settings(name).demonstrations  # type: ignore[arg-type]  # a name will do
        assert UniKEEditor(external="context").settings(name).examples == searched  # type: ignore[arg-type]
        assert UniKEEditor(examples=3).settings(name).examples == 3  # type: ignore[arg-type]


def test_zeta_variants_differ_and_none_leaves_it_out(backbone: Backbone) -> None:
    edits = {
        z: editor(backbone, zeta=z).edit(backbone, REQUEST) for z in ("none", "random", "semantic", "real")
    }
    values = [items(edit, ExtraNeurons)[0].values for edit in edits.values()]
    assert all(not torch.equal(a, b) for i, a in enumerate(values) for b in values[:i])
    assert edits["none"].note["zeta_norm"] == "0.0000"


def test_a_w_zeta_of_the_store_is_the_same_for_all_edits_and_steers_from_the_first_step(
    backbone: Backbone,
) -> None:
    steered = editor(backbone, w_zeta="store", steps=0)
    layer = max(steered._ready().store.states)
    own, states = steered._ready().encoders[layer], steered._ready().store.states[layer]
    for space in ("real", "random", "semantic"):
        made = editor(backbone, w_zeta="store", steps=0, zeta=space).edit(backbone, REQUEST)
        shift = 0.3 * own.back(states, space) @ own.zeta(states, space)
        # no step was taken: values are still zero, and what is left of them is the shift
        assert torch.allclose(items(made, ExtraNeurons)[-1].values, shift.expand(10, -1), atol=1e-5)
    asked = tiny_cases(2, "test")[1].request
    first, second = (items(steered.edit(backbone, r), ExtraNeurons)[-1].values for r in (REQUEST, asked))
    assert torch.equal(first, second)
    begun = editor(backbone, steps=0).edit(backbone, REQUEST)
    assert not items(begun, ExtraNeurons)[-1].values.any(), "one that each edit learns begins at zero"


def test_as_printed_puts_the_similarity_on_the_input(backbone: Backbone) -> None:
    made = UniKEAsPrintedEditor(**FAST)
    made.load(backbone, learned(backbone))
    (memory, _) = items(made.edit(backbone, REQUEST), AttentionMemory)
    assert memory.on_input and memory.space == "output" and memory.groups == (1,)
    own = editor(backbone).settings(backbone)
    assert not own.on_input and own.space == "state"


def test_a_sequence_is_one_memory_a_layer_and_refers_to_the_store_once(backbone: Backbone) -> None:
    made, view, edits = editor(backbone), backbone, []
    for case in CASES[:3]:
        edits.append(made.edit(view, case.request))
        view = view.edited(edits[-1])
    assert len({digest for edit in edits for digest in edit.shared()}) == 2 * 2, "by layer: store, encoder"
    assert all(edit.nbytes < 40_000 for edit in edits) and edits[0].shared_nbytes == edits[2].shared_nbytes
    folded = fold(edits)
    memories = [item for item in folded if isinstance(item, AttentionMemory)]
    assert len(folded) == 4 and len(memories) == 2
    for memory in memories:
        (bank,) = memory.banks
        own = [items(edit, AttentionMemory)[memories.index(memory)].groups[0] for edit in edits]
        assert sorted(memory.groups) == sorted(own)
        assert len(bank.tensors["index"]) == 8


def test_an_edit_survives_a_file_and_repeats_its_bytes(backbone: Backbone, tmp_path: Path) -> None:
    edit, again = editor(backbone).edit(backbone, REQUEST), editor(backbone).edit(backbone, REQUEST)
    for number, one in enumerate((edit, again)):
        one.save(tmp_path / f"{number}.safetensors")
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()
    asked = [REQUEST.query, CASES[0].request.query]
    loaded = Edit.load(tmp_path / "0.safetensors")
    assert backbone.edited(loaded).answer(asked, 5) == backbone.edited(edit).answer(asked, 5)


def test_spaces_are_those_of_the_last_layer(backbone: Backbone) -> None:
    made = editor(backbone)
    assert isinstance(made, Drawable)
    spaces = made.spaces()
    assert list(spaces) == ["truthfulness", "semantic"]
    assert all(list(codes) == ["true answers", "false answers"] for codes in spaces.values())
    assert {len(own) for codes in spaces.values() for own in codes.values()} == {8}


def test_misuse_is_named(backbone: Backbone) -> None:
    with pytest.raises(BenchError, match="must be loaded"):
        UniKEEditor(**FAST).edit(backbone, REQUEST)
    with pytest.raises(BenchError, match="option 'gate' is 'open'"):
        UniKEEditor(gate="open")
    with pytest.raises(BenchError, match="option 'layers' is 9"):
        UniKEEditor(layers=9, external="none", zeta="none").edit(backbone, REQUEST)
