"""Table 1 at the paper's scale, end to end, on random backbones of a few thousand parameters.

A test of the wiring, never a result: the checkpoints are read by the published rows' own loaders from
folders, the annotation files are MMEdit's, and one picture stands in for all.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets.annotated.records import PICTURES, read_records
from mmedit_bench.datasets.mmedit.layouts import CAPTION, COCO, REPHRASED, VQA
from mmedit_bench.reproduce import plans
from mmedit_bench.reproduce.plan import PlanRow
from tests.cli.conftest import Call, program
from tests.datasets.published import FOLDER, needs_published
from tests.datasets.small import png
from tests.tiny import tiny_backbone

pytestmark = needs_published

ROWS = (
    PlanRow("null", "no edit", published="Base"),
    PlanRow("ft", "FT", {"steps": 2}, published="FT (last layer)"),
)


def checkpoint(folder: Path, family: str) -> Path:
    """A random model as it is published, but for its size and a template without words."""
    made = tiny_backbone(family, max_positions=2048)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    made.image_processor.save_pretrained(folder)
    (folder / "backbone.json").write_text(json.dumps({"template": "{prompt}"}))
    return folder


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The program, with a stand-in under the name of every picture."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(1))
    names = set()
    for layout in (VQA, CAPTION):
        for source in (layout.training, layout.evaluation):
            for record in read_records(FOLDER / "mmedit" / source.file, source):
                names |= {getattr(record, key) for key in PICTURES}
    for folder in {Path(name).parent for name in names}:
        (tmp_path / "stand-ins" / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / "stand-ins" / name).symlink_to(picture)
    monkeypatch.setenv("MMEDIT_BENCH_DATA", str(FOLDER))
    monkeypatch.setenv(COCO, str(tmp_path / "stand-ins"))
    monkeypatch.setenv(REPHRASED, str(tmp_path / "stand-ins"))
    return program(tmp_path, monkeypatch, "nothing", "")


@pytest.mark.slow
def test_wiring_of_table_1_at_the_scale_of_the_paper(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        plans.PLANS, "table1", dataclasses.replace(plans.TABLE1, rows=ROWS, against="ft steps=2")
    )
    weights: list[Any] = []
    for name, family in (("blip2-opt-2.7b", "opt"), ("minigpt4-7b", "llama")):
        weights += ["--weights", f"{name}={checkpoint(tmp_path / name, family)}"]
    order = ("reproduce", "table1", "--scale", "paper", "--workers", "1")
    bare = call(*order, "--limit", "2", "--quiet")
    assert bare.exit_code == 2 and "doctor --backbone blip2-opt-2.7b" in bare.stderr
    assert not Path("runs").exists(), "nothing was run"
    done = call(*order, *weights, "--limit", "2", "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    document = json.loads(Path("results/table1.json").read_text(encoding="utf-8"))
    assert document["command"].startswith("mmedit-bench reproduce table1 --scale paper")
    places = [(block["backbone"], block["suite"], block["edits"]) for block in document["blocks"]]
    assert places == [
        (backbone, suite, 2)
        for backbone in ("blip2-opt-2.7b", "minigpt4-7b")
        for suite in ("mmedit-vqa", "mmedit-caption")
    ]
    for block in document["blocks"]:
        for row in block["rows"]:
            assert row["complete"] and not row["failed"] and row["published"]["reliability/main"] is not None
            assert row["cells"]["teacher_forced_token"]["reliability/main"] is not None
    text = Path("results/table1.md").read_text(encoding="utf-8")
    assert "mmedit-caption on minigpt4-7b" in text and "*published*" in text
    assert "on models and data of these names" in text and "other data" not in text
    assert Path("results/table1.tex").exists()
    (manifest, *_) = Path("runs").glob("mmedit-vqa--minigpt4-7b--*/manifest.json")
    assert json.loads(manifest.read_bytes())["origin"] == {"source": "minigpt4-7b"}
