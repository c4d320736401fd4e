"""Each mutant is killed by the tests that it names, which pass without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.lab import complaints, examined
from tests.mutations.mutant import Mutant
from tests.mutations.table import MUTANTS

pytestmark = pytest.mark.mutations


def test_without_a_mistake_all_named_tests_pass(tmp_path: Path) -> None:
    killers = sorted({killer for mutant in MUTANTS for killer in mutant.killers})
    cases = examined(tmp_path, killers)
    assert [case for case in cases if case.outcome != "passed"] == []
    assert [killer for killer in killers if not any(case.of(killer) for case in cases)] == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    assert complaints(mutant.killers, examined(tmp_path, mutant.killers, mutant)) == [], mutant.wrong
