"""What a board says of an editor, and what of it a submission may decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.submissions.board_folder import read_board
from tests.cli.conftest import Call
from tests.submissions.test_problems import manifest
from tests.verification.conftest import Submit
from tests.verification.test_verify import SECRET, codes, sign, verdict


def test_a_run_does_not_say_where_its_editor_comes_from(call: Call, submit: Submit) -> None:
    folder = submit()
    manifest(source="mmedit-bench 0.1.0")(folder)
    sign(folder)
    Path("secret").write_text(SECRET + "\n")
    done = call("verify", folder, "--secret", "secret", "--sample", 1, "--admit", "board")
    assert done.exit_code == 0, done.output
    (entry,) = read_board(Path("board")).entries
    told = [json.loads(run.manifest.read_text("utf-8"))["source"] for run in entry.runs]
    assert told == ["nudge-editor 0.1, as submitted"] * 2


def test_verifying_leaves_nothing_in_a_submission(
    call: Call, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folder = submit(track="code")
    before = sorted(folder.rglob("*"))
    assert call("verify", folder, "--unsafe-no-sandbox", "--sample", 1).exit_code == 0
    assert sorted(folder.rglob("*")) == before


def test_an_editor_that_is_run_is_a_control_where_it_says_so(call: Call, submit: Submit) -> None:
    folder = submit("--set", "routes=true", track="code")
    words = ("verify", folder, "--unsafe-no-sandbox", "--sample", 1, "--admit", "board")
    assert call(*words).exit_code == 0
    (entry,) = read_board(Path("board")).entries
    assert json.loads(entry.runs[0].manifest.read_text("utf-8"))["source"] == "nudge-editor 0.1"
    manifest(control=True)(folder)
    sign(folder)
    found = verdict(call, folder, "--unsafe-no-sandbox", status=1)
    assert codes(found) == {"other-editor"} and "in control" in found["problems"][0]["text"]
