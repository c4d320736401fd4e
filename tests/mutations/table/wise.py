"""Mistakes in WISE."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

WISE_STEP = "test_wise.py::test_an_edit_is_descent_on_the_answers_and_the_routing_loss"

WISE = (
    Mutant(
        "wise-mask-ignored-in-training",
        "wise/editor.py",
        "delta = before + open_ * change",
        "delta = before + change",
        "the whole weight is trained, and the shard's part of it kept",
        (WISE_STEP,),
    ),
    Mutant(
        "wise-one-mask-for-all-shards",
        "wise/editor.py",
        "open_ = mask(shard, tuple(weight.shape), s.mask)",
        "open_ = mask(0, tuple(weight.shape), s.mask)",
        "all shards change the same part of the weight",
        ("test_wise.py::test_a_shard_is_gone_on_from_and_others_are_not_seen",),
    ),
    Mutant(
        "wise-without-routing",
        "wise/editor.py",
        "return answer + s.routing_weight * routing_loss(awake, quiet, s.alpha, s.beta, s.gamma)",
        "return answer + 0 * routing_loss(awake, quiet, s.alpha, s.beta, s.gamma)",
        "nothing tells the edit from the rest",
        (WISE_STEP,),
    ),
    Mutant(
        "wise-routing-turned-round",
        "wise/editor.py",
        "awake, quiet = (linear(x, delta).norm(dim=-1) for x in (inside, kept))",
        "awake, quiet = (linear(x, delta).norm(dim=-1) for x in (kept, inside))",
        "questions to be kept are woken, the edit is kept quiet",
        (WISE_STEP,),
    ),
    Mutant(
        "wise-margins-swapped",
        "wise/editor.py",
        "routing_loss(awake, quiet, s.alpha, s.beta, s.gamma)",
        "routing_loss(awake, quiet, s.alpha, s.gamma, s.beta)",
        "beta and gamma are in each other's place",
        (WISE_STEP,),
    ),
    Mutant(
        "wise-wakes-at-the-largest",
        "wise/editor.py",
        "least = linear(inside, before + own).norm(dim=-1).min().item()",
        "least = linear(inside, before + own).norm(dim=-1).max().item()",
        "the threshold comes from an edit's largest activation: some of its tokens do not wake",
        ("test_wise.py::test_the_memory_is_woken_by_the_edit_and_says_its_target",),
    ),
    Mutant(
        "wise-last-edit-only",
        "wise/editor.py",
        "                before += item.deltas[0]\n",
        "                before = item.deltas[0]\n",
        "of a shard's earlier edits the last one is gone on from",
        ("test_wise.py::test_an_edit_goes_on_from_all_earlier_ones_of_its_shard",),
    ),
    Mutant(
        "wise-shard-too-late",
        "wise/editor.py",
        "shard = len(side) // s.edits_per_shard",
        "shard = (len(side) + 1) // s.edits_per_shard",
        "a shard holds one edit less than it should, the first of all",
        ("test_wise.py::test_a_shard_is_gone_on_from_and_others_are_not_seen",),
    ),
    Mutant(
        "wise-norm-of-the-step",
        "wise/editor.py",
        "change.copy_((before + change).clamp(-s.norm, s.norm) - before)",
        "change.copy_(change.clamp(-s.norm, s.norm))",
        "each edit may move as far as all of a shard may",
        ("test_wise.py::test_a_shard_is_gone_on_from_and_others_are_not_seen",),
    ),
    Mutant(
        "wise-writes-the-reader",
        "wise/editor.py",
        "return backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))[-1]",
        "return backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))[0]",
        "the side memory is of the keys, W_k, not of the values, W_v",
        ("test_wise.py::test_the_side_memory_is_of_the_writing_linear",),
    ),
)
