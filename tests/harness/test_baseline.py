"""The baseline: asked once, shared, refused where it was changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mmedit_bench.errors import BadRecord
from mmedit_bench.harness.baseline import SPOT_CHECKS, Measured, measured
from mmedit_bench.harness.run import run
from tests.fakes.backbone import FakeBackbone, FakeEdit
from tests.fakes.experiment import contents, experiment
from tests.fakes.suite import FakeSuite


def of(folder: Path, backbone: FakeBackbone | None = None, limit: int | None = None) -> Measured:
    return measured(FakeSuite(), "test", backbone or FakeBackbone(), folder, limit=limit)  # type: ignore[arg-type]


def test_is_asked_once_and_spot_checked_afterwards(tmp_path: Path) -> None:
    first, second = FakeBackbone(), FakeBackbone()
    one, two = of(tmp_path, first), of(tmp_path, second)
    assert one == two
    assert len(first.calls) == 2 + 5  # two batches of requests, five cases
    assert len(second.calls) == SPOT_CHECKS


def test_a_smaller_run_uses_a_part_and_a_larger_one_adds_to_it(tmp_path: Path) -> None:
    small, large, again = of(tmp_path, limit=2), of(tmp_path, limit=4), of(tmp_path, limit=2)
    assert small.digest == again.digest != large.digest
    assert [case.id for case in again.selection.cases] == ["test-0", "test-1"]
    (file,) = tmp_path.iterdir()
    lines = file.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 4 + 4  # one batch of requests, four cases


def test_carried_edits_play_no_part(tmp_path: Path) -> None:
    backbone = FakeBackbone().edited(FakeEdit("what is test-0?", "new 0"))
    assert of(tmp_path / "a", backbone).digest == of(tmp_path / "b").digest


def test_a_torn_end_is_asked_again(tmp_path: Path) -> None:
    whole = of(tmp_path / "a")
    (file,) = (tmp_path / "a").iterdir()
    data = file.read_bytes()
    torn = tmp_path / "b" / file.name
    torn.parent.mkdir()
    for size in range(0, len(data), 37):
        torn.write_bytes(data[:size])
        assert of(torn.parent).digest == whole.digest
        assert of(torn.parent) == whole, "what was torn is gone"


def test_another_line_for_the_same_case_is_refused(tmp_path: Path) -> None:
    of(tmp_path)
    (file,) = tmp_path.iterdir()
    first = json.loads(file.read_text().splitlines()[0])
    with file.open("a") as lines:
        lines.write(json.dumps(first | {"answer": "poison"}) + "\n")
    with pytest.raises(BadRecord, match="two different answers"):
        of(tmp_path)


def test_changed_readings_are_noticed_when_asked_again(tmp_path: Path) -> None:
    of(tmp_path, limit=SPOT_CHECKS)
    (file,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        for probe in line.get("probes", ()):
            probe["answer"] = "poison"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(BadRecord, match="is answered otherwise by the backbone at hand"):
        of(tmp_path, limit=SPOT_CHECKS)


def test_runs_share_it_and_a_run_does_not_go_on_with_another(tmp_path: Path) -> None:
    done = run(experiment(), tmp_path)
    expected = contents(done)
    shutil.rmtree(tmp_path / "baselines")
    assert contents(run(experiment(), tmp_path)) == expected, "a lost baseline is made again"
    manifest = done.folder / "manifest.json"
    lines = (done.folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (done.folder / "predictions.jsonl").write_bytes(b"".join(lines[:3]))
    shutil.rmtree(tmp_path / "baselines")
    other = FakeBackbone()
    other.model.hooks.append(lambda query: None)
    other.knows = {"unrelated to 0?": "something else"}
    with pytest.raises(BadRecord, match="measured against baseline"):
        run(experiment(backbone=other), tmp_path)
    assert manifest.read_bytes() == expected[0]
