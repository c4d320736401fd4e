"""Mistakes in MEND."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

MEND_STEP = "test_mend.py::test_a_training_is_adam_on_the_published_objective"

MEND = (
    Mutant(
        "mend-without-picture-kl",
        "mend/editor.py",
        'found["reworded"] + found["redrawn"], found["text"] + found["image"]',
        'found["reworded"] + found["redrawn"], found["text"]',
        "nothing holds the answers to other pictures",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-without-text-kl",
        "mend/editor.py",
        'found["reworded"] + found["redrawn"], found["text"] + found["image"]',
        'found["reworded"] + found["redrawn"], found["image"]',
        "nothing holds the answers to questions without a picture",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-without-redrawn",
        "mend/editor.py",
        'found["reworded"] + found["redrawn"], found["text"] + found["image"]',
        'found["reworded"], found["text"] + found["image"]',
        "another picture of the edited thing is not asked for",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-trained-on-the-request",
        "mend/editor.py",
        "queries, targets = drawn.changed\n            logits = backbone.logits(queries, targets, edit)",
        "queries, targets = [request.query] * 2, [request.target] * 2\n"
        "            logits = backbone.logits(queries, targets, edit)",
        "it is trained to say the target at the request, not at other wordings and pictures of it",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-unedited-likelihood",
        "mend/editor.py",
        "logits = backbone.logits(queries, targets, edit)",
        "logits = backbone.logits(queries, targets)",
        "the likelihood of the new answer is taken without the edit: it trains nothing",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-weights-swapped",
        "mend/editor.py",
        "(s.change * change + s.keep * keep) / s.accumulate",
        "(s.keep * change + s.change * keep) / s.accumulate",
        "the weights of changing and keeping are in each other's place",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-unseen-gradients",
        "mend/editor.py",
        "            network.see(gradients)\n",
        "",
        "gradients never enter the running statistics, so nothing is normalised",
        (MEND_STEP,),
    ),
    Mutant(
        "mend-steps-not-trained",
        "mend/editor.py",
        '[{"params": others, "lr": s.lr}, {"params": [network.steps], "lr": s.step_lr}]',
        '[{"params": others, "lr": s.lr}]',
        "the step sizes stay as they begin",
        ("test_trainings.py::test_a_training_moves_each_parameter_that_it_owns[mend-opt]", MEND_STEP),
    ),
    Mutant(
        "mend-gradient-ascent",
        "mend/network.py",
        "-self.steps[number] * pseudo_delta.T",
        "self.steps[number] * pseudo_delta.T",
        "an edit goes up the gradient",
        ("test_mend.py::test_an_identity_initialised_editor_is_one_plain_sgd_step",),
    ),
    Mutant(
        "mend-one-scale-for-all",
        "mend/network.py",
        "self._network(path)(u, delta, self._place[path][1])",
        "self._network(path)(u, delta, 0)",
        "layers of one shape share scale and offset too",
        ("test_mend.py::test_each_edited_layer_has_a_scale_and_an_offset_of_its_own",),
    ),
    Mutant(
        "mend-edits-the-unedited-model",
        "mend/editor.py",
        "_, gradients = backbone.gradients([request.query], [request.target], self._network.modules_edited)",
        "_, gradients = backbone.unedited().gradients(\n"
        "            [request.query], [request.target], self._network.modules_edited\n        )",
        "in a sequence each edit is made as if it were the first",
        ("test_mend.py::test_an_edit_is_low_rank_and_survives_a_file",),
    ),
)
