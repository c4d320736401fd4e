import dataclasses
import errno
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mmedit_bench.cases import EditCase, Probe, Query
from mmedit_bench.errors import BadRecord, BenchError, Unusable
from mmedit_bench.protocols.steps import END
from mmedit_bench.runs.baseline import FOLDER, BaseProbe
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.folder import RunFolder, read_run
from mmedit_bench.runs.records import Asked, lines_of
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.edit_values import edit_values
from mmedit_bench.scoring.families import Family, families
from mmedit_bench.scoring.metrics import Metric
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.paired import paired
from mmedit_bench.scoring.score import checked_run, score_run, scored
from mmedit_bench.scoring.scores import NOT_WHOLE, NOTHING_ASKED, TEXT_ALONE, TOO_FEW
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, base_probe, fake_run

NULL, COPY, FT, IKE, *_, MEND = EDITORS


@pytest.fixture(scope="module")
def suite() -> FakeSuite:
    return FakeSuite(count=20)


def rewrite(folder: Path, change) -> None:
    """Apply `change` to each ask of a run's predictions."""
    state = read_run(folder)
    records = [change(record) if isinstance(record, Asked) else record for record in state.records]
    RunFolder(folder).predictions.write_bytes(lines_of(records, state.manifest.spec.evidence))


def test_controls_mark_the_scale(tmp_path: Path, suite: FakeSuite) -> None:
    null = score_run(fake_run(tmp_path, suite, NULL), suite).family("generation").overall
    copied = score_run(fake_run(tmp_path, suite, COPY), suite).family("generation").overall
    assert [null[key].value for key in ("reliability/main", "generality", "locality")] == [0, 0, 100]
    assert [copied[key].value for key in ("reliability/main", "generality", "locality")] == [100, 100, 0]
    assert null["mean"].value == pytest.approx(100 / 3)
    assert copied["mean"].value == pytest.approx(200 / 3)


def test_numbers_agree_with_counting_by_hand(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    scores = score_run(folder, suite)
    probes = {probe.id: probe for case in suite.cases("evaluation") for probe in case.probes}
    before = {
        base.id: base.reading.answer
        for bases in checked_run(folder, suite).baseline.probes.values()
        for base in bases
    }
    verdicts: dict[str, list[bool]] = {}
    for ask in read_run(folder).asks:
        for record in ask.probes:
            probe = probes[record.id]
            keep = probe.kind.endswith("locality")
            good = same_answer(record.reading.answer, before[probe.id] if keep else probe.reference)
            verdicts.setdefault(f"{probe.kind}/{probe.stratum}", []).append(good)
    overall = scores.family("generation").overall
    for key, found in verdicts.items():
        assert overall[key].value == pytest.approx(100 * sum(found) / len(found))
        assert overall[key].n == overall[key].edits == len(found) == 20
    generality = (overall["text_generality/main"].value + overall["image_generality/main"].value) / 2
    locality = (overall["text_locality/main"].value + overall["image_locality/main"].value) / 2
    assert overall["generality"].value == pytest.approx(generality)
    assert overall["locality"].value == pytest.approx(locality)
    assert overall["mean"].value == pytest.approx(
        (overall["reliability/main"].value + generality + locality) / 3
    )


def test_sorts_divide_the_edits(tmp_path: Path, suite: FakeSuite) -> None:
    scores = score_run(fake_run(tmp_path, suite, IKE), suite)
    for name, family in families().items():
        found = scores.family(name)
        parts = [cells["image_locality/main"] for cells in found.by_sort.values()]
        whole = found.overall["image_locality/main"]
        assert [part.n for part in parts] == [10, 10]
        assert sum(part.value for part in parts) / 2 == pytest.approx(whole.value)
        assert whole.label == family.keep
        assert found.overall["reliability/main"].label == family.change
        assert found.overall["mean"].label == f"{family.change} + {family.keep}"


def test_failed_edits_count(tmp_path: Path, suite: FakeSuite) -> None:
    broken = FakeEditor("broken", default=1, fails=5)
    scores = score_run(fake_run(tmp_path, suite, broken), suite)
    assert scores.counts.failed == 5
    assert scores.family("generation").overall["reliability/main"].value == 75


def test_partial_runs_are_marked(tmp_path: Path, suite: FakeSuite) -> None:
    scores = score_run(fake_run(tmp_path, suite, MEND), suite)
    assert not scores.complete
    assert (scores.counts.done, scores.counts.planned) == (12, 20)
    empty = score_run(fake_run(tmp_path, suite, dataclasses.replace(MEND, name="none", stops=0)), suite)
    cell = empty.family("generation").overall["reliability/main"]
    assert (cell.value, cell.low, cell.high, cell.n) == (None, None, None, 0)
    assert cell.reason == NOTHING_ASKED


def test_what_a_suite_does_not_ask_is_null(tmp_path: Path, suite: FakeSuite) -> None:
    def without(case: EditCase) -> EditCase:
        kept = tuple(probe for probe in case.probes if probe.kind != "image_generality")
        return dataclasses.replace(case, probes=kept)

    text_only = FakeSuite("text-only", count=6)
    text_only._cases = tuple(without(case) for case in text_only._cases)
    overall = score_run(fake_run(tmp_path, text_only, FT), text_only).family("generation").overall
    assert (overall["image_generality/main"].value, overall["image_generality/main"].reason) == (
        None,
        NOTHING_ASKED,
    )
    for key in ("generality", "mean", "hard_generality", "hard"):
        assert (overall[key].value, overall[key].reason) == (None, NOT_WHOLE)
    assert overall["hard_locality"].value is not None
    assert overall["image_generality/main"].n == 0
    assert "image_generality/unseen_artist" not in overall
    assert overall["locality"].value is not None


def test_several_probes_of_an_edit_share_one_vote(tmp_path: Path) -> None:
    suite = FakeSuite("many", count=2)
    first, second = suite._cases
    extra = [
        Probe(f"{first.id}/x{n}", "reliability", Query(f"again {n}?"), first.request.target) for n in range(3)
    ]
    suite._cases = (dataclasses.replace(first, probes=(*first.probes, *extra)), second)
    folder = fake_run(tmp_path, suite, FakeEditor("one", default=1, fails=1))
    cell = score_run(folder, suite).family("generation").overall["reliability/main"]
    assert (cell.value, cell.n, cell.edits) == (50, 5, 2)


def test_scores_json_is_exact_and_repeatable(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    scores = score_run(folder, suite)
    text = (folder / "scores.json").read_text()
    assert scored(folder, suite) == scores
    assert scored(folder, suite).cost == scores.cost
    assert scores.cost.edit_bytes == 3_200_000 and scores.cost.n == 20
    score_run(folder, suite)
    assert (folder / "scores.json").read_text() == text
    values = json.loads(text)
    assert values["schema_version"] == 3
    assert values["fingerprint"] == scores.spec.fingerprint
    assert values["bootstrap"]["resamples"] == 2000
    assert "cost" not in values  # timings differ between machines
    assert scores.control is False and score_run(fake_run(tmp_path, suite, NULL), suite).control is True


def test_refuses_other_data(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    with pytest.raises(BadRecord, match="install the run's data"):
        score_run(folder, FakeSuite(count=21))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_scored(
    tmp_path: Path,
    suite: FakeSuite,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    folder = fake_run(tmp_path, suite, FT)

    def refuse(path: Path, data: bytes) -> None:
        raise Unusable(path, OSError(number, os.strerror(number)))

    monkeypatch.setattr("mmedit_bench.scoring.score.write_whole", refuse)
    assert score_run(folder, suite) == scored(folder, suite)
    assert "read-only" in caplog.text and not (folder / "scores.json").exists()


def test_a_full_disk_is_an_error(tmp_path: Path, suite: FakeSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise Unusable(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr("mmedit_bench.scoring.score.write_whole", refuse)
    with pytest.raises(Unusable, match=r"scores\.json: No space left"):
        score_run(fake_run(tmp_path, suite, FT), suite)


def drop_probe(record: Asked) -> Asked:
    return dataclasses.replace(record, probes=record.probes[1:])


def rename_probe(record: Asked) -> Asked:
    return dataclasses.replace(
        record, probes=(dataclasses.replace(record.probes[0], id="invented"), *record.probes[1:])
    )


def swap_probes(record: Asked) -> Asked:
    return dataclasses.replace(record, probes=record.probes[::-1])


def rename_case(record: Asked) -> Asked:
    return dataclasses.replace(record, case="invented")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_probe, "has no answer"),
        (rename_probe, "has no answer"),
        (swap_probes, "not the suite's, in order"),
        (rename_case, "expected case"),
    ],
)
def test_a_run_cannot_choose_its_questions(tmp_path: Path, suite: FakeSuite, change, message: str) -> None:
    folder = fake_run(tmp_path, suite, FT)
    rewrite(folder, change)
    with pytest.raises(BadRecord, match=message):
        scored(folder, suite)


def test_baselines_may_lie_elsewhere(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    scores = scored(folder, suite)
    (tmp_path / FOLDER).rename(tmp_path / "elsewhere")
    with pytest.raises(BadRecord, match="which is not there"):
        scored(folder, suite)
    assert scored(folder, suite, tmp_path / "elsewhere") == scores


def test_more_evidence_is_no_other_baseline(tmp_path: Path, suite: FakeSuite) -> None:
    """Its manifest has another digest, for more is recorded; what both have in common is the same."""
    values = {"suite": suite.name, "suite_digest": suite.digest, "split": "evaluation"}
    spec = RunSpec(**(SPEC | values | {"evidence": ("answer", "argmax", "logprobs", "top10")}))

    def ranked(reading: Reading) -> Reading:
        return dataclasses.replace(reading, top10=((1, 2),))

    def base(probe: Probe) -> BaseProbe:
        found = base_probe(probe)
        return dataclasses.replace(found, reading=ranked(found.reading))

    more = write_run(tmp_path, suite, spec, lambda case, probe, unit, edited: base(probe).reading, base)
    plain = dataclasses.replace(spec, evidence=("answer", "argmax", "logprobs"))
    less = write_run(
        tmp_path, suite, plain, lambda case, probe, unit, edited: base_probe(probe).reading, base_probe
    )
    digests = {read_run(folder).manifest.baseline for folder in (more, less)}
    assert len(digests) == 2
    assert scored(more, suite).baseline == scored(less, suite).baseline
    assert scored(more, suite).families == scored(less, suite).families


# ---- answers by text alone


def texts_alone(case: EditCase, kinds: tuple[str, ...]):
    """Has a route answer one case's probes of these kinds, with the text that the run has."""
    ids = {probe.id for probe in case.probes if probe.kind in kinds}

    def change(record: Asked) -> Asked:
        probes = tuple(
            dataclasses.replace(probe, reading=Reading(probe.reading.answer)) if probe.id in ids else probe
            for probe in record.probes
        )
        return dataclasses.replace(record, probes=probes)

    return change


def test_a_text_has_no_score_under_teacher_forcing(tmp_path: Path, suite: FakeSuite) -> None:
    """One probe without a reading empties its column and every mean over it, and nothing else."""
    folder = fake_run(tmp_path, suite, FT)
    before = scored(folder, suite)
    first = suite.cases("evaluation")[0]
    rewrite(folder, texts_alone(first, ("image_locality",)))
    after = scored(folder, suite)
    assert after.family("generation") == before.family("generation")
    gone = {f"image_locality/{stratum}" for stratum in ("main", "same_image", "same_question")}
    gone |= {"locality", "mean", "hard_locality", "hard"}
    for name in ("teacher_forced_token", "teacher_forced_exact"):
        own = after.family(name)
        for cells, old in [
            (own.overall, before.family(name).overall),
            (own.by_sort[first.sort], before.family(name).by_sort[first.sort]),
        ]:
            assert {key for key, cell in cells.items() if cell.value is None} == gone
            assert all(cells[key].reason == TEXT_ALONE and cells[key].n == old[key].n for key in gone)
            assert all(cells[key] == old[key] for key in cells.keys() - gone)
        (other,) = own.by_sort.keys() - {first.sort}
        assert own.by_sort[other] == before.family(name).by_sort[other]


def test_what_a_run_did_not_record_is_left_out_with_a_reason(
    tmp_path: Path, suite: FakeSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ranked(side) -> Metric:
        return Metric(f"ranked_{side}", ("top10",), side, "ranked", "ten best", lambda seen: 1.0)

    more = {**families(), "ranked": Family("ranked", ranked("change"), ranked("keep"))}
    for module in ("score", "families"):
        monkeypatch.setattr(f"mmedit_bench.scoring.{module}.families", lambda: more)
    scores = scored(fake_run(tmp_path, suite, FT), suite)
    assert "ranked" not in scores.families
    assert scores.left_out["ranked"] == "top10 was not recorded; run again with --evidence top10"
    assert {name for name, why in scores.left_out.items() if "recorded" in why} == {"ranked", "divergence"}
    with pytest.raises(BenchError, match="--evidence top10"):
        scores.family("ranked")


# ---- many edits on one model


def sequential(tmp_path: Path, suite: FakeSuite, editor: str = "ft", skill: float = 0.6, **options) -> Path:
    """A run of sequences whose answers depend on the moment only through what is in force."""
    values = {"suite": suite.name, "suite_digest": suite.digest, "split": "evaluation", "editor": editor}
    spec = RunSpec(
        **(SPEC | values | {"protocol": "sequential", "protocol_version": "2", "protocol_options": options})
    )

    def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
        base = base_probe(probe)
        if random.Random(f"{probe.id} {unit} {editor}").random() > skill:
            return base.reading
        return Reading(probe.reference, base.target, (-0.5,) * len(base.target))

    return write_run(tmp_path, suite, spec, reply, base_probe)


def test_a_sequence_is_one_observation(tmp_path: Path, suite: FakeSuite) -> None:
    few = scored(sequential(tmp_path, suite, length=5, orders=4), suite)
    assert few.complete and (few.counts.planned, few.counts.done) == (80, 80)
    cell = few.family("generation").overall["reliability/main"]
    assert (cell.n, cell.edits, cell.low, cell.high, cell.reason) == (80, 80, None, None, TOO_FEW)
    assert 40 < cell.value < 80
    many = scored(sequential(tmp_path, suite, length=4, orders=4), suite)
    cell = many.family("generation").overall["reliability/main"]
    assert cell.low < cell.value < cell.high and cell.reason is None


def test_moments_are_scored_on_their_own(tmp_path: Path, suite: FakeSuite) -> None:
    plain = scored(sequential(tmp_path, suite, orders=5), suite)
    folder = sequential(tmp_path, suite, orders=5, checkpoints=[8, 16])
    found = scored(folder, suite)
    assert found.families == plain.families  # the other moments are no extra votes
    assert list(found.moments) == ["after 8", "after 16"]
    assert list(found.at) == [END, "after 8", "after 16"]
    for moment, edits in (("after 8", 40), ("after 16", 80)):
        cells = found.moments[moment]["generation"].overall
        assert cells["reliability/main"].edits == edits
    run = checked_run(folder, suite)
    asked = {
        ask.case for ask in run.state.asks if ask.moment == "after 8" and ask.unit == "sequence-0/order-3"
    }
    values = edit_values(run, "generation", "after 8")
    assert {
        case for case, unit in zip(values.cases, values.units, strict=True) if unit == "sequence-0/order-3"
    } == asked
    assert json.loads(found.text())["moments"].keys() == {"after 8", "after 16"}


def test_pairs_of_few_sequences_have_no_interval(tmp_path: Path, suite: FakeSuite) -> None:
    for length, wide in ((5, False), (4, True)):  # four and five sequences: orders of one are no more
        better, worse = (
            checked_run(sequential(tmp_path, suite, name, skill, length=length), suite)
            for name, skill in (("better", 0.9), ("worse", 0.3))
        )
        found = paired(better, worse, "generation")["reliability/main"]
        assert found is not None and found.value > 0
        assert (found.low is not None) == wide


def test_pairs_need_the_same_edits_and_baseline(tmp_path: Path, suite: FakeSuite) -> None:
    one = checked_run(fake_run(tmp_path, suite, FT), suite)
    with pytest.raises(BenchError, match="did not make the same edits"):
        paired(one, checked_run(fake_run(tmp_path, suite, MEND), suite), "generation")
    other = checked_run(fake_run(tmp_path, suite, IKE), suite)
    manifest = dataclasses.replace(other.state.manifest, baseline="0" * 64)
    other = dataclasses.replace(other, state=dataclasses.replace(other.state, manifest=manifest))
    with pytest.raises(BenchError, match="different baselines"):
        paired(one, other, "generation")


def test_costs_survive_torn_and_foreign_lines(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    with (folder / "timings.jsonl").open("a") as file:
        file.write('{"unit":"elsewhere","seconds":99,"edit_bytes":9}\n["list"]\n{"unit":"fake-vq')
    assert score_run(folder, suite).cost.seconds == pytest.approx(0.4)
    (folder / "timings.jsonl").unlink()
    assert scored(folder, suite).cost.seconds is None


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mmedit_bench.scoring.score, mmedit_bench.rendering.report, leaderboard.build\n"
        "heavy = {'torch', 'transformers', 'datasets', 'methods', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
