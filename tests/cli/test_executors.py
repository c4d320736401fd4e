"""Who carries out: what the command line refuses, in one line."""

from __future__ import annotations

import sys

import pytest

from tests.cli.conftest import Call

LAB = ("--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "echo")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--executor", "rya"), "there is no executor 'rya'. Did you mean 'ray'?"),
        (("--ray-address", "auto"), "it is for --executor ray"),
        (("--slurm", "time=5"), "it is for --executor submitit"),
        (("--executor", "submitit", "--slurm", "time"), "not of the form key=value"),
        (("--executor", "submitit", "--slurm", "cluster=moon"), "it is slurm or local"),
        (("--executor", "submitit"), "there is no SLURM here"),
        (
            ("--executor", "ray", "--ray-address", "127.0.0.1:1"),
            "can be reached at 127.0.0.1:1",
        ),
        (("--executor", "ray", "--ray-address", "ray://127.0.0.1:1"), "no Ray cluster can be reached"),
        (("--executor", "ray", "--ray-address", "head"), "is none of ray://HOST:PORT"),
    ],
)
def test_what_cannot_be_had_is_said_in_a_line(
    call: Call, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    if "ray" in words:
        pytest.importorskip("ray")
    if "submitit" in words:
        pytest.importorskip("submitit")
        monkeypatch.setenv("PATH", "")
    done = call("run", *LAB, *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4, "usage and one line"


@pytest.mark.parametrize(("executor", "extra"), [("ray", "ray"), ("submitit", "slurm")])
def test_a_missing_extra_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, executor: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, executor, None)
    done = call("reproduce", "table1", "--executor", executor)
    assert done.exit_code == 2
    assert f"pip install 'mmedit-bench[{extra}]'" in done.stderr


def test_executors_are_listed(call: Call) -> None:
    done = call("list", "executors")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["local", "ray", "submitit"]
