"""Mistakes in T-Patcher."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

PATCH_STEP = "test_t_patcher.py::test_an_edit_is_descent_on_l_e_l_a_and_both_memory_losses"

T_PATCHER = (
    Mutant(
        "t-patcher-without-l-a",
        "t_patcher/editor.py",
        "            total = total + s.activation_weight * activation_loss(own)\n",
        "",
        "nothing wakes a patch at its own query",
        (PATCH_STEP,),
    ),
    Mutant(
        "t-patcher-without-l-m1",
        "t_patcher/editor.py",
        "(memory_loss(quiet) + contrast_loss(own, quiet))",
        "contrast_loss(own, quiet)",
        "nothing keeps a patch below zero at the memory",
        (PATCH_STEP,),
    ),
    Mutant(
        "t-patcher-without-l-m2",
        "t_patcher/editor.py",
        "(memory_loss(quiet) + contrast_loss(own, quiet))",
        "memory_loss(quiet)",
        "nothing keeps the memory below a patch's own query",
        (PATCH_STEP,),
    ),
    Mutant(
        "t-patcher-memory-weight-dropped",
        "t_patcher/editor.py",
        "total = total + s.memory_weight * (memory_loss",
        "total = total + (memory_loss",
        "the memory losses count in full whatever their weight is",
        (PATCH_STEP,),
    ),
    Mutant(
        "t-patcher-stops-on-the-whole-loss",
        "t_patcher/editor.py",
        "done=lambda _: answer_loss < s.threshold",
        "done=lambda value: value < s.threshold",
        "an edit stops on the sum of its losses, so it goes on after the answer is learned",
        ("test_t_patcher.py::test_an_edit_stops_once_the_answer_alone_is_learned",),
    ),
    Mutant(
        "t-patcher-right-tokens",
        "t_patcher/editor.py",
        "if guess != token]",
        "if guess == token]",
        "patches stand where the backbone is right",
        ("test_t_patcher.py::test_patches_stand_at_wrong_tokens_and_at_no_right_one",),
    ),
    Mutant(
        "t-patcher-all-tokens",
        "t_patcher/editor.py",
        "if guess != token]",
        "]",
        "patches stand at every token, right or wrong",
        ("test_t_patcher.py::test_patches_stand_at_wrong_tokens_and_at_no_right_one",),
    ),
    Mutant(
        "t-patcher-amplifier-dropped",
        "t_patcher/editor.py",
        "ExtraNeurons(layer, self.keys, self.bias, self.amplifier * self.values, self.up_keys)",
        "ExtraNeurons(layer, self.keys, self.bias, self.values, self.up_keys)",
        "the amplifier neither counts nor is trained",
        (PATCH_STEP, "test_t_patcher.py::test_an_edit_moves_all_that_it_trains"),
    ),
    Mutant(
        "t-patcher-up-keys-frozen",
        "t_patcher/editor.py",
        "return own if self.up_keys is None else [*own, self.up_keys]",
        "return own",
        "in gated layers half of a patch is not trained",
        (PATCH_STEP, "test_t_patcher.py::test_an_edit_moves_all_that_it_trains"),
    ),
    Mutant(
        "t-patcher-diagonal-of-neighbours",
        "t_patcher/editor.py",
        "own = patches.signal(queries).diagonal()",
        "own = patches.signal(queries).mean(0)",
        "a patch is woken at the mean of all queries, not at its own",
        (PATCH_STEP,),
    ),
)
