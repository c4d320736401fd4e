"""The table of mutants fits the methods and their tests as they are now, and the lab tells who was killed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mmedit_bench.plugins.registry import EDITORS
from tests.mutations.lab import Case, complaints
from tests.mutations.mutant import METHODS, TESTS, Mutant
from tests.mutations.table import MUTANTS

CONTROLS = ("null", "copy_target")
"""Nothing is learned or shown by them."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_applied(mutant: Mutant) -> None:
    source = (METHODS / mutant.file).read_text(encoding="utf-8")
    changed = mutant.applied(source)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    assert mutant.wrong and mutant.killers


def test_tests_that_are_named_exist() -> None:
    known = {
        f"{path.name}::{node.name}"
        for path in TESTS.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    named = {killer.partition("[")[0] for mutant in MUTANTS for killer in mutant.killers}
    assert named <= known, named - known


def test_mutants_have_names_of_their_own_and_every_method_has_some() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    shipped = {
        EDITORS.load(name).__module__.split(".")[1]
        for name in EDITORS.names()
        if EDITORS.entry(name).distribution == "mmedit-bench"
    }
    mutated = {Path(mutant.file).parts[0] for mutant in MUTANTS}
    assert shipped - mutated - {*CONTROLS} == set()


def test_an_old_text_that_moved_is_named() -> None:
    mutant = Mutant("m", "x.py", "a + b", "a - b", "it subtracts", ("test_x.py::test_y",))
    assert mutant.applied("c = a + b\n") == "c = a - b\n"
    for source, count in (("c = b + a\n", 0), ("c = a + b\nd = a + b\n", 2)):
        with pytest.raises(ValueError, match=f"m: the old text stands {count} times in methods/x.py"):
            mutant.applied(source)


def test_a_mutant_is_killed_by_an_assertion_of_each_named_test_and_by_nothing_else() -> None:
    killers = ("test_x.py::test_y", "test_x.py::test_z[opt]")
    y, z = Case("test_x.py::test_y[llama]", "failed"), Case("test_x.py::test_z[opt]", "failed")
    passed = Case("test_x.py::test_y[opt]", "passed")
    assert complaints(killers, [passed, y, z]) == []
    assert complaints(killers, [passed, z]) == ["test_x.py::test_y does not notice it: passed"]
    assert complaints(killers, [y, Case("test_x.py::test_zz", "failed")]) == [
        "test_x.py::test_z[opt] does not notice it: it was not run"
    ]
    broken = Case("test_x.py::test_y[opt]", "broken", "NameError: s")
    assert complaints(killers, [broken, y, z]) == ["test_x.py::test_y[opt] broke: NameError: s"]
