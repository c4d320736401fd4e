"""The options that put an editor apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.execution import sandbox
from tests.cli.conftest import Call

RUN = ("run", "--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "echo", "--limit", "1")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--processes", "9"), "--processes"),
        (("--isolate", "--readable", "."), "--readable"),
        (("--unsafe-no-sandbox", "--readable", "."), "--readable"),
        (("--ready-timeout", "9"), "--ready-timeout"),
        (("--memory-limit", "9"), "--memory-limit"),
        (("--unsafe-no-sandbox",), "it is for --isolate"),
    ],
)
def test_limits_of_what_is_not_asked_for_are_refused(
    call: Call, options: tuple[str, ...], named: str
) -> None:
    done = call(*RUN, *options)
    assert done.exit_code == 2
    assert named in done.stderr
    assert not Path("runs").exists()


def test_no_sandbox_no_run(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = call(*RUN, "--sandbox")
    assert done.exit_code == 2
    assert "apt-get install bubblewrap" in done.stderr
    assert "--unsafe-no-sandbox" in done.stderr
    assert not Path("runs").exists(), "nothing is measured before"


def test_that_none_is_wanted_can_be_said(call: Call) -> None:
    done = call(*RUN, "--isolate", "--unsafe-no-sandbox", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "complete"


@pytest.mark.skipif(
    sandbox.available() is not None, reason=f"NO SANDBOX, so nothing is tested of it: {sandbox.available()}"
)
def test_a_suite_that_keeps_nothing_secret_is_not_run_in_a_sandbox(call: Call) -> None:
    done = call(*RUN, "--sandbox")
    assert done.exit_code == 2
    assert "for_editors(folder)" in done.stderr
