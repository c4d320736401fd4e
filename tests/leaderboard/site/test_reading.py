"""What a board's files say, read back and measured anew."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from leaderboard.site.model import Site, load
from leaderboard.site.runs import Run
from leaderboard.site.scores_file import read_scores
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.baseline import FOLDER, path_of
from mmedit_bench.scoring.cells import cells_of
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.families import family_named
from mmedit_bench.scoring.groups import GROUPS, SUMMARIES
from mmedit_bench.scoring.score import checked_run, scored
from tests.site.synthetic import Suites


def runs(site: Site) -> list[Run]:
    return [run for entry in site.entries for run in entry.runs]


def plain(run: Run, board: Path, out: Path) -> Path:
    """A run as `mmedit-bench run` leaves it, with its baseline beside it."""
    folder = out / run.folder.name
    folder.mkdir()
    shutil.copy(run.folder / "manifest.json", folder)
    for name in ("predictions.jsonl", "timings.jsonl"):
        (folder / name).write_bytes(gzip.decompress((run.folder / f"{name}.gz").read_bytes()))
    baseline = path_of(out / FOLDER, run.spec)
    baseline.parent.mkdir(exist_ok=True)
    baseline.write_bytes(gzip.decompress((board / "baselines" / f"{baseline.name}.gz").read_bytes()))
    return folder


def test_scores_come_back_as_they_were_written(loaded: Site) -> None:
    for run in runs(loaded):
        assert read_scores(run.folder).text() == (run.folder / "scores.json").read_text()


def test_the_synthetic_board_says_what_score_says(
    loaded: Site, board: Path, suites: Suites, tmp_path: Path
) -> None:
    for protocol in ("one-step", "sequential"):
        run = next(run for run in runs(loaded) if run.spec.protocol == protocol)
        assert (
            scored(plain(run, board, tmp_path), suites(run.spec.suite)).text()
            == read_scores(run.folder).text()
        )


def test_failed_edits_left_out_are_the_scores_of_the_others(
    loaded: Site, board: Path, suites: Suites, tmp_path: Path
) -> None:
    run = next(run for run in runs(loaded) if run.scores.counts.failed)
    checked = checked_run(plain(run, board, tmp_path), suites(run.spec.suite))
    for family in run.scores.families:
        values = edit_values(checked, family)
        kept = [row for row, ask in enumerate(checked.state.asks) if ask.edits]
        assert 0 < len(kept) < len(values.cases)
        assert run.left_out is not None
        assert run.left_out[family] == cells_of(family_named(family), values.take(kept))
        assert run.left_out[family] != run.scores.families[family].overall


def test_without_failures_nothing_differs(loaded: Site) -> None:
    run = next(run for run in runs(loaded) if not run.scores.counts.failed)
    assert run.cells("generation", left_out=True) == run.cells("generation")


def test_parts_add_up_to_the_summaries(loaded: Site) -> None:
    for run in runs(loaded):
        for (family, left_out), parts in run.parts.items():
            cells = run.cells(family, left_out=left_out)
            assert cells is not None and set(parts.values) == set(SUMMARIES)
            for name, own in parts.values.items():
                found = GROUPS[name].of(list(own.sum(axis=1)[:, None]))[0]
                assert cells[name].value == pytest.approx(100 * found)


def test_workers_read_the_same(board: Path, suites: Suites, loaded: Site) -> None:
    def told(site: Site) -> list[object]:
        return [(run.fingerprint, run.scores, run.left_out) for run in runs(site)]

    assert told(load(board, suites=suites, workers=2)) == told(loaded)


def test_without_the_suite_only_what_needs_it_is_missing(board: Path, loaded: Site) -> None:
    site = load(board, suites=lambda name: None)
    for run, other in zip(runs(site), runs(loaded), strict=True):
        assert run.scores == other.scores and not run.parts
        assert (run.left_out is None) == bool(run.scores.counts.failed)
    views = [view for block in site.blocks for view in block.views.values()]
    assert {view.ranked_by for view in views if any(one.rank for one in view.rows)} == {"intervals"}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("scores.json", lambda text: text.replace('"schema_version": 3', '"schema_version": 2'), "schema"),
        (
            "scores.json",
            lambda text: text.replace('"complete": true', '"complete": "yes"'),
            "scores.complete",
        ),
        ("scores.json", lambda text: text[: len(text) // 2], "not JSON"),
        ("scores.json", lambda text: text.replace('"normalizer"', '"normaliser"'), "normaliser"),
        ("scores.json", lambda text: text.replace('"seed": 0', '"seed": 1'), "fingerprint"),
        ("manifest.json", lambda text: text.replace('"seed": 0', '"seed": 1'), "changed by hand"),
    ],
)
def test_a_damaged_file_is_named(
    board: Path, suites: Suites, tmp_path: Path, name: str, change: object, said: str
) -> None:
    copy = tmp_path / "board"
    shutil.copytree(board, copy)
    path = next((copy / "entries" / "editor-006" / "runs").glob(f"*/{name}"))
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    with pytest.raises(BadRecord) as caught:
        load(copy, suites=suites)
    assert name in str(caught.value) and said in str(caught.value)


def test_predictions_of_another_case_are_refused(board: Path, suites: Suites, tmp_path: Path) -> None:
    copy = tmp_path / "board"
    shutil.copytree(board, copy)
    path = next((copy / "entries" / "editor-006" / "runs").glob("*/predictions.jsonl.gz"))
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    record = json.loads(lines[1])
    record["probes"] = record["probes"][1:]
    lines[1] = json.dumps(record)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(BadRecord, match="other probes"):
        load(copy, suites=suites)


def test_a_gzip_file_cut_short_is_named(board: Path, suites: Suites, tmp_path: Path) -> None:
    copy = tmp_path / "board"
    shutil.copytree(board, copy)
    path = next((copy / "entries" / "editor-006" / "runs").glob("*/predictions.jsonl.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadRecord, match=r"predictions\.jsonl\.gz is no whole gzip file"):
        load(copy, suites=suites)
