"""`doctor --backbone --data`: one backbone on one data set, with and without its weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.editors import Backbone
from mmedit_bench.execution import examination
from mmedit_bench.execution.needs import Room
from tests.backbones.test_checkpoint import write
from tests.cli.conftest import Call
from tests.tiny import tiny_backbone

PAIR = ("doctor", "--backbone", "lab-backbone", "--data", "lab-suite")


def examined(call: Call, *words: str, code: int = 0) -> Any:
    done = call(*words, "--json", "--probes", "4")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def statuses(found: Any) -> dict[str, str]:
    return {finding["name"]: finding["status"] for finding in found["findings"]}


def test_a_sound_pair_ends_with_the_command_to_run(call: Call) -> None:
    done = call(*PAIR, "--editor", "ft", "--editor", "echo", "--probes", "4")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "ok    round trip: an edit by ft changed 5 of 5 answers or their likelihoods" in done.output
    assert re.search(r"^  ft +\d+\.\d( +\d+\.\d){5} +16\.4 kB +4,096", done.output, re.M), done.output
    assert "  echo    it does not say what it takes" in lines
    command = "mmedit-bench run --suite lab-suite --backbone lab-backbone --editor ft"
    assert lines[-1] == f"next: {command} --device cpu --dtype float32"
    assert max(map(len, lines[:-1])) < 300


def test_the_same_as_json(call: Call) -> None:
    found = examined(call, *PAIR, "--editor", "ft", "--editor", "null")
    names = {"weights", "suite lab-suite", "memory", "disk room", "digest", "round trip", "stability"}
    assert names <= statuses(found).keys() and not found["failed"]
    ft, null = found["memory"]["editors"]
    assert (ft["editor"], null["editor"]) == ("ft", "null")
    assert ft["total"] > ft["weights"] == null["weights"] > 0 and ft["editing"] > null["editing"] == 0
    assert ft["modules"] == [f"language_model.model.decoder.layers.1.{name}" for name in ("fc1", "fc2")]
    assert (ft["backward_layers"], null["backward_passes"]) == (1, 0) and ft["backward_passes"] > 1
    assert ft["bytes_per_edit"] == 4 * ft["trained_per_edit"] > 0
    assert found["memory"]["tokens"] == "counted"


def test_an_edit_that_leaves_something_behind_is_found(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, asked = Backbone.read, [0]

    def forgetful(self: Backbone, *given: Any, **more: Any) -> Any:
        asked[0] += 1
        found = honest(self, *given, **more)
        return [(f"{answer}!" * (asked[0] == 3), forced) for answer, forced in found]

    monkeypatch.setattr(Backbone, "read", forgetful)
    found = examined(call, *PAIR, "--editor", "null", code=2)
    assert statuses(found)["round trip"] == "fail" and "round trip" in found["failed"]


def test_too_little_memory_is_said_before_anything_is_loaded(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examination, "room", lambda *_: Room(1000, "available here"))
    found = examined(call, *PAIR, "--editor", "ft", code=2)
    assert statuses(found)["memory"] == "fail"
    (finding,) = (one for one in found["findings"] if one["name"] == "memory")
    assert "enough for none of these" in finding["detail"] and "--device-map auto" in finding["detail"]


def test_a_published_backbone_without_weights_still_has_a_table(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("MMEDIT_BENCH_DATA", raising=False)
    order = ("doctor", "--backbone", "blip2-opt-2.7b", "--data", "mmedit", "--dtype", "bfloat16")
    found = examined(call, *order, "--editor", "ft", "--editor", "ke", code=2)
    assert {"weights", "data mmedit"} <= set(found["failed"])
    details = {one["name"]: one["detail"] for one in found["findings"]}
    assert "`hf download Salesforce/blip2-opt-2.7b" in details["weights"]
    assert "MMEDIT_BENCH_DATA" in details["data mmedit"]
    ft, ke = found["memory"]["editors"]
    assert found["memory"]["tokens"] == "estimated" and 7.4e9 < ft["weights"] < 7.6e9
    assert ft["trained_per_edit"] == 2 * 2560 * 10240 and ke["training"] > ke["editing"]
    assert "round trip" not in details
    assert found["next"].startswith("mmedit-bench reproduce table1 --scale paper")


def test_a_published_backbone_with_weights_is_loaded_from_where_they_are(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    write(tiny_backbone("llava"), folder)
    order = ("doctor", "--backbone", "llava-1.5-7b", "--data", "lab-suite", "--editor", "null")
    found = examined(call, *order, "--weights", str(folder))
    assert not found["failed"] and statuses(found)["round trip"] == "ok"
    details = {one["name"]: one["detail"] for one in found["findings"]}
    assert details["weights"].startswith(f"{folder}: ") and found["memory"]["tokens"] == "counted"
    assert found["memory"]["editors"][0]["weights"] < 1e6
    assert found["next"].endswith(f"--weights {folder}")
    (folder / "tokenizer.json").unlink()
    less = examined(call, *order, "--weights", str(folder), code=2)
    assert less["failed"][0] == "weights" and less["memory"]["editors"][0]["weights"] > 1e10
    assert "lacks tokenizer.json" in {one["name"]: one["detail"] for one in less["findings"]}["weights"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--backbone", "lab-backbone"), "belong together"),
        (("--editor", "ft"), "are for --backbone and --data"),
        (("--backbone", "nobody", "--data", "lab-suite"), "there is no backbone 'nobody'"),
        (("--backbone", "lab-backbone", "--data", "nothing"), "there is no suite 'nothing'"),
        ((*PAIR[1:], "--editor", "nobody"), "there is no editor 'nobody'"),
        ((*PAIR[1:], "--dtype", "int8"), "int8"),
        ((*PAIR[1:], "--weights", "x"), "takes no --weights"),
    ],
)
def test_what_cannot_be_examined(call: Call, words: tuple[str, ...], told: str) -> None:
    done = call("doctor", *words)
    assert done.exit_code == 2 and told in done.output
