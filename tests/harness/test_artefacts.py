"""Trained once, found by fingerprint, checked when read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from mmedit_bench.editors import Backbone, Edit, EditCase, EditRequest, Trained, deterministic
from mmedit_bench.errors import BadRecord
from mmedit_bench.harness.artefacts import default_folder, prepared, spec_of
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import run
from mmedit_bench.harness.training import Training
from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.runs.folder import Manifest
from mmedit_bench.runs.provenance import code_digest
from tests.fakes.experiment import contents, experiment
from tests.fakes.tiny_suite import TinySuite
from tests.tiny import tiny_backbone, tiny_cases


class Learns:
    """An editor that fits one weight; `stop` interrupts it."""

    name = "learns"
    version = "1"

    def __init__(self, rate: float = 0.1, stop: int | None = None) -> None:
        self.rate, self.stop = rate, stop
        self.loaded: list[Mapping[str, Tensor]] = []
        self.steps: list[int] = []

    def training_settings(self, backbone: Any) -> Mapping[str, Any]:
        return {"rate": self.rate}

    def train(self, backbone: Any, cases: Sequence[EditCase], training: Training) -> Mapping[str, Tensor]:
        assert cases
        module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(module.weight)

        def step(index: int, rng: Any) -> Mapping[str, float]:
            if index == self.stop:
                raise KeyboardInterrupt
            self.steps.append(index)
            module.weight.data += self.rate * torch.rand(1, 1, generator=deterministic(rng))
            return {"weight": module.weight.item()}

        training.run(4, step, module=module)
        return {"weight": module.weight}

    def load(self, backbone: Any, tensors: Mapping[str, Tensor]) -> None:
        self.loaded.append(tensors)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        assert self.loaded
        return Edit()


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone("opt")


CASES = tiny_cases(3)


def test_trained_once_then_read(tmp_path: Path, backbone: Backbone) -> None:
    first, second = Learns(), Learns()
    assert isinstance(first, Trained)
    made = prepared(first, backbone, CASES, seed=0, folder=tmp_path)
    found = prepared(second, backbone, CASES, seed=0, folder=tmp_path)
    assert made.new and not found.new and not second.steps
    assert torch.equal(first.loaded[0]["weight"], second.loaded[0]["weight"])
    assert made.summary() == found.summary()
    described = json.loads((made.folder / "artefact.json").read_text())
    assert described["curves"]["train"][-1]["step"] == 3
    assert described["spec"]["settings"] == {"rate": 0.1}
    assert made.folder.name == f"learns--tiny-opt--{described['fingerprint'][:12]}"
    assert not (made.folder / "state").exists()


def test_whatever_decides_the_result_has_its_own_folder(tmp_path: Path, backbone: Backbone) -> None:
    other = tiny_backbone("opt", seed=1)
    variants: list[tuple[Learns, Backbone, Sequence[EditCase], int]] = [
        (Learns(), backbone, CASES, 0),
        (Learns(0.2), backbone, CASES, 0),
        (Learns(), other, CASES, 0),
        (Learns(), backbone, CASES[:2], 0),
        (Learns(), backbone, CASES, 1),
    ]
    folders = {prepared(e, b, c, seed=s, folder=tmp_path).folder for e, b, c, s in variants}
    assert len(folders) == len(variants)


def test_the_code_of_a_training_is_the_editors_and_all_it_uses(backbone: Backbone) -> None:
    found = spec_of(Learns(), backbone, CASES, 0).code
    assert found == code_digest(__name__)
    assert found == code_digest(__name__, "mmedit_bench.backbones.base"), "that is among it already"


def test_variants_share_a_training_by_name(tmp_path: Path, backbone: Backbone) -> None:
    class Variant(Learns):
        name = "variant"
        artefact_name = "learns"

    prepared(Learns(), backbone, CASES, seed=0, folder=tmp_path)
    assert not prepared(Variant(), backbone, CASES, seed=0, folder=tmp_path).new


def test_a_stopped_training_goes_on(
    tmp_path: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmedit_bench.harness.training.Training", _Eager)
    whole = prepared(Learns(), backbone, CASES, seed=0, folder=tmp_path / "whole")
    stopped, resumed = Learns(stop=2), Learns()
    with pytest.raises(KeyboardInterrupt):
        prepared(stopped, backbone, CASES, seed=0, folder=tmp_path)
    ended = prepared(resumed, backbone, CASES, seed=0, folder=tmp_path)
    assert (stopped.steps, resumed.steps) == ([0, 1], [2, 3])
    assert ended.sha256 == whole.sha256


class _Eager(Training):
    """Keeps its state after every step."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, every_seconds=0, **kwargs)


@pytest.mark.parametrize("name", ["artefact.safetensors", "artefact.json"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, backbone: Backbone, name: str) -> None:
    made = prepared(Learns(), backbone, CASES, seed=0, folder=tmp_path)
    damaged = made.folder / name
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(BadRecord, match="remove"):
        prepared(Learns(), backbone, CASES, seed=0, folder=tmp_path)


def test_the_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMEDIT_BENCH_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "artefacts"
    monkeypatch.delenv("MMEDIT_BENCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_folder() == tmp_path / "cache/mmedit-bench/artefacts"


def test_a_run_trains_what_is_missing_and_says_what_it_rests_on(tmp_path: Path) -> None:
    editor = Learns()
    result = run(experiment(editor), tmp_path / "out", artefacts=tmp_path / "kept")
    assert editor.steps == [0, 1, 2, 3]
    said = json.loads((result.folder / "artefact.json").read_text())
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.endswith(said["fingerprint"][:12])
    again = Learns()
    second = run(experiment(again), tmp_path / "other", artefacts=tmp_path / "kept")
    assert not again.steps and again.loaded
    assert contents(second) == contents(result)


def test_a_run_does_not_go_on_with_another_training(tmp_path: Path) -> None:
    def of(editor: Learns) -> Any:
        return Experiment(
            suite=TinySuite(), split="test", backbone=tiny_backbone("opt"), editor=editor,
            protocol=OneStep(), limit=2,
        )  # fmt: skip

    done = run(of(Learns()), tmp_path, artefacts=tmp_path / "kept")
    (place,) = (tmp_path / "kept").glob("learns--*")
    learned = json.loads((place / "artefact.json").read_text())
    assert Manifest.read(done.folder / "manifest.json").artefact == learned["sha256"]
    lines = (done.folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (done.folder / "predictions.jsonl").write_bytes(b"".join(lines[:3]))
    data = save({"weight": torch.full((1, 1), 7.0)})
    (place / "artefact.safetensors").write_bytes(data)
    swapped = learned | {"sha256": hashlib.sha256(data).hexdigest()}
    (place / "artefact.json").write_text(json.dumps(swapped))
    with pytest.raises(BadRecord, match="the run began with training"):
        run(of(Learns()), tmp_path, artefacts=tmp_path / "kept")
