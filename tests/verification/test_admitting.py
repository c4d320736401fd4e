"""A submission on its way to a board: refused early, and never at the price of what was done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.submissions.board_folder import packed, read_board, unpacked
from tests.cli.conftest import Call
from tests.verification.conftest import FORM, PACKAGE, PARTS, PROJECT, Submit

SECRET = "00112233445566778899aabbccddeeff"


def test_a_board_takes_an_entry_once(call: Call, submit: Submit) -> None:
    folder = submit()
    assert call("verify", folder, "--no-rerun", "--admit", "board").exit_code == 0
    again = call("verify", folder, "--no-rerun", "--admit", "board")
    assert again.exit_code == 2 and "--replace" in again.stderr
    assert not again.stdout  # nothing was asked that no board takes
    assert call("verify", folder, "--sample", 1, "--admit", "board", "--replace").exit_code == 0
    assert read_board(Path("board")).entries[0].verification.status == "verified"
    assert sorted(path.name for path in Path("board/entries").iterdir()) == ["nudge"]


def unasked(*_: object, **__: object) -> None:
    raise AssertionError("a backbone was loaded")


@pytest.mark.parametrize("spoilt", ["taken", "unreadable", "a file", "no blind draws"])
def test_what_no_admission_can_come_of_is_told_before_anything_is_asked(
    call: Call, submit: Submit, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    folder, words, said = submit(), ["--admit", "board"], "is there already"
    if spoilt == "taken":
        Path("board/entries/nudge").mkdir(parents=True)
    elif spoilt == "unreadable":
        Path("board").mkdir()
        Path("board/board.yaml").write_text("title: [")
        said = "board.yaml is not YAML"
    elif spoilt == "a file":
        Path("board").touch()
        said, words = "board: Not a directory", ["--admit", "board/below"]
    else:
        Path("secret").write_text(SECRET)
        monkeypatch.setattr("tests.verification.lab.Suite.blind", None)
        said, words = "has no blind draw", ["--secret", "secret"]
    monkeypatch.setattr("mmedit_bench.execution.parts.Parts.backbone", unasked)
    done = call("verify", folder, *words)
    assert done.exit_code == 2 and said in done.stderr, done.output


def test_a_baseline_that_says_otherwise_is_told_before_an_edit_is_asked_again(
    call: Call, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = submit()
    assert call("verify", folder, "--no-rerun", "--admit", "board").exit_code == 0
    (held,) = Path("board/baselines").iterdir()
    lines = unpacked(held).splitlines(keepends=True)
    held.write_bytes(packed(lines[0].replace(b'{"', b'{ "', 1) + b"".join(lines[1:])))
    monkeypatch.setattr("mmedit_bench.verification.verify.asked_again", unasked)
    done = call("verify", folder, "--admit", "board", "--replace")
    assert done.exit_code == 2 and "says otherwise of case" in done.stderr


def test_the_verdict_and_the_work_outlive_an_admission_that_fails(
    call: Call, submit: Submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, temporary = submit(), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def full(*_: object, **__: object) -> Path:
        raise BenchError("the disk is full")

    with monkeypatch.context() as during:
        during.setattr("mmedit_bench.submissions.board_folder.admit", full)
        done = call("verify", folder, "--sample", 1, "--admit", "board", "--json")
    (work,) = temporary.glob("mmedit-bench-verify-*")
    assert done.exit_code == 2 and f"kept in {work}" in done.stderr
    assert json.loads(done.stdout)["status"] == "verified"
    assert list(work.glob("public/*/scores.json"))
    assert call("verify", folder, "--sample", 1, "--admit", "board").exit_code == 0
    assert list(temporary.glob("mmedit-bench-verify-*")) == [work]


TRAINED = (
    PACKAGE
    + """
    def training_settings(self, backbone):
        return {}

    def train(self, backbone, cases, training):
        module = torch.nn.Linear(1, 1)
        training.run(2, lambda index, rng: {"loss": 0.0}, module=module)
        return {"bias": module.bias}

    def load(self, backbone, tensors):
        pass
"""
)


def test_a_board_keeps_what_a_training_took_here(call: Call) -> None:
    package = Path("nudge")
    package.mkdir()
    (package / "nudge_editor.py").write_text(TRAINED)
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "submission.yaml").write_text(FORM)
    done = call("submit", package, *PARTS, "--track", "code", "--unsafe-no-sandbox", "--limit", 2)
    assert done.exit_code == 0, done.output
    Path("secret").write_text(SECRET)
    words = ("--unsafe-no-sandbox", "--sample", 1, "--secret", "secret", "--admit", "board")
    done = call("verify", "submissions/nudge", *words)
    assert done.exit_code == 0, done.output
    public, blind = read_board(Path("board")).entries[0].runs
    assert "seconds" in json.loads((blind.path / "artefact.json").read_text("utf-8"))
    assert not (public.path / "artefact.json").exists()  # nobody here saw the submitter's
