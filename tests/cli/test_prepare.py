"""`prepare` from the outside, and `run` doing the same by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call

LAB = ("--backbone", "lab-backbone", "--suite", "lab-suite")


def test_trained_once_and_found_again_also_by_run(call: Call) -> None:
    first = call("prepare", "--editor", "pupil", *LAB, "--artefacts", "kept", "--json")
    assert first.exit_code == 0, first.stderr
    (row,) = json.loads(first.stdout)
    assert row["new"] and row["suite"] == "lab-suite"
    assert (Path(row["folder"]) / "artefact.safetensors").is_file()
    again = call("prepare", "--editor", "pupil", *LAB, "--artefacts", "kept")
    assert "already there" in again.stdout


def test_run_prepares_by_itself(call: Call) -> None:
    done = call("run", "--editor", "pupil", *LAB, "--limit", "2", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads((Path(json.loads(done.stdout)["folder"]) / "artefact.json").read_text())
    found = call("prepare", "--editor", "pupil", *LAB, "--json")
    (row,) = json.loads(found.stdout)
    assert not row["new"] and row["fingerprint"] == said["fingerprint"]


def test_an_editor_that_learns_nothing_has_nothing_to_prepare(call: Call) -> None:
    done = call("prepare", "--editor", "echo", *LAB)
    assert done.exit_code == 0
    assert "nothing to prepare" in done.stdout


def test_an_unknown_editor_is_refused(call: Call) -> None:
    done = call("prepare", "--editor", "pupl", *LAB)
    assert done.exit_code == 2
    assert "Did you mean 'pupil'?" in done.stderr


def test_the_scale_of_the_paper_names_the_suites_and_wants_them_here(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMEDIT_BENCH_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    order = ("prepare", "--editor", "mend", "--backbone", "blip2-opt-2.7b", "--scale", "paper")
    done = call(*order)
    assert done.exit_code == 2, done.output
    assert "weights of blip2-opt-2.7b" in done.stderr and "data mmedit" in done.stderr
    assert "`mmedit-bench doctor --backbone blip2-opt-2.7b --data mmedit` says what to do" in done.stderr
    both = call(*order, "--suite", "mmedit-vqa")
    assert both.exit_code == 2 and "leave --suite out" in both.stderr


def test_quiet_leaves_the_result(call: Call) -> None:
    words = ("prepare", "--editor", "pupil", *LAB, "--artefacts", "kept")
    told = call(*words, "--quiet")
    assert told.exit_code == 0 and told.stderr == ""
    assert told.stdout.startswith("kept") and "trained in" in told.stdout
    assert call(*words).stdout.count("already there") == 1
