"""Runs that measure: from a schedule with `Measure` steps to scores and tables."""

from __future__ import annotations

import csv
import dataclasses
import io
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from mmedit_bench.cases import EditCase
from mmedit_bench.cli.score import as_dict
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import run
from mmedit_bench.plugins.registry import MEASURES, PROTOCOLS
from mmedit_bench.protocols.steps import Ask, Measure, Unit
from mmedit_bench.rendering.report import render
from mmedit_bench.rendering.retention import measured_rows, measured_text
from mmedit_bench.retention import loading
from mmedit_bench.retention.loading import tasks_named
from mmedit_bench.runs.folder import read_run
from mmedit_bench.scoring.score import scored
from mmedit_bench.scoring.scores import RunScores
from tests.fakes.tiny_suite import TinySuite
from tests.retention.parts import Null, Talker, Watched, Wrecker
from tests.tiny import tiny_backbone

OPTIONS = {"tasks": ["picturebook-facts", "picturebook-answers"], "limit": 6}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = PROTOCOLS.load
    monkeypatch.setattr(PROTOCOLS, "load", lambda name: Watched if name == "watched" else rest(name))


def experiment(editor: Any, **changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "suite": TinySuite(), "split": "test", "backbone": tiny_backbone("opt"), "editor": editor,
        "protocol": Watched({"lm-eval": OPTIONS}),
    }  # fmt: skip
    return Experiment(**(values | changes))


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunScores]:
    with pytest.MonkeyPatch.context() as patch:
        rest = PROTOCOLS.load
        patch.setattr(PROTOCOLS, "load", lambda name: Watched if name == "watched" else rest(name))
        out = tmp_path_factory.mktemp("runs")
        folders = [run(experiment(editor), out).folder for editor in (Null(), Wrecker())]
        return {found.spec.editor: found for found in (scored(folder, TinySuite()) for folder in folders)}


def test_an_edit_of_nothing_changes_nothing(scores: dict[str, RunScores]) -> None:
    cells = scores["nothing"].measures["lm-eval"]["end"]
    assert cells.keys() == {
        "picturebook-facts/acc",
        "picturebook-answers/perplexity",
        "picturebook-answers/acc",
    }
    for cell in cells.values():
        assert (cell.delta, cell.low, cell.high) == (0.0, 0.0, 0.0)
        assert not cell.collapsed
        assert cell.items == 6


def test_a_wrecked_model_has_collapsed(scores: dict[str, RunScores]) -> None:
    cell = scores["wrecker"].measures["lm-eval"]["end"]["picturebook-answers/perplexity"]
    assert cell.start is not None
    assert cell.value > 2 * cell.start
    assert (cell.collapsed, cell.units) == (1, 1)
    assert cell.low is not None
    assert cell.low > 0
    assert scores["wrecker"].measures["lm-eval"]["start"] == scores["nothing"].measures["lm-eval"]["start"]


def test_every_form_shows_the_measures(scores: dict[str, RunScores]) -> None:
    both = list(scores.values())
    pairs = [(one.spec.editor, one) for one in both]
    rows = measured_rows(pairs)
    assert [row[:4] for row in rows if row[2] == "end" and row[3].endswith("perplexity")] == [
        ("nothing", "lm-eval", "end", "picturebook-answers/perplexity"),
        ("wrecker", "lm-eval", "end", "picturebook-answers/perplexity"),
    ]
    assert [row[6] for row in rows if row[2] == "end" and row[3].endswith("perplexity")] == ["", "collapsed"]
    assert measured_text(pairs).count("picturebook-facts/acc") == 4
    for form in ("terminal", "markdown"):
        shown = render(both, form=form)
        assert "Measured beside the probes" in shown
        assert "collapsed" in shown
    lines = list(csv.DictReader(io.StringIO(render(both, form="csv"))))
    own = [line for line in lines if line["family"] == "measure lm-eval" and line["editor"] == "wrecker"]
    assert {line["column"] for line in own} == set(scores["wrecker"].measures["lm-eval"]["end"])
    (change,) = (
        line for line in own
        if (line["moment"], line["column"]) == ("end", "picturebook-answers/perplexity")
        and line["label"].startswith("change")
    )  # fmt: skip
    cell = scores["wrecker"].measures["lm-eval"]["end"]["picturebook-answers/perplexity"]
    assert float(change["value"]) == cell.delta
    told = as_dict(Path("x"), scores["wrecker"])["measures"]["lm-eval"]["end"]
    assert told["picturebook-answers/perplexity"]["collapsed"] == 1
    assert '"collapsed": 1' in scores["wrecker"].text()
    assert measured_text([("x", scores["nothing"])]).count("collapsed") == 0


def test_a_run_without_measures_shows_no_section(tmp_path: Path) -> None:
    plain = scored(run(experiment(Null(), protocol=Watched()), tmp_path).folder, TinySuite())
    assert plain.measures == {}
    assert measured_text([("x", plain)]) == ""
    assert "Measured beside" not in render([plain], form="markdown") + render([plain])


def test_edits_that_cannot_be_measured_are_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    state = read_run(run(experiment(Talker()), tmp_path).folder)
    end = next(record for record in state.measures if record.moment == "end")
    assert end.status == "failed"
    assert end.error is not None
    assert "no part of the context is left out" in end.error
    assert len(end.edits) < 3
    found = scored(tmp_path / state.manifest.spec.folder_name, TinySuite())
    cell = found.measures["lm-eval"]["end"]["picturebook-facts/acc"]
    assert cell.failed == 1
    assert "measured without some edits in 1 of 1" in measured_text([("talker", found)])


def test_a_measure_moves_no_random_number_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawing(backbone: Any) -> dict[str, float]:
        torch.randn(100)
        return {"drawn": random.random()}

    def still(backbone: Any) -> dict[str, float]:
        return {"drawn": 0.0}

    rest, found = MEASURES.load, []
    for number, measure in enumerate((drawing, still)):
        one = {"draw": measure}
        monkeypatch.setattr(MEASURES, "load", lambda name, one=one: one.get(name) or rest(name))
        done = run(experiment(Wrecker(), protocol=Watched({"draw": {}})), tmp_path / str(number))
        found.append(read_run(done.folder))
    assert [record.probes for record in found[0].asks] == [record.probes for record in found[1].asks]
    drawn = {record.values["drawn"] for record in found[0].measures}
    assert len(drawn) == 1  # a seed of its own
    assert drawn != {0.0}


# ---- identity


def test_the_spec_tells_the_tasks_and_changes_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = experiment(Null()).spec()
    told = spec.measures["lm-eval"]
    assert told["tasks"].keys() == {"picturebook-answers", "picturebook-facts"}
    assert {"code", "lm_eval"} <= told.keys()
    assert experiment(Null()).spec().fingerprint == spec.fingerprint
    rest = loading.library_version
    monkeypatch.setattr(loading, "library_version", lambda name: "0.5" if name == "lm_eval" else rest(name))
    assert experiment(Null()).spec().fingerprint != spec.fingerprint
    tasks_named.cache_clear()


def test_a_measure_that_the_options_do_not_name_is_refused(tmp_path: Path) -> None:
    class Hidden(Watched):
        def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
            yield Unit("u", (Measure("lm-eval", {"limit": 1}), Ask(cases[0])))

    with pytest.raises(BenchError, match="its option 'measures' does not say so"):
        run(experiment(Null(), protocol=Hidden()), tmp_path)


def test_a_wrong_option_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="measure lm-eval has no option 'tests'"):
        run(experiment(Null(), protocol=Watched({"lm-eval": {"tests": []}})), tmp_path)
    with pytest.raises(BenchError, match=r"no measure 'lm-evil'\. Did you mean 'lm-eval'\?"):
        run(experiment(Null(), protocol=Watched({"lm-evil": {}})), tmp_path)
    assert not list(tmp_path.glob("*/predictions.jsonl"))


def test_a_spec_that_tells_of_other_measures_is_refused(tmp_path: Path) -> None:
    folder = run(experiment(Null(), protocol=Watched()), tmp_path).folder
    state = read_run(folder)
    manifest = state.manifest
    spec = dataclasses.replace(manifest.spec, measures={"lm-eval": {}})
    (folder / "manifest.json").write_text(dataclasses.replace(manifest, spec=spec).text(), encoding="utf-8")
    with pytest.raises(BadRecord, match="tells of other measures than its protocol takes"):
        scored(folder, TinySuite())
