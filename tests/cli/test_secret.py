"""Blind draws from the command line: a file names the secret, and nothing prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call

SECRETS = ("00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100")
RUN = ("run", "--suite", "lab-suite", "--backbone", "lab-backbone", "--limit", "3")


@pytest.fixture
def draws() -> tuple[Path, Path]:
    """Files with two secrets, in the folder that the program stands in."""
    paths = (Path("one.secret"), Path("other.secret"))
    for path, secret in zip(paths, SECRETS, strict=True):
        path.write_text(secret + "\n")
    return paths


def test_a_blind_run_is_scored_with_its_secret_and_no_other(call: Call, draws: tuple[Path, Path]) -> None:
    one, other = draws
    said = []
    for editor in ("echo", "pupil"):
        done = call(*RUN, "--editor", editor, "--secret", one)
        assert done.exit_code == 0, done.output
        assert "--secret" in done.output, "what is next names the file"
        said.append(done.output)
    folders = sorted(Path("runs").glob("lab-suite-blind--*"))
    assert len(folders) == 2
    for words in (("score",), ("report",), ("compare", "--column", "mean")):
        without, wrong, right = (
            call(words[0], "runs", *words[1:], *secret)
            for secret in ((), ("--secret", other), ("--secret", one))
        )
        assert (without.exit_code, wrong.exit_code, right.exit_code) == (2, 2, 0), right.output
        assert "suite lab-suite-blind is drawn by a secret" in without.output
        assert "give --secret the file that the run was made with" in wrong.output
        said += [without.output, wrong.output, right.output]
    said.append(call("power", folders[0], "--secret", one).output)
    kept = [path.read_text() for path in Path("runs").rglob("*") if path.is_file()]
    for text in (*said, *kept):
        assert not any(secret in text.lower() for secret in SECRETS)


def test_runs_of_either_kind_stand_beside_each_other(call: Call, draws: tuple[Path, Path]) -> None:
    for secret in ((), ("--secret", draws[0])):
        assert call(*RUN, "--editor", "echo", *secret).exit_code == 0
    scored = call("score", "runs", "--secret", draws[0], "--json")
    assert {Path(row["folder"]).name.split("--")[0] for row in json.loads(scored.stdout)} == {
        "lab-suite",
        "lab-suite-blind",
    }
    refused = call("compare", "runs", "--secret", draws[0])
    assert refused.exit_code == 2 and "suite" in refused.output


def test_a_file_that_holds_no_secret_is_named(call: Call) -> None:
    Path("notes").write_text("what I wanted to say")
    done = call(*RUN, "--editor", "echo", "--secret", "notes")
    assert done.exit_code == 2
    assert "notes: a secret is a line of hexadecimal digits" in done.output
    assert "wanted to say" not in done.output
    assert not Path("runs").exists()
