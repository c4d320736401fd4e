"""Mistakes in what several methods share."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

MEND_STEP = "test_mend.py::test_a_training_is_adam_on_the_published_objective"
KE_STEP = "test_ke.py::test_a_training_is_descent_on_the_lagrangian_and_ascent_in_its_multipliers"
COPY = "test_ft.py::test_deltas_equal_training_the_weights_of_a_copy"

SHARED = (
    Mutant(
        "mend-learns-what-is-known",
        "mistakes.py",
        "if answer.strip().casefold() != case.request.target.strip().casefold()",
        "if answer.strip().casefold() == case.request.target.strip().casefold()",
        "MEND and KE are trained on what the backbone says already",
        ("test_lessons.py::test_what_is_learned_is_what_the_backbone_gets_wrong",),
    ),
    Mutant(
        "drift-from-the-edited",
        "lessons.py",
        "return divergence(before[:1], after[:1]), divergence(before[1:], after[1:])",
        "return divergence(after[:1], before[:1]), divergence(after[1:], before[1:])",
        "KL(edited || unedited) in place of KL(unedited || edited)",
        ("test_lessons.py::test_drift_is_the_divergence_from_the_unedited_answers", MEND_STEP, KE_STEP),
    ),
    Mutant(
        "drift-text-for-picture",
        "lessons.py",
        "return divergence(before[:1], after[:1]), divergence(before[1:], after[1:])",
        "return divergence(before[:1], after[:1]), divergence(before[:1], after[:1])",
        "the question without picture counts twice, the one with a picture not at all",
        ("test_lessons.py::test_drift_is_the_divergence_from_the_unedited_answers", MEND_STEP, KE_STEP),
    ),
    Mutant(
        "lessons-keep-what-is-edited",
        "lessons.py",
        'kinds = ("text_generality", "image_generality", "text_locality", "image_locality")',
        'kinds = ("text_generality", "image_generality", "text_locality", "image_generality")',
        "another picture of the edited thing is to keep its old answer",
        ("test_lessons.py::test_a_lesson_changes_rewordings_and_keeps_locality",),
    ),
    Mutant(
        "ft-gradients-add-up",
        "descent.py",
        "        optimiser.zero_grad()\n",
        "",
        "each step follows the sum of all gradients so far",
        (COPY,),
    ),
    Mutant(
        "kept-questions-are-the-edited",
        "kept.py",
        'if probe.kind.endswith("_locality")]',
        'if probe.kind.endswith("_generality")]',
        "T-Patcher and WISE keep quiet at what edits are to change",
        (
            "test_t_patcher.py::test_the_memory_is_what_the_layer_reads_at_questions_to_be_kept",
            "test_wise.py::test_kept_states_are_what_the_layer_reads_at_locality_probes",
        ),
    ),
)
