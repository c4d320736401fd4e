"""Mistakes in KnowledgeEditor."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

KE_STEP = "test_ke.py::test_a_training_is_descent_on_the_lagrangian_and_ascent_in_its_multipliers"

KE = (
    Mutant(
        "ke-without-norm-constraint",
        "ke/editor.py",
        "torch.stack([(text + image) / 2, norm_of(edit)])",
        "torch.stack([(text + image) / 2, norm_of(edit).detach()])",
        "nothing keeps the edit small: the norm is measured, and trains nothing",
        (KE_STEP,),
    ),
    Mutant(
        "ke-without-kl-constraint",
        "ke/editor.py",
        "torch.stack([(text + image) / 2, norm_of(edit)])",
        "torch.stack([((text + image) / 2).detach(), norm_of(edit)])",
        "nothing holds other answers: the drift is measured, and trains nothing",
        (KE_STEP,),
    ),
    Mutant(
        "ke-without-picture-kl",
        "ke/editor.py",
        "torch.stack([(text + image) / 2, norm_of(edit)])",
        "torch.stack([text, norm_of(edit)])",
        "nothing holds the answers to other pictures",
        (KE_STEP,),
    ),
    Mutant(
        "ke-multipliers-descend",
        "ke/editor.py",
        "lr=s.multiplier_lr, maximize=True)",
        "lr=s.multiplier_lr)",
        "a violated constraint lowers its multiplier",
        (
            "test_ke.py::test_training_keeps_multipliers_at_or_above_zero_and_raises_them_while_violated",
            KE_STEP,
        ),
    ),
    Mutant(
        "ke-multipliers-below-zero",
        "ke/editor.py",
        "network.multipliers.clamp_(min=0)",
        "network.multipliers.clamp_(min=-1)",
        "a met constraint pays for being violated",
        ("test_ke.py::test_training_keeps_multipliers_at_or_above_zero_and_raises_them_while_violated",),
    ),
    Mutant(
        "ke-request-alone",
        "ke/editor.py",
        "queries, targets = [case.request.query, *queries], [case.request.target, *targets]",
        "queries, targets = [case.request.query], [case.request.target]",
        "it is trained at the request, not at its rewordings",
        (KE_STEP,),
    ),
    Mutant(
        "ke-learns-the-held-out",
        "ke/editor.py",
        "held, learned = useful[:count], useful[count:]",
        "held, learned = useful[:count], useful",
        "margins shrink by the success on cases that it is trained on",
        ("test_ke.py::test_held_out_cases_are_not_learned",),
    ),
    Mutant(
        "ke-margins-shrink-by-the-learned",
        "ke/editor.py",
        "took = [self._took(network, backbone, case.request, own) for case, own in held]",
        "took = [self._took(network, backbone, case.request, own) for case, own in learned]",
        "margins shrink by the success on cases that it is trained on",
        ("test_ke.py::test_held_out_cases_are_not_learned",),
    ),
    Mutant(
        "ke-condition-without-answer",
        "ke/editor.py",
        'return f"{answer} >> {request.target} || {request.query.prompt}"',
        'return f"{answer} >> {answer} || {request.query.prompt}"',
        "the network does not read what is to be said",
        ("test_ke.py::test_the_condition_holds_old_answer_new_answer_and_question",),
    ),
    Mutant(
        "ke-reads-the-target-as-old",
        "ke/editor.py",
        "(answer,) = backbone.answer([request.query])\n",
        "answer = request.target\n",
        "the new answer stands where the network was trained to read the old one",
        ("test_ke.py::test_an_edit_is_conditioned_on_the_backbones_own_answer",),
    ),
    Mutant(
        "ke-ungated-gradient",
        "ke/network.py",
        "gated = torch.outer(a_row.softmax(-1), a_col) * gradient",
        "gated = torch.outer(a_row.softmax(-1), a_col)",
        "the gradient has no part in the edit",
        ("test_ke.py::test_the_gate_is_the_published_formula",),
    ),
)
