"""`--revision`, `--weights` and `--device-map` reach the backbone that takes them, and a run's record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from mmedit_bench.execution.jobs import needs_of
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.view import _weights
from mmedit_bench.runs.folder import Manifest
from tests.backbones.test_placement import split
from tests.cli.conftest import Call
from tests.tiny import tiny_backbone

ROW = ("--suite", "lab-suite", "--backbone", "llava-1.5-7b", "--editor", "echo", "--limit", "2", "--json")


def manifest(done: Any) -> Manifest:
    assert done.exit_code == 0, done.stderr
    return Manifest.read(Path(json.loads(done.stdout)["folder"]) / "manifest.json")


def test_a_row_runs_on_the_weights_that_are_named(call: Call, weights: Path) -> None:
    plain = manifest(call("run", *ROW, "--weights", weights))
    assert (plain.spec.backbone, plain.spec.device) == ("llava-1.5-7b", "cpu")
    assert plain.origin == {"source": "small"}
    devices = split(tiny_backbone("llava"), "cpu", "cpu:0")
    Path("map.json").write_text(json.dumps(devices))
    mapped = manifest(call("run", *ROW, "--weights", weights, "--device-map", "map.json", "--out", "mapped"))
    assert mapped.origin == {"source": "small", "device_map": devices}
    assert mapped.spec.fingerprint == plain.spec.fingerprint, "the same weights on the same kind of device"
    learns = ("prepare", "--editor", "pupil", "--suite", "lab-suite", "--backbone", "llava-1.5-7b")
    assert call(*learns, "--weights", weights).exit_code == 0
    absent = call(*learns)
    assert absent.exit_code == 2 and "llava-hf/llava-1.5-7b-hf: neither a folder nor" in absent.stderr


def test_a_revision_is_asked_of_the_hub_and_its_commit_recorded(
    call: Call, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    commit = weights.parent / ("a" * 40)
    weights.rename(commit)

    def snapshot(source: str, revision: str | None, allow_patterns: object) -> str:
        asked.append((source, revision))
        return str(commit)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    made = manifest(call("run", *ROW, "--revision", "v1"))
    assert asked == [("llava-hf/llava-1.5-7b-hf", "v1")]
    assert made.origin == {"source": "llava-hf/llava-1.5-7b-hf", "revision": "a" * 40}


@pytest.mark.parametrize("option", ["--revision", "--weights", "--device-map"])
def test_a_backbone_that_is_loaded_in_one_way_only_says_so(call: Call, option: str) -> None:
    for command in ("run", "prepare"):
        words = (command, "--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", "pupil")
        done = call(*words, option, "auto")
        assert done.exit_code == 2
        assert f"backbone 'lab-backbone' takes no {option}: it is loaded in one way only" in done.stderr


def test_what_cannot_be_read_is_named(call: Call, weights: Path) -> None:
    for words, said in (
        (("--weights", weights, "--revision", "v1"), "revision 'v1' is of a hub repository; leave it out"),
        (("--weights", "nowhere"), "nowhere: missing config.json"),
        (("--weights", weights, "--device-map", "nowhere.json"), "nowhere.json: neither 'auto' nor"),
    ):
        done = call("run", *ROW, *words)
        assert done.exit_code == 2 and said in done.stderr


def test_a_worker_asks_for_the_accelerators_of_its_map(tmp_path: Path) -> None:
    what: Any = {"suite": "s", "backbone": "llava-1.5-7b", "editor": "ft"}
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"": 0, "lm_head": 1, "model.vision_tower": "cpu"}))
    for device, loading, gpus in (
        ("cpu", {}, 0),
        ("cuda", {}, 1),
        ("cuda:0", {"device_map": "auto"}, 1),
        ("cuda:0", {"device_map": str(file)}, 2),
        ("cpu", {"device_map": str(file)}, 2),
    ):
        assert needs_of([Order(device=device, loading=loading, **what)]).gpus == gpus


def test_a_sandbox_shows_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "hub" / "models--llava-hf--llava-1.5-7b-hf"
    kept.mkdir(parents=True)
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    what: Any = {"suite": "s", "backbone": "llava-1.5-7b", "editor": "null"}
    assert list(_weights(Order(**what))) == [kept]
    assert list(_weights(Order(loading={"weights": str(own)}, **what))) == [own]
    assert not list(_weights(Order(**what | {"backbone": "minigpt4-mini"})))
