"""Mistakes in SERAC and in its port."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

SERAC = (
    Mutant(
        "serac-all-inside",
        "serac/scope.py",
        "labels = torch.tensor(wanted, device=codes.device)",
        "labels = torch.ones(len(wanted), device=codes.device)",
        "the classifier is told that every question is in every scope",
        ("test_serac.py::test_the_classifier_is_trained_to_tell_inside_from_outside",),
    ),
    Mutant(
        "serac-locality-inside",
        "serac/scope.py",
        "(rng.choice(outside), 0.0)]",
        "(rng.choice(outside), 1.0)]",
        "questions to be kept count as inside",
        ("test_serac.py::test_the_classifier_is_trained_to_tell_inside_from_outside",),
    ),
    Mutant(
        "serac-others-inside",
        "serac/scope.py",
        "pairs.append((other.query, 0.0))",
        "pairs.append((other.query, 1.0))",
        "questions of other edits count as inside",
        ("test_serac.py::test_the_classifier_is_trained_to_tell_inside_from_outside",),
    ),
    Mutant(
        "serac-without-answer-swap",
        "serac/counterfactual.py",
        "target = case.request.target if rng.random() < 0.5 else rng.choice(cases).request.target",
        "target = case.request.target",
        "each training question has one answer, so that it can be known and need not be read",
        ("test_serac.py::test_half_of_the_answers_are_those_of_other_cases_and_said_as_they_are_read",),
    ),
    Mutant(
        "serac-swap-read-not-said",
        "serac/counterfactual.py",
        "yield EditRequest(case.id, case.request.query, target), probe.query, target",
        "yield EditRequest(case.id, case.request.query, target), probe.query, case.request.target",
        "a swapped answer is read, the old one is to be said",
        ("test_serac.py::test_half_of_the_answers_are_those_of_other_cases_and_said_as_they_are_read",),
    ),
    Mutant(
        "serac-trained-on-the-request",
        "serac/counterfactual.py",
        "yield EditRequest(case.id, case.request.query, target), probe.query, target",
        "yield EditRequest(case.id, case.request.query, target), case.request.query, target",
        "the counterfactual model never meets a rewording",
        ("test_serac.py::test_half_of_the_answers_are_those_of_other_cases_and_said_as_they_are_read",),
    ),
    Mutant(
        "serac-likelihood-early-by-one",
        "serac/counterfactual.py",
        "own = logs[i, len(read) - 1 : len(read) - 1 + len(answer)]",
        "own = logs[i, len(read) - 2 : len(read) - 2 + len(answer)]",
        "each answer token is judged by what the token before it should be",
        ("test_serac.py::test_the_counterfactual_model_is_causal_and_its_loss_a_plain_mean",),
    ),
    Mutant(
        "serac-farthest-answers",
        "serac/reader.py",
        "best = int(similar.argmax())",
        "best = int(similar.argmin())",
        "of several edits the one least like the question is taken",
        ("test_serac.py::test_the_nearest_edit_of_a_sequence_answers",),
    ),
    Mutant(
        "serac-last-edit-only",
        "serac/reader.py",
        "return replace(self, entries=(*kept, *other.entries))",
        "return replace(self, entries=other.entries)",
        "a sequence holds its last edit only",
        ("test_serac.py::test_the_nearest_edit_of_a_sequence_answers",),
    ),
    Mutant(
        "serac-sees-no-picture",
        "serac/editor.py",
        "code = classifier.encode(base, [request.query])[0]",
        "code = classifier.encode(base, [type(request.query)(request.query.prompt)])[0]",
        "an edit is remembered without its picture",
        ("test_serac.py::test_an_edit_is_known_by_its_question_and_picture",),
    ),
)

SERAC_LEGACY = (
    Mutant(
        "serac-legacy-mixture-swapped",
        "serac_legacy/mixture.py",
        "return torch.logaddexp(inside + counterfactual, outside + base)",
        "return torch.logaddexp(outside + counterfactual, inside + base)",
        "the more a question is in scope, the more the base model answers",
        ("test_serac.py::test_the_ports_mixture_is_a_weighted_sum_of_probabilities",),
    ),
    Mutant(
        "serac-legacy-without-kl",
        "serac_legacy/mixture.py",
        "(0.1 * reworded + 0.1 * redrawn + text).backward()",
        "(0.1 * reworded + 0.1 * redrawn + 0 * text).backward()",
        "nothing holds the answers to questions without a picture",
        ("test_serac.py::test_the_port_is_trained_by_the_three_losses_of_the_mixture",),
    ),
    Mutant(
        "serac-legacy-weights-dropped",
        "serac_legacy/mixture.py",
        "(0.1 * reworded + 0.1 * redrawn + text).backward()",
        "(reworded + redrawn + text).backward()",
        "changing weighs ten times what the port has",
        ("test_serac.py::test_the_port_is_trained_by_the_three_losses_of_the_mixture",),
    ),
    Mutant(
        "serac-legacy-kl-turned-round",
        "serac_legacy/mixture.py",
        "drift = (base.exp() * (base - logs)).sum(-1).mean()",
        "drift = (logs.exp() * (logs - base)).sum(-1).mean()",
        "KL(mixture || base) in place of KL(base || mixture)",
        ("test_serac.py::test_the_port_is_trained_by_the_three_losses_of_the_mixture",),
    ),
    Mutant(
        "serac-legacy-without-answer",
        "serac_legacy/mixture.py",
        'return Query(f"{request.query.prompt} {request.target}")',
        "return Query(request.query.prompt)",
        "the port's classifier does not read the answer, as the port's does",
        ("test_serac.py::test_the_ports_memory_holds_the_answer_and_its_loss_runs_through_both_parts",),
    ),
    Mutant(
        "serac-legacy-oldest-answers",
        "serac_legacy/reader.py",
        "inside = (e for e in reversed(self.entries) if",
        "inside = (e for e in self.entries if",
        "of several edits in scope the first answers",
        ("test_serac.py::test_of_the_ports_edits_in_scope_the_latest_answers",),
    ),
)
