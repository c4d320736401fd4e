"""`doctor` tells everything at once and never stops at the first fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.backbones import zoo
from mmedit_bench.errors import BenchError
from mmedit_bench.execution import diagnosis
from mmedit_bench.execution.diagnosis import Finding
from tests.cli.conftest import Call


def test_stability_of_a_sound_backbone(call: Call) -> None:
    found = diagnosis.stability("lab-backbone", 12, "cpu", "float32")
    assert found.status == "ok"
    assert found.detail.startswith("0 of 12 probes flip")


def test_stability_of_a_backbone_whose_batches_matter(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmedit_bench.editors import Backbone

    honest = Backbone.read
    monkeypatch.setattr(
        Backbone,
        "read",
        lambda self, *asked, **more: [(f"{a} {self.batch_size}", f) for a, f in honest(self, *asked, **more)],
    )
    assert diagnosis.stability("lab-backbone", 6, "cpu", "float32").status == "fail"
    assert diagnosis.stability("lab-backbone", 6, "cpu", "bfloat16").status == "warn"


@pytest.mark.parametrize(("told", "status"), [(None, "ok"), ("own", "ok"), ("0" * 64, "fail")])
def test_a_checkpoint_is_compared_with_its_card(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, status: str
) -> None:
    monkeypatch.setattr(zoo, "CHECKPOINTS", tmp_path)
    if told:
        digest = diagnosis.BACKBONES.load("lab-backbone")().digest if told == "own" else told
        card = tmp_path / "lab-backbone" / "backbone.json"
        card.parent.mkdir()
        card.write_text(json.dumps({"digest": digest}))
    assert diagnosis.checkpoint("lab-backbone", "cpu").status == status


def test_a_broken_plugin_is_a_finding(call: Call) -> None:
    found = {finding.name: finding for finding in diagnosis.plugins()}
    assert found["editors"].status == "fail"
    assert "NotThere" in found["editors"].detail
    assert found["suites"].status == "ok"


def test_checks_that_raise_are_findings(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cli.lab.backbone", lambda **_: 1 / 0)
    found = {finding.name: finding for finding in diagnosis._each("x", diagnosis.BACKBONES, _broken)}
    assert found["x lab-backbone"].status == "fail"
    assert "ZeroDivisionError" in found["x lab-backbone"].detail


def _broken(name: str) -> Finding:
    diagnosis.BACKBONES.load("lab-backbone")()
    return Finding(name, "ok", "")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 2)])
def test_exit_status(call: Call, monkeypatch: pytest.MonkeyPatch, status: str, code: int) -> None:
    finding = Finding("thing", status, "as it is")  # type: ignore[arg-type]
    monkeypatch.setattr(diagnosis, "diagnose", lambda **_: iter([finding]))
    done = call("doctor", "--json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["findings"] == [{"name": "thing", "status": status, "detail": "as it is"}]


def test_versions_and_machine() -> None:
    names = {finding.name for finding in [*diagnosis.versions(), *diagnosis.machine("cpu")]}
    assert {"python", "torch", "threads", "disk", "cuda"} <= names


@pytest.mark.parametrize(("half", "status"), [(0.5, "ok"), (1.0, "ok"), (7.0, "warn")])
def test_a_number_type_that_is_only_stored_is_said(half: float, status: str) -> None:
    found = diagnosis.number_type("bfloat16", {"float32": 1.0, "bfloat16": half}.__getitem__)
    assert found.status == status and f"takes {half:.1f} times as long" in found.detail


def test_number_types_are_timed_where_one_is_asked_for() -> None:
    def named(dtype: str, device: str = "cpu") -> set[str]:
        return {found.name for found in diagnosis.machine(device, dtype)}

    assert "number type" in named("bfloat16") & named("float16")
    assert "number type" not in named("float32") | named("bfloat16", "cuda") | named("int7")
    assert 0 < diagnosis.multiplying("bfloat16") < 10


def test_data_that_has_to_be_fetched_is_no_fault_of_the_installation(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MMEDIT_BENCH_DATA", raising=False)
    found = {finding.name: finding for finding in diagnosis.data_sets()}
    assert found["data picturebook"].status == "ok"
    for name in ("mmedit", "mmedit-clean", "vlkeb", "vlkeb-clean"):
        assert found[f"data {name}"].status == "warn"
        assert "set MMEDIT_BENCH_DATA" in found[f"data {name}"].detail
    assert next(diagnosis.some_probes()).query.prompt


def test_a_language_model_that_the_user_brings_is_no_fault_of_the_installation(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh installation has none, and nothing that it ships needs one."""
    for name in ("checkpoint", "stability"):
        monkeypatch.setattr(diagnosis, name, lambda name, *_, what=name: Finding(f"{what} {name}", "ok", ""))
    for name in ("versions", "machine", "programs", "plugins", "data_sets"):
        monkeypatch.setattr(diagnosis, name, lambda *_: iter(()))
    found = {one.name: one for one in diagnosis.diagnose(probes=2, device="cpu", dtype="float32")}
    bare = found["checkpoint minigpt4-qwen2.5-0.5b"]
    assert bare.status == "warn" and "--language-model" in bare.detail
    assert "stability minigpt4-qwen2.5-0.5b" not in found  # once is enough
    assert {found[f"{what} minigpt4-mini"].status for what in ("checkpoint", "stability")} == {"ok"}
    done = call("doctor")
    assert done.exit_code == 0 and "fit to measure with" in done.stdout

    def gone(name: str) -> Path:
        raise BenchError(f"no checkpoint {name}")

    monkeypatch.setattr(zoo, "shipped", gone)  # what ships is missed
    assert call("doctor").exit_code == 2


def test_a_batch_size_is_for_one_backbone(call: Call) -> None:
    done = call("doctor", "--batch-size", 4)
    assert done.exit_code == 2 and "--batch-size does nothing without --backbone" in done.stderr
