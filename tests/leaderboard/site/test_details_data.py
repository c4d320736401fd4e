"""What the drill-down and the comparison read, beside what the scorer makes of the same runs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from leaderboard.site import details_reading
from leaderboard.site.compare_pairs import pairs_of, values_of
from leaderboard.site.details_block import Edits, edits_of
from leaderboard.site.details_data import chunk_size
from leaderboard.site.details_flat import HARMED, HAS_BAD, HAS_GOOD, digits, flat_of, joined
from leaderboard.site.details_reading import FORCED, read, read_all
from leaderboard.site.model import Block, Site, load
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.baseline import FOLDER, path_of
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.comparison import compared
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.score import checked_run
from tests.site.synthetic import Suites, suite_of, write_board

EDITS = 24


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board whose partial run and whose sequences are there as well."""
    folder = tmp_path_factory.mktemp("plain") / "board"
    return write_board(folder, entries=9, edits=EDITS, backbones=1, sequential=3, blind=2)


@pytest.fixture(scope="module")
def loaded(plain: Path) -> Site:
    return load(plain, suites=Suites(EDITS))


def block_of(loaded: Site, protocol: str, probes: str = "public") -> Block:
    (found,) = [b for b in loaded.blocks if (b.key.protocol, b.key.probes) == (protocol, probes)]
    return found


@pytest.fixture(scope="module", params=["one-step", "sequential"])
def edits(loaded: Site, request: pytest.FixtureRequest) -> Edits:
    return edits_of(loaded, block_of(loaded, request.param))


def checked_of(edits: Edits, place: int, board: Path, work: Path) -> Checked:
    """A run of the board as `score` reads it."""
    run = edits.block.rows[place].run
    folder = work / run.spec.folder_name
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_bytes((run.folder / "manifest.json").read_bytes())
        for name in ("predictions.jsonl", "timings.jsonl"):
            (folder / name).write_bytes(gzip.decompress((run.folder / f"{name}.gz").read_bytes()))
        beside = path_of(work / FOLDER, run.spec)
        beside.parent.mkdir(exist_ok=True)
        packed = path_of(board / "baselines", run.spec)
        beside.write_bytes(gzip.decompress(packed.with_name(f"{packed.name}.gz").read_bytes()))
    return checked_run(folder, suite_of(run.spec.suite, EDITS))


@pytest.mark.parametrize("family", ["generation", FORCED])
def test_values_are_those_of_the_scorer(edits: Edits, plain: Path, tmp_path: Path, family: str) -> None:
    for place, (run, columns) in enumerate(zip(edits.runs, [edits.columns] * len(edits.runs), strict=True)):
        wanted = edit_values(checked_of(edits, place, plain, tmp_path), family)
        assert columns == wanted.columns
        assert run.rows == list(zip(wanted.units, wanted.cases, strict=True))
        np.testing.assert_allclose(run.values[family], wanted.values, equal_nan=True)
        own = {unit: cluster for (unit, _), cluster in zip(edits.rows, edits.clusters, strict=True)}
        assert [own[unit] for unit in wanted.units] == list(wanted.clusters)


def test_pairs_are_those_of_the_scorer(edits: Edits, plain: Path, tmp_path: Path) -> None:
    whole = [place for place, row in enumerate(edits.block.rows) if row.run.scores.complete]
    runs = {edits.keys[place]: checked_of(edits, place, plain, tmp_path) for place in whole}
    wanted = {(pair.first, pair.second, pair.column): pair.difference for pair in compared(runs).pairs}
    found = pairs_of(edits, values_of(edits, "generation"))
    told = {
        (edits.keys[first], edits.keys[second], column): span
        for (first, second), pair in found.items()
        for column, span in pair.differences.items()
        if first in whole and second in whole
    }
    assert told.keys() == wanted.keys()
    for key, span in told.items():
        assert (
            (span.value, span.low, span.high)
            == pytest.approx((wanted[key].value, wanted[key].low, wanted[key].high), abs=1e-9, nan_ok=True)
            if span.low is not None
            else wanted[key].low is None
        )


def test_a_partial_run_is_compared_on_what_it_made(loaded: Site) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    (partial,) = [place for place, row in enumerate(edits.block.rows) if not row.run.scores.complete]
    pairs = pairs_of(edits, values_of(edits, "generation"))
    own = [pair for places, pair in pairs.items() if partial in places]
    assert own and {pair.edits for pair in own} == {len(edits.runs[partial].rows)}
    assert len(edits.runs[partial].rows) < len(edits.rows)
    outcomes = digits(flat_of(edits).outcomes[partial])
    assert outcomes.endswith("-") and not outcomes.startswith("-")


def test_the_layout_holds_every_answer(edits: Edits) -> None:
    flat = flat_of(edits)
    for run, places, said in zip(edits.runs, edits.places, flat.answers, strict=True):
        for row in range(len(edits.rows)):
            own = said[flat.starts[row] : flat.starts[row + 1]]
            if places[row] < 0:
                assert (own == -1).all()
                continue
            width = len(own)
            recorded = run.answers[places[row] * width : (places[row] + 1) * width]
            assert sorted(flat.texts[one] for one in own) == sorted(run.texts[one] for one in recorded)
    assert [probe.column for probe in flat.probes[0]] == sorted(probe.column for probe in flat.probes[0])


def test_what_several_come_to() -> None:
    codes = [np.array([1, 8, 255], np.uint8), np.array([0, 10, 255], np.uint8)]
    # took and missed; right before and wrong after, right before and after; nothing was asked
    assert joined(codes) == f"{HAS_GOOD | HAS_BAD}{HAS_BAD | HARMED}0"
    assert digits(codes[1]) == "0a-"


def test_a_chunk_stays_small(plain: Path, loaded: Site) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    assert chunk_size(edits) * len(edits.keys) * 12 <= 40_000 + 12 * len(edits.keys)


def test_secret_kinds_are_nowhere(loaded: Site) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step", "blind"))
    assert edits.columns == () and "secret" in edits.data.why
    assert all(probe.kind == "" and probe.column == -1 for row in range(EDITS) for probe in edits.wanted(row))
    assert values_of(edits, "generation") == [None] * len(edits.keys)


@pytest.mark.parametrize(
    "broken, wrong",
    [
        (b'{"kind":"ask","moment":"end"}\n', "KeyError"),
        (b"not json\n", "line 1"),
        (b'{"kind":"ask","moment":"end","unit":"u","case":"unknown","error":null,"probes":[]}\n', "unknown"),
    ],
)
def test_damaged_records_are_named(loaded: Site, tmp_path: Path, broken: bytes, wrong: str) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    path = tmp_path / "predictions.jsonl.gz"
    path.write_bytes(gzip.compress(broken))
    with pytest.raises(BadRecord, match=wrong) as caught:
        read(path, edits.asked[0])
    assert str(path) in str(caught.value)


def test_probes_of_another_order_are_refused(loaded: Site, tmp_path: Path) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    lines = gzip.decompress(edits.block.rows[0].run.predictions.read_bytes()).splitlines()
    record = json.loads(lines[1])
    record["probes"].reverse()
    path = tmp_path / "predictions.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    with pytest.raises(BadRecord, match="expected probe"):
        read(path, edits.asked[0])


def test_a_missing_file_is_named(loaded: Site, tmp_path: Path) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    with pytest.raises(BadRecord, match="admit the run again"):
        read_all([(tmp_path / "predictions.jsonl.gz", 0)], edits.asked)


def test_processes_read_the_same(loaded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    edits = edits_of(loaded, block_of(loaded, "one-step"))
    runs = [(row.run.predictions, group) for row, group in zip(edits.block.rows, edits.groups, strict=True)]
    monkeypatch.setattr(details_reading, "SMALL", 0)
    for one, other in zip(read_all(runs, edits.asked, workers=2), edits.runs, strict=True):
        assert (one.rows, one.texts, one.errors) == (other.rows, other.texts, other.errors)
        assert (one.answers == other.answers).all() and (one.outcomes == other.outcomes).all()
