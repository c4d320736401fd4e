import csv
import dataclasses
import io
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mmedit_bench.errors import BenchError
from mmedit_bench.rendering import latex, markdown
from mmedit_bench.rendering.report import FORMATS, render
from mmedit_bench.rendering.table import blocks, ranks
from mmedit_bench.rendering.wording import MISSING, seconds, size, with_margin
from mmedit_bench.scoring.columns import column, in_order
from mmedit_bench.scoring.score import score_run, scored
from mmedit_bench.scoring.scores import NOT_WHOLE, NOTHING_ASKED, TEXT_ALONE, TOO_FEW, Cell, RunScores
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunScores]:
    out = tmp_path_factory.mktemp("runs")
    suite = FakeSuite(count=20)
    return [score_run(fake_run(out, suite, editor), suite) for editor in EDITORS]


def between(low: float, high: float) -> Cell:
    return Cell((low + high) / 2, low, high, 10, 10, "x")


def test_ranks_are_intervals_where_scores_overlap() -> None:
    found = ranks([between(90, 100), between(80, 91), between(70, 79), between(0, 85)])
    assert [str(rank) for rank in found] == ["1-2", "1-3", "3-4", "2-4"]
    assert [str(rank) for rank in ranks([between(50, 60), between(10, 20)])] == ["1", "2"]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted), max_size=8))
def test_every_rank_interval_contains_the_place_by_value(bounds) -> None:
    cells = [between(low, high) for low, high in bounds]
    for rank, cell in zip(ranks(cells), cells, strict=True):
        better = sum(other.value > cell.value for other in cells)
        assert 1 <= rank.best <= better + 1 <= rank.worst <= len(cells)


def test_rows_and_ranks(runs: list[RunScores]) -> None:
    (block,) = blocks(runs, "generation")
    names = [row.name for row in block.rows]
    assert names[-3:] == ["mend", "copy-target", "null"]  # not complete, then controls
    assert names[0] == "unike" and "t-patcher neurons=4" in names
    assert [row.rank is None for row in block.rows] == [False] * 4 + [True] * 3
    assert {row.name: row.status for row in block.rows if row.status} == {
        "mend": "12 of 20",
        "ft": "2 failed",
    }


def test_blocks_keep_apart_what_is_not_comparable(tmp_path: Path) -> None:
    suite, editor = FakeSuite(count=4), FakeEditor("ft")
    changed = [
        {},
        {"backbone": "other"},
        {"protocol": "sequential", "protocol_version": "2"},
        {"protocol": "sequential", "protocol_version": "2", "protocol_options": {"length": 2}},
        {"limit": 2},
        {"backbone_digest": "0" * 64},
    ]
    scored = [score_run(fake_run(tmp_path, suite, editor, **change), suite) for change in changed]
    assert len(blocks(scored, "generation")) == len(changed)
    assert len(blocks([*scored, *scored], "generation")) == len(changed)  # a run given twice counts once
    assert all(len(block.rows) == 1 for block in blocks(scored, "generation"))


def test_rows_are_ordered_by_hard_and_by_the_mean_where_a_suite_has_none(tmp_path: Path) -> None:
    """One editor is perfect at what is easy and poor at the rest, the other middling throughout."""
    far = FakeEditor("far", {"reliability": 1, "text_generality": 1, "text_locality": 1}, default=0.1)
    near = FakeEditor("near", default=0.7)
    whole, part = FakeSuite(count=20), FakeSuite("main-only", count=20)
    part._cases = tuple(
        dataclasses.replace(case, probes=tuple(probe for probe in case.probes if probe.stratum == "main"))
        for case in part._cases
    )
    (block,), (other,) = (
        blocks([score_run(fake_run(tmp_path, suite, one), suite) for one in (far, near)], "generation")
        for suite in (whole, part)
    )
    values = [row.cells["hard"].value for row in block.rows]
    assert block.summary.key == "hard" and [row.name for row in block.rows] == ["near", "far"]
    assert None not in values and values == sorted(filter(None, values), reverse=True)
    means = [row.cells["mean"].value for row in other.rows]
    assert other.summary.key == "mean" and all(row.rank for row in other.rows)
    assert None not in means and means == sorted(filter(None, means), reverse=True)
    assert (NOT_WHOLE, tuple(row.name for row in other.rows)) in other.reasons
    for form in ("terminal", "markdown", "latex"):
        text = render([row.scores for row in other.rows], form=form)
        assert NOT_WHOLE in " ".join(text.split())


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    suite = FakeSuite(count=4)
    scored = [
        score_run(fake_run(tmp_path, suite, FakeEditor("ft"), editor_version=v), suite) for v in ("1", "2")
    ]
    (block,) = blocks(scored, "generation")
    names = {row.name for row in block.rows}
    assert names == {f"ft #{run.spec.fingerprint[:8]}" for run in scored}


def test_refusals(runs: list[RunScores]) -> None:
    for bad in ({"family": "bleu"}, {"form": "pdf"}, {"sort": "neither"}):
        with pytest.raises(BenchError, match=r"choose (all or )?one of"):
            render(runs, **bad)
    with pytest.raises(BenchError, match="no run to report"):
        render([])
    other = dataclasses.replace(runs[0], normalizer="0")
    with pytest.raises(BenchError, match="different rules"):
        render([other, *runs[1:]])
    swapped = dataclasses.replace(
        runs[0], families={"generation": dataclasses.replace(runs[0].family("teacher_forced_token"))}
    )
    with pytest.raises(BenchError, match="would mix"):
        render([swapped, *runs[1:]])


def changed(run: RunScores, family: str, **cells: Cell) -> RunScores:
    """A run with other cells; names of columns have "_of_" for their stroke."""
    own = run.family(family)
    overall = {**own.overall, **{name.replace("_of_", "/"): cell for name, cell in cells.items()}}
    return dataclasses.replace(
        run, families={**run.families, family: dataclasses.replace(own, overall=overall)}
    )


def test_a_number_without_an_interval_stands_alone_and_says_so(runs: list[RunScores]) -> None:
    ike = next(run for run in runs if run.spec.editor == "ike")
    label = ike.family("generation").overall["hard"].label
    lone = changed(ike, "generation", hard=Cell(43.21, None, None, 80, 80, label, TOO_FEW))
    found = [lone if run is ike else run for run in runs]
    (block,) = blocks(found, "generation")
    row = next(row for row in block.rows if row.name == "ike")
    assert row.rank is None and all(other.rank for other in block.rows[:4] if other is not row)
    assert block.reasons == ((TOO_FEW, ("ike",)), *[item for item in block.reasons if item[0] != TOO_FEW])
    for form in ("terminal", "markdown", "latex"):
        text = render(found, form=form)
        (line,) = [line for line in text.splitlines() if "43.2" in line]
        assert "43.2±" not in line and "43.2 ±" not in line and r"43.2\," not in line
        assert TOO_FEW in " ".join(text.split())
    rows = list(csv.DictReader(io.StringIO(render(found, form="csv"))))
    (cell,) = [
        row
        for row in rows
        if row["editor"] == "ike" and (row["section"], row["column"], row["sort"]) == ("", "hard", "all")
    ]
    assert (cell["value"], cell["low"], cell["high"], cell["reason"]) == ("43.21", "", "", TOO_FEW)


def test_an_empty_cell_is_a_dash_with_its_reason(runs: list[RunScores]) -> None:
    ike = next(run for run in runs if run.spec.editor == "ike")
    label = ike.family("teacher_forced_token").overall["reliability/main"].label
    empty = Cell(None, None, None, 20, 20, label, TEXT_ALONE)
    routed = changed(ike, "teacher_forced_token", reliability_of_main=empty)
    found = [routed if run is ike else run for run in runs]
    for form in ("terminal", "markdown", "latex"):
        text = render(found, family="teacher_forced_token", form=form)
        lines = [line for line in text.splitlines() if re.search(r"(^|[ |&])ike\b", line)]
        assert any(MISSING in line or "& --" in line for line in lines)
        assert f"{TEXT_ALONE} (ike)" in " ".join(text.split())
    text = render(found, family="teacher_forced_token", form="csv")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["reason"]]
    assert [(row["editor"], row["column"], row["value"]) for row in rows if row["reason"] == TEXT_ALONE] == [
        ("ike", "reliability/main", "")
    ]


def test_other_baselines_share_no_table(runs: list[RunScores]) -> None:
    stranger = dataclasses.replace(runs[0], baseline="0" * 64)
    with pytest.raises(BenchError, match="different baselines") as caught:
        blocks([stranger, *runs[1:]], "generation")
    assert runs[0].spec.folder_name in str(caught.value) and "000000000000" in str(caught.value)
    for form in FORMATS:
        text = render([stranger, *runs[1:]], form=form)
        assert "0" * 12 in text and runs[1].baseline[:12] in text
    tables = blocks([stranger, *runs[1:]], "generation", by_baseline=True)
    assert [len(block.rows) for block in tables] == [len(runs) - 1, 1]
    assert all(
        f"{block.baseline}"[:12] in block.title and "another baseline" in block.label for block in tables
    )
    assert [block.title for block in blocks(runs, "generation", by_baseline=True)] == [
        block.title for block in blocks(runs, "generation")
    ]
    elsewhere = dataclasses.replace(stranger, spec=dataclasses.replace(stranger.spec, backbone="other"))
    assert len(blocks([elsewhere, *runs[1:]], "generation")) == 2


@pytest.mark.parametrize("name", ["artefact", "baseline", "predictions"])
def test_two_runs_of_one_name_are_refused(runs: list[RunScores], name: str) -> None:
    other = dataclasses.replace(runs[0], **{name: "0" * 64})
    with pytest.raises(BenchError, match=f"differ in {name}"):
        blocks([*runs, other], "generation")


def test_csv_holds_every_moment(tmp_path: Path) -> None:
    suite = FakeSuite(count=8)
    options = {"orders": 5, "checkpoints": [3, 6], "length": 8}
    run = scored(
        fake_run(
            tmp_path,
            suite,
            FakeEditor("ft"),
            protocol="sequential",
            protocol_version="2",
            protocol_options=options,
        ),
        suite,
    )
    rows = list(csv.DictReader(io.StringIO(render([run], form="csv"))))
    assert {row["moment"] for row in rows} == {"end", "after 3", "after 6"}
    means = [row for row in rows if row["statistic"] == "mean"]
    by_key = {(row["moment"], row["column"]): row for row in means if row["sort"] == "all"}
    assert by_key["after 3", "reliability/main"]["edits"] == "15"
    assert by_key["end", "reliability/main"]["edits"] == "40"
    assert {row["protocol_options"] for row in rows} == {'{"checkpoints":[3,6],"length":8,"orders":5}'}
    (block,) = blocks([run], "generation")
    assert (
        block.title
        == "fake-vqa on blip2-opt-mini, sequential checkpoints=3,6 length=8 orders=5, split evaluation"
    )


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("family", ["generation", "teacher_forced_token", "teacher_forced_exact"])
def test_every_form_names_its_measurement(runs: list[RunScores], form: str, family: str) -> None:
    text = render(runs, family=family, form=form).replace("\\", "")
    labels = {
        cell.label for run in runs for cell in run.family(family).overall.values() if "+" not in cell.label
    }
    assert len(labels) == 2
    assert all(label in text for label in labels)


def test_terminal_fits(runs: list[RunScores]) -> None:
    text = render(runs)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text and "\x1b" in render(runs, color=True)
    assert "12 of" in text and "2 failed" in text and "controls" in text
    for name in ("ike", "copy-target", "null"):
        assert any(line.split()[:1] == [name] or f" {name} " in line for line in text.splitlines())


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    suite = FakeSuite(count=3)
    nasty = FakeEditor("ft", options={"note": "[bold]|x_y|<b> 100% & \\end{table} #$^~"})
    scored = [score_run(fake_run(tmp_path, suite, nasty), suite)]
    assert "[bold]" in render(scored, width=200)
    lines = render(scored, form="markdown").splitlines()
    table = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    text = render(scored, form="latex")
    assert r"100\% \& \textbackslash{}end\{table\} \#\$\textasciicircum{}\textasciitilde{}" in text
    assert text.count(r"\end{table}") == 1


@given(st.text())
def test_escapes_leave_no_special_character(text: str) -> None:
    assert "\n" not in markdown.escaped(text)
    plain = latex.escaped(text)
    for char in "&%$#_":
        assert plain.count(char) == plain.count("\\" + char) + (2 * text.count("±") if char == "$" else 0)


def test_csv_is_exact(runs: list[RunScores]) -> None:
    rows = list(csv.DictReader(io.StringIO(render(runs, form="csv"))))
    keyed = {(row["fingerprint"], row["section"], row["sort"], row["column"]): row for row in rows}
    assert len(keyed) == len(rows)
    rows = [row for row in rows if not row["section"]]
    by_key = {(row["fingerprint"], row["sort"], row["column"]): row for row in rows}
    assert len(by_key) == len(rows)
    for run in runs:
        family = run.family("generation")
        for sort, cells in itertools.chain([("all", family.overall)], family.by_sort.items()):
            for key, cell in cells.items():
                row = by_key[run.spec.fingerprint, sort, key]
                assert float(row["value"]) == cell.value
                assert int(row["n"]) == cell.n
                assert row["label"] == cell.label


def test_a_gap_is_not_a_zero() -> None:
    empty = Cell(None, None, None, 0, 0, "x", NOTHING_ASKED)
    assert with_margin(empty) == with_margin(None) == MISSING
    assert with_margin(between(0, 0)) == "0.0 ±0.0"


def test_units() -> None:
    assert [seconds(value) for value in (None, 0.00012, 0.0042, 0.37, 1.25, 9.96, 120)] == [
        MISSING, "0.0001", "0.0042", "0.37", "1.2", "10", "120",
    ]  # fmt: skip
    assert [size(value) for value in (None, 0, 96, 3_120, 999_499, 52e6, 5e12)] == [
        MISSING, "0 B", "96 B", "3.1 kB", "999 kB", "52 MB", "5000 GB",
    ]  # fmt: skip


def test_strata_of_other_suites_stand_beside_their_kind() -> None:
    order = in_order(["mean", "text_locality/odd", "image_locality/main", "text_locality/main", "new/main"])
    assert order == ["text_locality/main", "text_locality/odd", "image_locality/main", "mean", "new/main"]
    assert column("text_locality/odd").group == "Keep"
    assert column("text_locality/odd").title == "Odd"
