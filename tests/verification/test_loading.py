"""Submissions on backbones that are loaded as the command says: weights, revision, device map."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.submissions.checks_run import _is_device
from mmedit_bench.verification.acting import _rest
from tests.backbones.test_placement import split
from tests.cli.conftest import Call
from tests.tiny import tiny_backbone
from tests.verification.conftest import FORM, PACKAGE, PROJECT

ROW = "llava-1.5-7b"


@pytest.mark.parametrize("track", ["edits", "code"])
def test_a_submission_on_weights_that_are_named(call: Call, weights: Path, track: str) -> None:
    package = Path("nudge")
    package.mkdir()
    (package / "nudge_editor.py").write_text(PACKAGE)
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "submission.yaml").write_text(FORM)
    boxed = ("--unsafe-no-sandbox",) if track == "code" else ()
    words = ("--suite", "lab-suite", "--backbone", ROW, "--weights", weights, "--track", track, "--limit", 2)
    done = call("submit", package, *words, *boxed)
    assert done.exit_code == 0, done.output
    Path("secret").write_text("00112233445566778899aabbccddeeff")
    Path("map.json").write_text(json.dumps(split(tiny_backbone("llava"), "cpu", "cpu:0")))
    ours = ("verify", "submissions/nudge", "--secret", "secret", *boxed)
    named = ("--weights", f"{ROW}={weights}", "--device-map", f"{ROW}=map.json")
    done = call(*ours, *named, "--json")
    assert done.exit_code == 0, done.output
    assert [run["probes"] for run in json.loads(done.stdout)["runs"]] == ["public", "blind"]
    absent = call(*ours)
    assert absent.exit_code == 2 and "neither a folder" in absent.stderr
    other = call(*ours, *named, "--revision", "blip2-opt-2.7b=main")
    assert other.exit_code == 2 and "--revision blip2-opt-2.7b=…: nothing is done on that" in other.stderr


def test_a_device_is_what_a_run_writes_of_it() -> None:
    assert all(map(_is_device, ("cpu", "cuda", "cpu+cuda")))
    assert not any(map(_is_device, ("", "cuda:0", "cuda+cpu", "cpu+cpu", "cpu+", "cpu+meta", "cpu+cuda; ls")))


def test_what_a_map_leaves_out_goes_where_the_run_had_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("some.json").write_text(json.dumps({"language_model": "cuda:0"}))
    Path("rest.json").write_text(json.dumps({"vision_tower": "cpu"}))
    Path("all.json").write_text(json.dumps({"": 0, "vision_tower": "cpu"}))
    assert _rest("cpu+cuda", "some.json") == "cpu"
    assert [_rest("cpu+cuda", given) for given in ("rest.json", "all.json", "auto")] == ["cuda"] * 3
    assert _rest("cpu+cuda", None) == "cpu"  # which its run's device is not, and so it is told
    assert [_rest("cuda", given) for given in (None, "auto", "some.json")] == ["cuda"] * 3
