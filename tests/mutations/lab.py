"""Runs tests against a copy of the methods' source, with or without a mistake in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.mutations.mutant import METHODS, ROOT, TESTS, Mutant

PATIENCE = 1800.0
"""Seconds after which tests count as hanging."""

# Importing torch and transformers costs more than most of the tests do: one process imports them, and
# each copy's tests run in a fork of it. It must never import the methods, which are the copy's.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["pytest", "tests.tiny", "mmedit_bench.editors"])


@dataclass(frozen=True)
class Case:
    """How one case of a test ended: "passed", "skipped", "failed" by an assertion, or "broken" otherwise."""

    test: str
    """Its node, below `tests/methods/`."""
    outcome: str
    message: str = ""

    def of(self, killer: str) -> bool:
        """Whether it is a case of the named test."""
        return self.test == killer or self.test.startswith(f"{killer}[")


def examined(folder: Path, killers: Sequence[str], mutant: Mutant | None = None) -> list[Case]:
    """The cases of the named tests, run in a process of their own on a copy of `methods/` in `folder`.

    Nothing outside of `folder` is written. Raises `RuntimeError`, with what was printed, if the tests
    did not come to an end.
    """
    copy = folder / "methods"
    shutil.copytree(METHODS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        path = copy / mutant.file
        path.write_text(mutant.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
    process = _CONTEXT.Process(target=_examine, args=(folder, tuple(killers)))
    process.start()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
    found = folder / "cases.json"
    if not found.exists():
        printed = folder / "printed.txt"
        said = printed.read_text(encoding="utf-8") if printed.exists() else ""
        raise RuntimeError(f"the tests did not come to an end (status {process.exitcode}):\n{said[-4000:]}")
    return [Case(**each) for each in json.loads(found.read_text(encoding="utf-8"))]


def complaints(killers: Sequence[str], cases: Sequence[Case]) -> list[str]:
    """Why a mutant with these cases is not killed as it should be; empty if it is.

    Each of its tests must fail by an assertion, and nothing may end otherwise: what breaks a test
    would break it for any mistake, and shows nothing about this one.
    """
    found = [f"{case.test} broke: {case.message}" for case in cases if case.outcome == "broken"]
    for killer in killers:
        own = [case.outcome for case in cases if case.of(killer)]
        if "failed" not in own:
            found.append(f"{killer} does not notice it: {', '.join(own) or 'it was not run'}")
    return found


def _examine(folder: Path, killers: Sequence[str]) -> None:
    """In the process of its own."""
    printed = os.open(folder / "printed.txt", os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]  # those of the process that asks
    os.environ.setdefault("TOX_ENV_NAME", "mutations")  # the same examples of hypothesis, and none kept
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    import methods

    if list(methods.__path__) != [str(folder / "methods")]:
        raise RuntimeError(f"the methods of {list(methods.__path__)} were imported, not the copy")
    witness = _Witness(killers)
    pytest.main(
        ["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"),
         *(str(TESTS / killer) for killer in killers)],
        plugins=[witness],
    )  # fmt: skip
    rows = json.dumps([asdict(case) for case in witness.cases])
    (folder / "cases.part").write_text(rows, encoding="utf-8")
    (folder / "cases.part").rename(folder / "cases.json")


class _Witness:
    """Notes how each case ends, and by which kind of exception."""

    def __init__(self, killers: Sequence[str]) -> None:
        self.cases: list[Case] = []
        self._killers = killers

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test that has noticed the mistake in one case need not be asked in its others."""
        case = Case(_named(item), "skipped")
        tests = [killer for killer in self._killers if case.of(killer)]
        noticed = [own for own in self.cases if own.outcome == "failed"]
        if tests and all(any(own.of(killer) for own in noticed) for killer in tests):
            pytest.skip("noticed already")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        test = _named(item)
        if call.excinfo is None:
            if call.when == "call":
                self.cases.append(Case(test, "passed"))
        elif report.skipped:
            self.cases.append(Case(test, "skipped"))
        else:
            asserted = call.when == "call" and _is_assertion(call.excinfo.value)
            self.cases.append(Case(test, "failed" if asserted else "broken", call.excinfo.exconly()[:500]))
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.cases.append(Case(report.nodeid, "broken", report.longreprtext[-500:]))


def _named(item: pytest.Item) -> str:
    return item.nodeid.removeprefix("tests/methods/")


def _is_assertion(error: BaseException) -> bool:
    """An assertion, an exception that was waited for in vain, or several of them (hypothesis)."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_assertion(own) for own in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)
