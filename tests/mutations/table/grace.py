"""Mistakes in GRACE."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

GRACE = (
    Mutant(
        "grace-key-at-the-answer",
        "grace/editor.py",
        "key, read = seen[reads][:1].float().clone(), seen[writes][:1]",
        "key, read = seen[reads][-1:].float().clone(), seen[writes][:1]",
        "a question is known by its answer's last token, which is not there when it is asked",
        ("test_grace.py::test_the_key_is_the_state_of_the_questions_last_token",),
    ),
    Mutant(
        "grace-key-of-the-wrong-linear",
        "grace/editor.py",
        'ffn[0] if s.key == "ffn" else ffn[-1], ffn[-1]',
        'ffn[-1] if s.key == "ffn" else ffn[0], ffn[-1]',
        "the two kinds of keys are in each other's place",
        ("test_grace.py::test_the_key_is_the_state_of_the_questions_last_token",),
    ),
    Mutant(
        "grace-radius-dropped",
        "grace/editor.py",
        "radii = torch.full((1,), s.radius, device=key.device)",
        "radii = torch.full((1,), 1.0, device=key.device)",
        "the option radius reaches no entry",
        ("test_grace.py::test_the_key_is_the_state_of_the_questions_last_token",),
    ),
    Mutant(
        "grace-last-edit-only",
        "grace/editor.py",
        "return functools.reduce(_joined, books) if books else None",
        "return books[-1] if books else None",
        "of the edits before it an entry meets the last only",
        ("test_grace.py::test_an_entry_meets_all_that_were_made_before_it",),
    ),
    Mutant(
        "grace-begins-at-another-answer",
        "grace/editor.py",
        'met is not None and met.kind == "same":',
        'met is not None and met.kind == "split":',
        "training begins at the value of an entry with another answer",
        ("test_grace.py::test_the_same_answer_nearby_grows_an_earlier_ball_and_undoing_shrinks_it",),
    ),
    Mutant(
        "grace-value-not-trained",
        "grace/editor.py",
        "return Edit((replace(new, values=value.detach()),), note)",
        "return Edit((new,), note)",
        "the value that was trained is thrown away",
        ("test_grace.py::test_a_value_is_descent_on_the_loss_of_the_request",),
    ),
)
