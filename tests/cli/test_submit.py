"""`submit` from the outside: tracks, trials, interruptions, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from mmedit_bench.execution.sandbox import available
from mmedit_bench.interventions import Edit
from mmedit_bench.runs.folder import read_run
from mmedit_bench.submissions.digests import Digests, digests_of, package_digest
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submitting.submit import UNBOXED
from tests.cli.conftest import Call

LAB = ("--suite", "lab-suite", "--backbone", "lab-backbone")

MODULE = """
import os
from pathlib import Path
from mmedit_bench.editors import ConstantAnswer, Edit, Route

class Editor:
    name = "own"
    version = "1"

    def __init__(self, shout=False, list_of=()):
        self.shout = shout

    def edit(self, backbone, request):
        if Path("stop").exists() and request.target.endswith(" 2"):
            raise KeyboardInterrupt
        if Path("fail").exists():
            raise RuntimeError("not today")
        return Edit((Route(ConstantAnswer(os.environ.get("OF_THE_HOUSE", request.target))),))
"""
FORM: dict[str, Any] = {
    "schema": 1, "id": "own-1", "name": "Own", "track": "edits", "family": "other", "authors": ["Ada"],
    "contact": "@ada", "licence": "MIT", "paper": None, "code": None, "training_data": [], "description": "",
    "deviations": [],
}  # fmt: skip


@pytest.fixture
def own(call: Call) -> Iterator[Call]:
    """The program, and in the present folder the package `own` of an editor that is not installed."""
    Path("own").mkdir()
    Path("own/own_module.py").write_text(MODULE)
    Path("own/pyproject.toml").write_text(
        '[project]\nname = "own-package"\nversion = "0.3"\n[project.entry-points."mmedit_bench.editors"]\n'
        'own = "own_module:Editor"\n'
    )
    form()
    yield call
    sys.modules.pop("own_module", None)


def form(**changes: Any) -> None:
    Path("own/submission.yaml").write_text(yaml.safe_dump(FORM | changes))


def submitted(call: Call, *more: str, code: int = 0) -> Result:
    done = call("submit", "own", *LAB, *more)
    assert done.exit_code == code, (done.output, done.exception)
    return done


def parsed(folder: Path) -> tuple[Submission, Digests]:
    submission, problems = Submission.parse((folder / "submission.yaml").read_text())
    assert submission, problems
    digests, problems = Digests.parse((folder / "digests.json").read_bytes())
    assert digests, problems
    return submission, digests


def test_a_submission_of_edits(own: Call) -> None:
    done = submitted(own, "--limit", "3", "--set", "shout=true")
    folder = Path("submissions/own-1")
    assert str(folder) in done.stdout and f"mmedit-bench verify {folder}" in done.stdout
    submission, digests = parsed(folder)
    assert (submission.editor, submission.version, submission.track) == ("own", "0.3", "edits")
    assert submission.hyper_parameters == {"shout": True}
    assert digests.files == digests_of(folder)
    assert (digests.package["name"], digests.package["version"]) == ("own-package", "0.3")
    assert digests.suites == {"lab-suite": "1ab" * 21 + "1"}
    (run,) = (folder / "runs").iterdir()
    assert sorted(path.name for path in run.iterdir()) == [
        "manifest.json", "predictions.jsonl", "timings.jsonl",
    ]  # fmt: skip
    assert read_run(run).complete and read_run(run).manifest.source == "own-package 0.3"
    edits = sorted((folder / "edits" / run.name).iterdir())
    assert [path.name for path in edits] == [f"00000{n}-000000.safetensors" for n in range(3)]
    assert all(isinstance(Edit.load(path), Edit) for path in edits)
    assert not (folder / "package").exists()
    lines = (folder / "environment.txt").read_text().splitlines()
    assert lines == sorted(lines) and any(line.startswith("torch==") for line in lines)
    assert not list(Path("submissions").glob(".*"))


def test_a_package_that_changes_meanwhile_is_refused(own: Call) -> None:
    module = Path("own/own_module.py")
    module.write_text(MODULE + "\nwith Path('own/submission.yaml').open('a') as f:\n    f.write('# more')\n")
    done = submitted(own, "--limit", "1", "--quiet", code=2)
    assert "was changed while its editor ran" in done.stderr
    submitted(own, "--limit", "1")


def test_again_it_finds_everything_done(own: Call) -> None:
    submitted(own, "--limit", "2")
    folder = Path("submissions/own-1")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    told = json.loads(submitted(own, "--limit", "2", "--json").stdout)
    assert (told["new"], told["runs"][0]["status"]) == (False, "already complete")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    form(description="Another word.")  # what it says of itself may change, and its runs stay
    told = json.loads(submitted(own, "--limit", "2", "--json").stdout)
    assert (told["new"], told["runs"][0]["status"]) == (True, "already complete")
    assert parsed(folder)[0].description == "Another word."


def test_interrupted_it_goes_on(own: Call) -> None:
    Path("stop").touch()
    submitted(own, code=130)
    assert not Path("submissions/own-1").exists()
    Path("stop").unlink()
    told = json.loads(submitted(own, "--json").stdout)
    assert 0 < told["runs"][0]["new"] < 6
    submitted(own, "--out", "calm")
    assert digests_of_runs(Path("submissions/own-1")) == digests_of_runs(Path("calm/own-1"))


def digests_of_runs(folder: Path) -> dict[str, Any]:
    """Of all that follows from the runs; times do not."""
    return {name: own for name, own in digests_of(folder).items() if not name.endswith("timings.jsonl")}


def written() -> list[Path]:
    """All that lies here, but for Python's own bytecode, which importing a package may leave."""
    return sorted(path for path in Path().rglob("*") if "__pycache__" not in path.parts)


def test_a_trial_writes_nothing(own: Call) -> None:
    assert "card.md" not in submitted(own, "--dry-run").stdout
    Path("own/README.md").write_text("# Own\n")
    before = written()
    done = submitted(own, "--dry-run", "--protocol", "sequential", "--protocol-set", "length=3")
    assert "nothing is written" in done.stdout and "submissions/own-1" in done.stdout
    assert all(part in done.stdout for part in ("one edit made", "edits/", "card.md"))
    assert written() == before
    told = json.loads(submitted(own, "--dry-run", "--json").stdout)
    assert told["runs"] == [
        {
            "suite": "lab-suite",
            "backbone": "lab-backbone",
            "protocol": "one-step",
            "trained": True,
            "failed": 0,
        }
    ]


def test_a_trial_trains_nothing(call: Call) -> None:
    Path("form.yaml").write_text(yaml.safe_dump(FORM))
    words = ("submit", "pupil", *LAB, "--form", "form.yaml", "--limit", "1")
    assert "has to be trained first" in call(*words, "--dry-run").stdout
    assert call(*words).exit_code == 0  # a run trains
    assert "one edit made" in call(*words, "--dry-run").stdout


def test_failed_edits_are_submitted_and_exit_with_3(own: Call) -> None:
    Path("fail").touch()
    done = submitted(own, "--limit", "2", code=3)
    assert "2 failed" in done.stdout
    (run,) = Path("submissions/own-1/runs").iterdir()
    assert read_run(run).failed == 2
    assert not Path("submissions/own-1/edits").exists()
    assert "FAILED" in submitted(own, "--dry-run", code=3).stdout


def test_track_code_ships_the_source(own: Call) -> None:
    words = ("--track", "code", "--limit", "1", "--unsafe-no-sandbox")
    submitted(own, *words)
    folder = Path("submissions/own-1")
    submission, digests = parsed(folder)
    assert submission.track == "code" and UNBOXED in submission.deviations
    assert sorted(digests_of(folder / "package")) == ["own_module.py", "pyproject.toml", "submission.yaml"]
    assert package_digest(digests_of(folder / "package")) == digests.package["sha256"]
    assert (folder / "package/own_module.py").read_text() == MODULE
    assert not (folder / "edits").exists()
    assert "own_module" not in sys.modules  # it ran in a process of its own


@pytest.mark.skipif(available() is not None, reason=f"NO SANDBOX: {available()}")
def test_track_code_runs_in_a_sandbox(own: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOUSE", "seen")
    words = ("--suite", "picturebook-vqa", "--backbone", "blip2-opt-mini", "--limit", "1", "--track", "code")
    done = own("submit", "own", *words)
    assert done.exit_code == 0, (done.output, done.exception)
    folder = Path("submissions/own-1")
    assert parsed(folder)[0].deviations == ()
    (run,) = (folder / "runs").iterdir()
    answers = {probe.reading.answer for ask in read_run(run).asks for probe in ask.probes}
    assert answers and "seen" not in answers


def test_a_self_reported_submission_holds_answers_only(own: Call) -> None:
    submitted(own, "--track", "self-reported", "--limit", "2")
    names = {path.name for path in Path("submissions/own-1").iterdir()}
    assert names == {"submission.yaml", "digests.json", "environment.txt", "runs"}


def test_an_installed_editor_wants_a_form(call: Call) -> None:
    Path("form.yaml").write_text(yaml.safe_dump(FORM))
    done = call("submit", "echo", *LAB, "--form", "form.yaml", "--limit", "1", "--json")
    assert done.exit_code == 0, done.output
    submission, digests = parsed(Path("submissions/own-1"))
    assert (submission.editor, digests.package["name"]) == ("echo", "lab")
    done = call("submit", "echo", *LAB)
    assert done.exit_code == 2 and "--form" in done.stderr


def test_code_in_edits_names_the_other_track(call: Call) -> None:
    Path("form.yaml").write_text(yaml.safe_dump(FORM))
    done = call(
        "submit", "ike-memory", *LAB, "--form", "form.yaml", "--limit", "1", "--set", "demonstrations=2",
        "--quiet",
    )  # fmt: skip
    assert done.exit_code == 2
    assert "a Route through a reader" in done.stderr and "--track code" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("submissions/own-1").exists()


BAD: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "placeholder": ({"authors": ["TODO: you"], "contact": "TODO"}, (), "own/submission.yaml#authors"),
    "every placeholder": ({"authors": ["TODO: you"], "contact": "TODO"}, (), "own/submission.yaml#contact"),
    "field": ({"family": "magic"}, (), "choose one of fine-tuning"),
    "unknown field": ({"colour": "red"}, (), "own/submission.yaml#colour"),
    "track": ({}, ("--track", "weights"), "--track"),
    "no track": ({"track": "TODO"}, (), "own/submission.yaml#track"),
    "suite": ({}, ("--suite", "nobodys"), "there is no suite 'nobodys'"),
    "backbone": ({}, ("--backbone", "nobodys"), "there is no backbone 'nobodys'"),
    "protocol": ({}, ("--protocol", "nobodys"), "there is no protocol 'nobodys'"),
    "option": ({}, ("--set", "volume=3"), "volume"),
    "pair": ({}, ("--set", "volume"), "key=value"),
    "limit": ({}, ("--limit", "0"), "--limit"),
    "editor": ({}, ("--editor", "ft"), "registers no editor 'ft'; it registers own"),
    "form": ({}, ("--form", "nowhere.yaml"), "nowhere.yaml: there is no such file"),
    "workers": ({}, ("--workers", "2"), "use one worker"),
    "sandbox": ({}, ("--unsafe-no-sandbox",), "is for track code"),
    "memory": ({}, ("--memory-limit", "100"), "--isolate"),
    "processes": ({}, ("--processes", "9"), "add --sandbox"),
    "readable": ({"track": "code"}, ("--unsafe-no-sandbox", "--readable", "own"), "add --sandbox"),
    "place": ({}, ("--out", "file"), "file"),
    "other folder": ({}, ("--out", "own"), "is no submission"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_user_can_mend_exits_with_2_in_a_line(own: Call, name: str) -> None:
    changes, words, fault = BAD[name]
    form(**changes)
    Path("file").touch()
    Path("own/own-1").mkdir()
    done = own("submit", "own", *LAB, "--limit", "1", "--quiet", *words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Usage:") or done.stderr.count("\n") == 1
    assert not Path("submissions/own-1").exists()


def test_options_are_refused_before_the_backbone_is_asked(own: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*_: object) -> None:
        raise AssertionError("a backbone was loaded")

    monkeypatch.setattr("mmedit_bench.execution.parts.Parts.backbone", loaded)
    assert "does not accept volume=3" in submitted(own, "--set", "volume=3", code=2).stderr


@pytest.mark.parametrize(
    ("what", "fault"),
    [("nowhere/to/go", "no such folder"), ("nobody", "--form"), ("empty", "no pyproject.toml")],
)
def test_what_is_no_package_is_refused(call: Call, what: str, fault: str) -> None:
    Path("empty").mkdir()
    done = call("submit", what, *LAB)
    assert done.exit_code == 2 and fault in done.stderr and done.stderr.count("\n") == 1


def test_a_name_that_another_distribution_has_is_refused(own: Call) -> None:
    path = Path("own/pyproject.toml")
    path.write_text(path.read_text().replace("own = ", "echo = "))
    done = own("submit", "own", *LAB, "--quiet")
    assert done.exit_code == 2 and "registered twice" in done.stderr
