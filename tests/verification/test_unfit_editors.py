"""Editors of the track `code` that come to nothing: problems of a submission, beside what was made of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.verification import verify
from tests.cli.conftest import Call
from tests.verification.conftest import FORM, PACKAGE, PARTS, PROJECT, Submit
from tests.verification.test_admitting import SECRET, TRAINED, unasked
from tests.verification.test_verify import codes, repacked, run_of, sign, verdict

DIES = "if TURNED:\n    os._exit(3)\n\n\nclass Nudge:"
IMPORT = "import torch\n"
TURNED = f"import os\n{IMPORT}TURNED = 'TURNED' in os.environ\n"
"""By the blind pass, the editor is another than it was."""


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("raise RuntimeError('not on this machine')", "cannot be imported"),
        ("raise SystemExit('not on this machine')", "its process did not start"),
        ("import os; os._exit(3)", "its process did not start"),
        ("import mmedit_bench.harness.identity as own; own.EditorIdentity.__slots__ = ()", "who it is"),
    ],
    ids=["raises", "ends", "dies", "lies"],
)
def test_a_process_that_does_not_come_up(call: Call, submit: Submit, new: str, said: str) -> None:
    folder = submit("--set", "routes=true", track="code")
    repacked(folder, IMPORT, f"{IMPORT}{new}\n")
    found = verdict(call, folder, "--unsafe-no-sandbox", "--admit", "board", status=1)
    assert found["status"] == "refused" and codes(found) == {"not-ready"}
    (problem,) = found["problems"]
    assert problem["where"] == f"runs/{run_of(folder).name}" and said in problem["text"]
    (run,) = found["runs"]  # it was scored before any code was run
    assert run["folder"] == run_of(folder).name and run["sample"] is None
    assert not Path("board").exists()
    assert ("it wrote nothing" in problem["text"]) == ("os._exit" in new)
    if "; see " in problem["text"]:  # what one is sent to is there, and nothing else of the verification
        log = Path(problem["text"].rpartition("; see ")[2])
        assert log.is_file() and list(log.parent.iterdir()) == [log]
        shutil.rmtree(log.parent)


def submitted(call: Call, package: str) -> None:
    """A submission of this package, which can be another where `TURNED` is set."""
    folder = Path("nudge")
    folder.mkdir()
    (folder / "nudge_editor.py").write_text(package.replace(IMPORT, TURNED))
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "submission.yaml").write_text(FORM)
    words = ("--track", "code", "--unsafe-no-sandbox", "--limit", 2)
    done = call("submit", folder, *PARTS, *words)
    assert done.exit_code == 0, done.output


NOT_READY = TRAINED.replace("        pass", "        assert not TURNED")


def test_an_editor_that_cannot_be_trained_is_a_problem_and_the_rest_stands(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(call, NOT_READY)
    monkeypatch.setenv("TURNED", "1")
    found = verdict(call, "submissions/nudge", "--unsafe-no-sandbox", "--sample", 1, status=1)
    assert found["status"] == "refused" and codes(found) == {"not-ready"}
    assert "cannot be made ready" in found["problems"][0]["text"]
    (run,) = found["runs"]
    assert run["sample"] is None


@pytest.mark.parametrize(
    ("package", "code", "said"),
    [
        (PACKAGE.replace('"1"', '"2" if TURNED else "1"'), "other-editor", "in editor_version"),
        (PACKAGE.replace("class Nudge:", DIES), "not-ready", "its process did not start"),
        (NOT_READY, "not-ready", "cannot be made ready"),
    ],
    ids=["another", "dies", "not ready"],
)
def test_an_editor_that_turns_before_the_blind_pass(
    call: Call, monkeypatch: pytest.MonkeyPatch, package: str, code: str, said: str
) -> None:
    submitted(call, package)
    plain = verify.asked_blind

    def turned(*words: Any) -> Any:
        monkeypatch.setenv("TURNED", "1")
        return plain(*words)

    monkeypatch.setattr(verify, "asked_blind", turned)
    Path("secret").write_text(SECRET)
    words = ("--unsafe-no-sandbox", "--sample", 1, "--secret", "secret")
    found = verdict(call, "submissions/nudge", *words, status=1)
    assert codes(found) == {code} and said in found["problems"][0]["text"]
    (public,) = found["runs"]
    assert (public["probes"], public["sample"]) == ("public", {"edits": 1, "equal": 1})


def test_without_a_sandbox_nothing_is_asked(
    call: Call, submit: Submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = submit("--set", "routes=true", track="code")
    monkeypatch.setenv("PATH", str(tmp_path))
    with monkeypatch.context() as during:
        during.setattr("mmedit_bench.execution.parts.Parts.backbone", unasked)
        done = call("verify", folder)
        assert done.exit_code == 2 and "apt-get install bubblewrap" in done.stderr, done.output
        assert not done.stdout
    found = verdict(call, folder, "--no-rerun")  # which runs no code
    assert found["status"] == "checked"
    (folder / "package" / "nudge_editor.py").write_text("")
    sign(folder)
    assert codes(verdict(call, folder, status=1)) == {"package"}  # and neither does what is refused anyway
