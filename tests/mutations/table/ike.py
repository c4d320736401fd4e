"""Mistakes in in-context editing: what is shown, in which order, and before which questions."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

TEXT = "test_ike.py::test_text_equals_a_brute_force_computation"

IKE = (
    Mutant(
        "ike-most-similar-first",
        "ike/editor.py",
        "for rank, fact in enumerate(facts)][::-1]",
        "for rank, fact in enumerate(facts)]",
        "the most similar demonstration stands farthest from the question",
        (TEXT,),
    ),
    Mutant(
        "ike-least-similar",
        "ike/editor.py",
        "(self._index.embeddings @ query).argsort(descending=True, stable=True)",
        "(self._index.embeddings @ query).argsort(stable=True)",
        "the least similar facts are shown",
        (TEXT,),
    ),
    Mutant(
        "ike-without-the-fact",
        "ike/editor.py",
        'fact = f"New Fact: {request.query.prompt} {request.target}\\nPrompt: "',
        'fact = f"New Fact: {request.query.prompt}\\nPrompt: "',
        "the new fact is shown without its answer",
        (TEXT,),
    ),
    Mutant(
        "ike-shows-the-request",
        "ike/corpus.py",
        "return (self.prompt, self.target) == (request.query.prompt, request.target)",
        "return False",
        "the edited fact itself is among the demonstrations, with its probes' wordings",
        ("test_ike.py::test_own_case_and_repeated_facts_are_no_demonstrations",),
    ),
    Mutant(
        "ike-retains-nothing",
        "ike/corpus.py",
        'RETAIN: f"{self.unrelated} {self.unrelated_answer}",',
        'RETAIN: f"{self.unrelated} {self.target}",',
        "demonstrations of what stays show the new answer to everything",
        (TEXT,),
    ),
    Mutant(
        "ike-types-out-of-ratio",
        "ike/corpus.py",
        "TYPES = (RETAIN, UPDATE, RETAIN, UPDATE, COPY, RETAIN, UPDATE, RETAIN)",
        "TYPES = (RETAIN, UPDATE, COPY, UPDATE, COPY, RETAIN, UPDATE, RETAIN)",
        "copy 2, update 3, retain 3 in place of 1, 3, 4",
        ("test_ike.py::test_types_keep_the_published_ratio",),
    ),
    Mutant(
        "ike-legacy-least-similar",
        "ike_legacy/editor.py",
        "(self._corpus.embeddings @ query).argsort(descending=True, stable=True)",
        "(self._corpus.embeddings @ query).argsort(stable=True)",
        "the least similar sentences are shown",
        ("test_ike_variants.py::test_the_ports_prefix_is_most_similar_first_without_a_ratio",),
    ),
    Mutant(
        "ike-memory-either-suffices",
        "ike_memory/gate.py",
        "return torch.minimum(edit.text @ query.text.T - self.text, edit.seen(query) - self.image)",
        "return torch.maximum(edit.text @ query.text.T - self.text, edit.seen(query) - self.image)",
        "the wording or the picture opens the gate alone",
        (
            "test_ike_variants.py::test_margins_are_the_smaller_of_both_and_blind_questions_match_only_each_other",
        ),
    ),
    Mutant(
        "ike-memory-always-open",
        "ike_memory/reader.py",
        "return self.entries[best] if margins[best] >= 0 else None",
        "return self.entries[best]",
        "the context stands before every question",
        ("test_ike_variants.py::test_questions_outside_are_the_base_models_own_and_inside_read_the_context",),
    ),
    Mutant(
        "ike-memory-calibrated-on-the-first",
        "ike_memory/editor.py",
        "self._thresholds = calibrated(backbone, s.retriever, cases[::stride])",
        "self._thresholds = calibrated(backbone, s.retriever, cases[:1])",
        "thresholds are those of a single case",
        ("test_ike_variants.py::test_thresholds_are_fitted_to_cases_of_the_whole_split",),
    ),
    Mutant(
        "ike-memory-calibrated-on-leaks",
        "ike_memory/gate.py",
        "score = (taken[wanted].float().mean() + (~taken[~wanted]).float().mean()).item() / 2",
        "score = taken[wanted].float().mean().item()",
        "thresholds are fitted to what is changed alone: the lowest are the best",
        ("test_ike_variants.py::test_thresholds_are_the_best_of_all_by_brute_force",),
    ),
    Mutant(
        "ike-memory-farthest-answers",
        "ike_memory/reader.py",
        "best = max(range(len(margins)), key=margins.__getitem__)",
        "best = min(range(len(margins)), key=margins.__getitem__)",
        "of several edits the one least like the question is read",
        (
            "test_ike_variants.py::test_in_a_sequence_the_nearest_entry_is_read_and_a_repeated_request_"
            "replaces_its_own",
        ),
    ),
)
