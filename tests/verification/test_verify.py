"""Submissions as they come: verified, refused, asked blind, admitted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load, save

from mmedit_bench.runs.spec import canonical
from mmedit_bench.submissions.board_folder import read_board, unpacked
from mmedit_bench.submissions.digests import Digests, digests_of, package_digest
from tests.cli.conftest import Call
from tests.submissions.test_problems import manifest, selected
from tests.verification.conftest import Submit

SECRET = "00112233445566778899aabbccddeeff"


def verdict(call: Call, *words: object, status: int = 0) -> dict[str, Any]:
    done = call("verify", *words, "--json")
    assert done.exit_code == status, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def sign(folder: Path) -> None:
    """Name the files as they are in digests.json, as a cheat would."""
    path = folder / "digests.json"
    digests, _ = Digests.parse(path.read_bytes())
    assert digests is not None
    values = json.loads(digests.text()) | {"files": digests_of(folder)}
    path.write_text(json.dumps(values))


def repacked(folder: Path, old: str, new: str) -> None:
    """Ship other sources than were run, and sign them."""
    path = folder / "package" / "nudge_editor.py"
    path.write_text(path.read_text().replace(old, new))
    sign(folder)
    path = folder / "digests.json"
    values = json.loads(path.read_text())
    files = {name[8:]: own for name, own in values["files"].items() if name.startswith("package/")}
    values["package"]["sha256"] = package_digest(files)
    path.write_text(json.dumps(values))


def run_of(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def codes(found: dict[str, Any]) -> set[str]:
    return {problem["code"] for problem in found["problems"]}


def test_shipped_edits_are_applied_and_asked_again(call: Call, submit: Submit) -> None:
    folder = submit()
    found = verdict(call, folder, "--sample", 100)
    assert (found["status"], found["problems"]) == ("verified", [])
    (run,) = found["runs"]
    assert run["folder"] == run_of(folder).name and run["probes"] == "public"
    assert run["sample"]["edits"] == run["sample"]["equal"] == 6
    told = call("verify", folder, "--sample", 2, "--seed", 1)
    assert told.exit_code == 0 and "2 of 2 edits asked again are equal" in told.stdout


def test_no_foreign_code_runs_for_shipped_edits(call: Call, submit: Submit, tmp_path: Path) -> None:
    folder = submit()
    sys.modules.pop("nudge_editor", None)
    (folder / "package").mkdir(exist_ok=True)
    code = f"open({str(tmp_path / 'was-here')!r}, 'w').close()\nraise SystemExit\n"
    (folder / "package" / "nudge_editor.py").write_text(code)
    sign(folder)
    verdict(call, folder, "--sample", 1, status=1)  # its sources are not those of digests.json
    assert not (tmp_path / "was-here").exists() and "nudge_editor" not in sys.modules


def test_answers_that_the_edits_do_not_give_are_told_one_by_one(call: Call, submit: Submit) -> None:
    folder = submit()
    path = run_of(folder) / "predictions.jsonl"
    lines = path.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if '"kind":"ask"' in line)
    values = json.loads(lines[at])
    values["probes"][0]["answer"] = "what was wanted"
    values["probes"][1]["logprobs"][0] -= 0.5
    lines[at] = canonical(values)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sign(folder)
    found = verdict(call, folder, "--sample", 6, status=1)
    assert found["status"] == "refused" and codes(found) == {"mismatch"}
    assert [problem["where"] for problem in found["problems"]] == [
        f"runs/{run_of(folder).name}/predictions.jsonl:{at + 1}"
    ] * 2
    assert found["runs"][0]["sample"] == {"edits": 6, "equal": 5}
    told = call("verify", folder, "--sample", 6, "--admit", "board")
    assert told.exit_code == 1 and not Path("board").exists()
    assert "mismatch (2)" in told.stdout and "fix: " in told.stdout and "not admitted" in told.stderr


def test_last_digits_are_no_mismatch(call: Call, submit: Submit) -> None:
    folder = submit()
    path = run_of(folder) / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for values in lines:
        for probe in values.get("probes", ()):
            probe["logprobs"] = [round(number - 0.0005, 5) for number in probe["logprobs"]]
    path.write_text("".join(canonical(values) + "\n" for values in lines), encoding="utf-8")
    sign(folder)
    assert verdict(call, folder, "--sample", 6)["status"] == "verified"


def test_other_edit_values_give_other_answers(call: Call, submit: Submit) -> None:
    folder = submit()
    paths = sorted((folder / "edits").glob("*/*.safetensors"))
    notes = json.loads(paths[0].read_bytes()[8 : 8 + int.from_bytes(paths[0].read_bytes()[:8], "little")])
    tensors = {name: 3 * tensor for name, tensor in load(paths[0].read_bytes()).items()}
    paths[0].write_bytes(save(tensors, notes["__metadata__"]))
    sign(folder)
    assert codes(verdict(call, folder, "--sample", 6, status=1)) == {"mismatch"}


def test_values_that_are_not_finite_are_a_failed_edit(call: Call, submit: Submit) -> None:
    folder = submit()
    path = min((folder / "edits").glob("*/*.safetensors"))
    notes = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    tensors = {name: tensor / 0 for name, tensor in load(path.read_bytes()).items()}
    path.write_bytes(save(tensors, notes["__metadata__"]))
    sign(folder)
    found = verdict(call, folder, "--sample", 6, status=1)
    assert any("was failed" in problem["text"] for problem in found["problems"])


def test_the_baseline_is_never_the_submitters(call: Call, submit: Submit) -> None:
    """A manifest of another machine names other readings; ours are what counts, and what a board names."""
    folder = submit()
    path = run_of(folder) / "manifest.json"
    before = json.loads(path.read_text("utf-8"))["baseline"]
    manifest(baseline="0" * 64)(folder)
    sign(folder)
    assert call("verify", folder, "--admit", "board").exit_code == 0
    (entry,) = read_board(Path("board")).entries
    assert json.loads(entry.runs[0].manifest.read_text("utf-8"))["baseline"] == before
    (ours,) = Path("board", "baselines").iterdir()
    theirs = folder / "runs" / "baselines" / ours.stem
    theirs.parent.mkdir()
    theirs.write_bytes(unpacked(ours))
    assert "extra-file" in codes(verdict(call, folder, status=1))


def test_a_hard_case_cannot_be_left_out(call: Call, submit: Submit) -> None:
    """All files agree that the backbone had it right before any edit; it is asked, and had not."""
    folder = submit(track="self-reported")
    selection = json.loads((run_of(folder) / "manifest.json").read_text("utf-8"))["selection"]
    gone = selection["cases"][0]
    left = {"cases": selection["cases"][1:], "already_right": selection["already_right"] + 1}
    for name in ("predictions.jsonl", "timings.jsonl"):
        path = run_of(folder) / name
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if json.loads(line)["unit"] != gone), encoding="utf-8")
    manifest(units=5, asks=5)(folder)
    selected(**left)(folder)
    sign(folder)
    found = verdict(call, folder, status=1)
    assert codes(found) == {"cases"} and found["runs"] == []


def test_weights_that_are_not_ours(call: Call, submit: Submit) -> None:
    folder = submit()
    manifest(backbone_digest="f" * 64)(folder)
    path = folder / "digests.json"
    values = json.loads(path.read_text())
    values["backbones"] = {"lab-backbone": "f" * 64}
    path.write_text(json.dumps(values))
    sign(folder)
    assert codes(verdict(call, folder, status=1)) == {"backbone"}


def test_sequences_are_walked_with_the_shipped_edits(call: Call, submit: Submit) -> None:
    folder = submit("--protocol", "sequential", "--protocol-set", "length=3", "--protocol-set", "orders=2")
    found = verdict(call, folder, "--sample", 100)
    assert found["status"] == "verified" and found["runs"][0]["sample"] == {"edits": 12, "equal": 12}


def test_blind_probes_are_what_a_board_shows(call: Call, submit: Submit) -> None:
    folder = submit()
    Path("secret").write_text(SECRET + "\n")
    done = call("verify", folder, "--secret", "secret", "--sample", 2, "--admit", "board")
    assert done.exit_code == 0, done.output
    (entry,) = read_board(Path("board")).entries
    assert entry.verification.status == "verified" and entry.id == "nudge"
    public, blind = entry.runs
    assert (public.verified.probes, blind.verified.probes) == ("public", "blind")
    assert blind.verified.commitment and SECRET not in entry.verification.text()
    manifest = json.loads(blind.manifest.read_text("utf-8"))
    assert manifest["spec"]["suite"] == "lab-suite-blind"
    assert manifest["fingerprint"] == blind.verified.fingerprint != public.verified.fingerprint
    said = unpacked(blind.predictions).decode().splitlines()
    assert len(said) == len(unpacked(public.predictions).decode().splitlines())
    assert sum('"status":"failed"' in line for line in said) == 1
    scores = json.loads(blind.scores.read_text("utf-8"))
    assert scores["complete"] and scores["counts"]["failed"] == 1
    assert len(read_board(Path("board")).baselines) == 2
    # that shipped edits are read here in no time is nobody's cost of making them
    assert (
        unpacked(blind.timings) == unpacked(public.timings) == (run_of(folder) / "timings.jsonl").read_bytes()
    )


def test_code_is_run_again_in_a_process_of_its_own(call: Call, submit: Submit) -> None:
    """It is asked blind, counts by its answers alone, and is not imported where probes are asked."""
    folder = submit("--set", "routes=true", track="code")
    Path("secret").write_text(SECRET + "\n")
    sys.modules.pop("nudge_editor", None)
    done = call(
        "verify", folder, "--unsafe-no-sandbox", "--sample", 3, "--secret", "secret", "--admit", "board"
    )
    assert done.exit_code == 0, done.output
    assert "nudge_editor" not in sys.modules
    (entry,) = read_board(Path("board")).entries
    assert entry.verification.status == "verified"
    assert entry.verification.by.endswith("without a sandbox")
    public, blind = entry.runs
    sample = public.verified.sample
    assert sample is not None and sample.edits == sample.equal == 3
    assert (public.verified.probes, blind.verified.probes) == ("public", "blind")
    assert b'"argmax":[' in (run_of(folder) / "predictions.jsonl").read_bytes()
    for run in (public, blind):
        assert b'"argmax":[' not in unpacked(run.predictions)
        families = json.loads(run.scores.read_text("utf-8"))["families"]
        numbers = {name: own["overall"]["mean"]["value"] for name, own in families.items()}
        assert numbers.pop("generation") is not None
        assert set(numbers.values()) == {None}


def test_another_package_than_was_run(call: Call, submit: Submit) -> None:
    folder = submit("--set", "routes=true", track="code")
    repacked(folder, "0.3", "0.2")
    assert codes(verdict(call, folder, "--unsafe-no-sandbox", status=1)) == {"other-editor"}


def test_what_nobody_can_ask_again_is_checked(call: Call, submit: Submit) -> None:
    folder = submit(track="self-reported")
    found = verdict(call, folder)
    assert found["status"] == "checked" and found["runs"][0]["sample"] is None
    Path("secret").write_text(SECRET)
    done = call("verify", folder, "--secret", "secret")
    assert done.exit_code == 2 and "self-reported" in done.stderr


def test_without_rerun_it_is_checked(call: Call, submit: Submit) -> None:
    folder = submit()
    found = verdict(call, folder, "--no-rerun", "--admit", "board")
    assert found["status"] == "checked" and found["runs"][0]["sample"] is None
    assert b'"argmax":[' in (run_of(folder) / "predictions.jsonl").read_bytes()
    (entry,) = read_board(Path("board")).entries  # nobody has seen what was read under teacher forcing
    assert b'"argmax":[' not in unpacked(entry.runs[0].predictions)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--secret", "nowhere"), "check the path"),
        (("--secret", "short"), "openssl rand -hex 16"),
        (("--secret", "good", "--no-rerun"), "--no-rerun"),
        (("--replace",), "--admit"),
        (("--no-rerun", "--sample", "3"), "--sample does nothing with --no-rerun"),
        (("--no-rerun", "--seed", "3"), "--seed does nothing with --no-rerun"),
        (("--no-rerun", "--edit-timeout", "3"), "--edit-timeout does nothing with --no-rerun"),
    ],
)
def test_what_is_to_mend_in_the_call(call: Call, words: tuple[str, ...], said: str) -> None:
    Path("short").write_text("0011")
    Path("good").write_text(SECRET)
    Path("folder").mkdir()
    done = call("verify", "folder", *words)
    assert done.exit_code == 2 and said in done.stderr


@pytest.mark.parametrize("words", [("--unsafe-no-sandbox",), ("--edit-timeout", "3")])
def test_what_is_for_code_is_refused_elsewhere(call: Call, submit: Submit, words: tuple[str, ...]) -> None:
    done = call("verify", submit(), *words)
    assert done.exit_code == 2 and f"{words[0]} is for track code, and this is track edits" in done.stderr


def test_an_empty_folder_lacks_everything(call: Call) -> None:
    Path("folder").mkdir()
    found = verdict(call, "folder", status=1)
    assert codes(found) == {"missing-file"} and found["submission"] == ""
    assert found["digest"] is None and found["runs"] == []
