"""Runs compared pair by pair: against `paired`, against counting, and where they must be refused."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean, harmonic_mean

import numpy as np
import pytest

from mmedit_bench.cases import EditCase, Probe
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import HEADLINE
from mmedit_bench.scoring.comparison import by_edit, compared, won_and_lost
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.groups import GROUPS, HARD, combined, groups_of, leaves
from mmedit_bench.scoring.intervals import Estimate
from mmedit_bench.scoring.paired import paired
from mmedit_bench.scoring.permutation import contributions, holm, sign_flip
from mmedit_bench.scoring.planning import planned_for
from mmedit_bench.scoring.power import influences, spread_of
from mmedit_bench.scoring.ranks import Rank
from mmedit_bench.scoring.score import checked_run, scored
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import EDITORS, FakeSuite, base_probe, fake_run

NULL, COPY, FT, IKE, UNIKE, PATCHER, MEND = EDITORS
SUITE = FakeSuite(count=30)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    out = tmp_path_factory.mktemp("runs")
    return {
        editor.name: checked_run(fake_run(out, SUITE, editor), SUITE) for editor in (FT, IKE, UNIKE, PATCHER)
    }


def test_pairs_are_what_two_runs_alone_say(runs: dict[str, Checked]) -> None:
    found = compared(runs)
    assert found.names == tuple(runs) and (found.edits, found.clusters) == (30, 30)
    assert len(found.pairs) == 6 * len(found.columns)
    for pair in found.pairs:
        assert pair.difference == paired(runs[pair.first], runs[pair.second], "generation")[pair.column]
        assert 0 < pair.p <= pair.holm <= min(1, 6 * pair.p)
        assert pair.won + pair.lost + pair.tied == 30
    for column in found.columns:
        own = [pair for pair in found.pairs if pair.column == column]
        assert [pair.holm for pair in own] == holm([pair.p for pair in own])
        for pair in own:
            means = found.values[column]
            assert pair.difference.value == pytest.approx(means[pair.first].value - means[pair.second].value)


def test_runs_without_the_evidence_are_not_compared_by_it(runs: dict[str, Checked]) -> None:
    with pytest.raises(BenchError, match="top10 was not recorded; run again with --evidence top10"):
        compared(runs, "legacy_trainer_exact")
    assert compared(runs, "legacy_editor").labels["text_locality/main"] == "legacy_editor_kept"


def test_won_and_lost_are_counted_by_edit(runs: dict[str, Checked]) -> None:
    found = compared(runs, columns=["text_locality/main", "mean"])
    mine, theirs = (edit_values(runs[name], "generation") for name in ("ft", "ike"))
    place = mine.columns.index("text_locality/main")
    gaps = mine.values[:, place] - theirs.values[:, place]
    (pair,) = [p for p in found.pairs if (p.first, p.second, p.column) == ("ft", "ike", "text_locality/main")]
    assert (pair.won, pair.lost) == ((gaps > 0).sum(), (gaps < 0).sum())


class Uneven(FakeSuite):
    """Of every third edit no `same_relation` is asked, of every seventh no near text at all."""

    def _case(self, number: int) -> EditCase:
        case = super()._case(number)
        left_out = {"same_relation"} if number % 3 == 0 else set()
        left_out |= {"same_relation", "same_thing"} if number % 7 == 0 else set()
        probes = tuple(probe for probe in case.probes if probe.stratum not in left_out)
        return replace(case, probes=probes)


def own_hard(row: Mapping[str, float]) -> float:
    """`hard` of one edit from the columns that it has."""

    def mean(*parts: float | None) -> float | None:
        there = [part for part in parts if part is not None]
        return fmean(there) if there else None

    near = mean(row.get("text_locality/same_relation"), row.get("text_locality/same_thing"))
    generality = [value for name, value in row.items() if "generality" in name]
    locality = [row.get(name) for name in GROUPS["hard_locality"].parts[:-1]]
    parts = row["reliability/main"], mean(*generality), mean(*locality, near)
    return harmonic_mean([part for part in parts if part is not None])


def test_edits_that_lack_a_part_of_hard_are_counted_by_the_others(tmp_path: Path) -> None:
    suite = Uneven(count=40)
    runs = {one.name: checked_run(fake_run(tmp_path, suite, one), suite) for one in (IKE, UNIKE)}
    (pair,) = compared(runs, columns=[HARD]).pairs
    assert pair.won + pair.lost + pair.tied == 40
    sides = []
    for run in runs.values():
        found = edit_values(run, "generation")
        rows = [
            {name: value for name, value in zip(found.columns, row, strict=True) if not np.isnan(value)}
            for row in found.values.tolist()
        ]
        assert {len(row) for row in rows} == {9, 10, 11}
        sides.append([own_hard(row) for row in rows])
    gaps = np.subtract(*sides)
    assert (pair.won, pair.lost) == ((gaps > 1e-9).sum(), (gaps < -1e-9).sum()) and pair.won + pair.lost > 20
    # of a column, those that have it: 14 of 40 lack one, 4 more both
    (pair,) = compared(runs, columns=["text_locality/same_relation"]).pairs
    assert pair.won + pair.lost + pair.tied == 40 - 18


def test_an_edit_that_has_all_parts_has_the_group_of_them() -> None:
    columns = leaves(HARD, GROUPS)
    values = np.random.default_rng(1).random((20, len(columns)))
    values[3] = 0.0
    found = by_edit(values, columns, GROUPS)
    whole = combined({name: values[:, place] for place, name in enumerate(columns)}, GROUPS)
    assert found.keys() == whole.keys() and found[HARD][3] == 0
    for name, own in found.items():
        np.testing.assert_allclose(own, whole[name], rtol=1e-12)


def test_what_no_edit_has_makes_no_group() -> None:
    main = [name for name in leaves(HARD, GROUPS) if name.endswith("main")]
    values = np.full((9, len(main)), 0.5)
    values[2, main.index("text_locality/main")] = np.nan
    values[4] = np.nan
    found = by_edit(values, main, groups_of(main))
    assert np.isnan(found[HARD]).all() and np.isnan(found["hard_locality"]).all()
    assert np.flatnonzero(np.isnan(found["mean"])).tolist() == [4]
    assert np.flatnonzero(np.isnan(found["text_locality/main"])).tolist() == [2, 4]
    assert won_and_lost(found["mean"] - 0.4) == (8, 0, 0)
    # nor does a column of which some probe was not read, though the suite asks it
    columns = leaves(HARD, GROUPS)
    values = np.full((9, len(columns)), 0.5)
    values[:, columns.index("text_locality/same_thing")] = np.nan
    assert np.isnan(by_edit(values, columns, GROUPS)[HARD]).all()


def test_places_follow_from_the_corrected_tests(runs: dict[str, Checked]) -> None:
    found = compared(runs)
    for column, ranks in found.ranks.items():
        for name, rank in ranks.items():
            own = [
                pair for pair in found.pairs if pair.column == column and name in (pair.first, pair.second)
            ]
            signs = [(p.difference.value * (1 if p.first == name else -1), p.holm) for p in own]
            better = sum(value > 0 and p <= 0.05 for value, p in signs)
            worse = sum(value < 0 and p <= 0.05 for value, p in signs)
            assert rank == Rank(1 + worse, 4 - better)
    assert any(rank != Rank(1, 4) for rank in found.ranks["image_locality/main"].values())


def test_the_same_run_again_is_no_difference_and_the_order_of_runs_none(runs: dict[str, Checked]) -> None:
    twice = compared({**runs, "again": runs["ft"]})
    for pair in twice.pairs:
        if {pair.first, pair.second} == {"ft", "again"}:
            assert (pair.p, pair.won, pair.lost) == (1, 0, 0)
            assert pair.difference == Estimate(0, 0, 0)
    for ranks in twice.ranks.values():
        assert ranks["ft"] == ranks["again"]
    turned = compared(dict(reversed(runs.items())))
    assert turned.ranks == compared(runs).ranks
    p = {frozenset((pair.first, pair.second)): pair.p for pair in turned.pairs if pair.column == "mean"}
    assert p == {frozenset((o.first, o.second)): o.p for o in compared(runs).pairs if o.column == "mean"}


def test_sequences_are_compared_as_sequences(tmp_path: Path) -> None:
    values = {"suite": SUITE.name, "suite_digest": SUITE.digest, "split": "evaluation"}

    def run(editor: str, skill: float) -> Checked:
        spec = RunSpec(
            **(
                SPEC
                | values
                | {
                    "editor": editor,
                    "protocol": "sequential",
                    "protocol_version": "2",
                    "protocol_options": {"length": 6, "sequences": 5, "orders": 5},
                }
            )
        )

        def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
            base = base_probe(probe)
            if random.Random(f"{probe.id} {unit} {editor}").random() > skill:
                return base.reading
            return Reading(probe.reference, base.target, (-0.5,) * len(base.target))

        return checked_run(write_run(tmp_path, SUITE, spec, reply, base_probe), SUITE)

    found = compared({"good": run("good", 0.9), "bad": run("bad", 0.2)}, columns=HEADLINE)
    assert (found.edits, found.clusters) == (150, 5)
    (pair,) = [pair for pair in found.pairs if pair.column == "reliability/main"]
    assert pair.p == 2 / 2**5  # five sequences cannot say more, however clear they are
    assert found.ranks["reliability/main"] == {"good": Rank(1, 2), "bad": Rank(1, 2)}


def test_what_cannot_be_compared_is_refused(runs: dict[str, Checked], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="at least two"):
        compared({"ft": runs["ft"]})
    with pytest.raises(BenchError, match="no column 'rel'"):
        compared(runs, columns=["rel"])
    short = checked_run(fake_run(tmp_path, SUITE, MEND), SUITE)
    with pytest.raises(BenchError, match="did not make the same edits"):
        compared({**runs, "mend": short})
    with pytest.raises(BenchError, match="from one run or from two"):
        planned_for(list(runs.values()), "generation", HEADLINE, 1.0)


def test_a_plan_from_two_runs_knows_what_they_share(runs: dict[str, Checked]) -> None:
    alone = planned_for([runs["ft"]], "generation", HEADLINE, 5.0)
    both = planned_for([runs["ft"], runs["unike"]], "generation", HEADLINE, 5.0)
    assert (alone.edits, alone.paired, both.paired) == (30, False, True)
    mine, theirs = (edit_values(runs[name], "generation") for name in ("ft", "unike"))
    place = mine.columns.index("image_locality/main")
    for plan, values in (
        (alone, mine.values[:, place] * 2**0.5),
        (both, mine.values[:, place] - theirs.values[:, place]),
    ):
        needed = plan.needed["image_locality/main"]
        assert needed is not None
        error = 100 * values.std(ddof=1) / 30**0.5
        assert needed.detectable == pytest.approx(2.8016 * error, rel=1e-3)
        assert needed.clusters == pytest.approx((2.8016 * error * 30**0.5 / 5) ** 2, abs=1)
    assert planned_for([runs["unike"]], "generation", ["reliability/main"], 1.0).needed is not None


def test_no_op_rate_and_labels(runs: dict[str, Checked], tmp_path: Path) -> None:
    found = compared(runs)
    assert found.labels["mean"] == "generation_exact + generation_same"
    assert found.labels["text_locality/main"] == "generation_same"
    said = fake_run(tmp_path, SUITE, FT)
    counts = scored(said, SUITE).counts
    assert counts.no_op_rate == 100 * counts.already_right / counts.considered == 0


def test_permuting_the_edits_changes_nothing() -> None:
    """Of the numbers behind a comparison; runs themselves come in the schedule's order only."""
    rng = np.random.default_rng(4)
    values = rng.integers(-1, 2, size=(20, 2)).astype(float)
    clusters = [f"u{n // 2}" for n in range(20)]
    order = rng.permutation(20)
    turned = values[order], [clusters[place] for place in order]
    a, b = (contributions(*each, ("a", "b"), {})["a"] for each in ((values, clusters), turned))
    assert a is not None and b is not None
    assert a == pytest.approx(b) and sign_flip(a) == pytest.approx(sign_flip(b))
    x, y = (
        spread_of(influences(*each, ("a", "b"), {})["b"], len(values))
        for each in ((values, clusters), turned)
    )
    assert x is not None and y is not None and x.variance == pytest.approx(y.variance)
