import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmedit_bench.cases import EditCase, Probe, Query
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.folder import RunFolder, read_run
from mmedit_bench.runs.records import AskRecord, read_predictions
from mmedit_bench.scoring.families import FAMILIES
from mmedit_bench.scoring.normalize import same_answer
from mmedit_bench.scoring.score import load_scores, score_run, scores_of
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run

NULL, COPY, FT, IKE, *_, MEND = EDITORS


@pytest.fixture(scope="module")
def suite() -> FakeSuite:
    return FakeSuite(count=20)


def rewrite(folder: Path, change) -> None:
    """Apply `change` to each record of a run's predictions."""
    path = RunFolder(folder).predictions
    records = [change(record) for unit in read_predictions(path).units for record in unit]
    path.write_text("".join(record.line() for record in records))


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
    verdicts: dict[str, list[bool]] = {}
    for ask in read_run(folder).asks:
        for record in ask.probes:
            probe = probes[record.id]
            keep = probe.kind.endswith("locality")
            good = same_answer(record.answer, record.before.answer if keep else probe.reference)
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
    for name, family in FAMILIES.items():
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


def test_what_a_suite_does_not_ask_is_null(tmp_path: Path, suite: FakeSuite) -> None:
    def without(case: EditCase) -> EditCase:
        kept = tuple(probe for probe in case.probes if probe.kind != "image_generality")
        return dataclasses.replace(case, probes=kept)

    text_only = FakeSuite("text-only", count=6)
    text_only._cases = tuple(without(case) for case in text_only._cases)
    overall = score_run(fake_run(tmp_path, text_only, FT), text_only).family("generation").overall
    for key in ("image_generality/main", "generality", "mean"):
        assert overall[key].value is None
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
    assert load_scores(folder) == scores
    assert load_scores(folder).cost == scores.cost
    assert scores.cost.edit_bytes == 3_200_000 and scores.cost.n == 20
    score_run(folder, suite)
    assert (folder / "scores.json").read_text() == text
    values = json.loads(text)
    assert values["schema_version"] == 1
    assert values["fingerprint"] == scores.spec.fingerprint
    assert values["bootstrap"]["resamples"] == 2000
    assert "cost" not in values  # timings differ between machines
    assert scores.control is False and score_run(fake_run(tmp_path, suite, NULL), suite).control is True


def test_refuses_other_data(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    with pytest.raises(BadRecord, match="install the run's data"):
        score_run(folder, FakeSuite(count=21))


def test_refuses_stale_and_foreign_scores(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    score_run(folder, suite)
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(BadRecord, match="older than the predictions"):
        load_scores(folder)
    for damage in ("{}", "[]", "no JSON", '{"schema_version": 2}'):
        (folder / "scores.json").write_text(damage)
        with pytest.raises(BadRecord, match=r"scores\.json"):
            load_scores(folder)


def drop_probe(record: AskRecord) -> AskRecord:
    return dataclasses.replace(record, probes=record.probes[1:])


def rename_probe(record: AskRecord) -> AskRecord:
    return dataclasses.replace(
        record, probes=(dataclasses.replace(record.probes[0], id="invented"), *record.probes[1:])
    )


def rename_case(record: AskRecord) -> AskRecord:
    return dataclasses.replace(record, case="invented")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_probe, "has no answer"),
        (rename_probe, "knows no probe invented"),
        (rename_case, "does not announce this case"),
    ],
)
def test_a_run_cannot_choose_its_questions(tmp_path: Path, suite: FakeSuite, change, message: str) -> None:
    folder = fake_run(tmp_path, suite, FT)
    rewrite(folder, change)
    with pytest.raises(BadRecord, match=message):
        scores_of(read_run(folder), suite)


def test_costs_survive_torn_and_foreign_lines(tmp_path: Path, suite: FakeSuite) -> None:
    folder = fake_run(tmp_path, suite, FT)
    with (folder / "timings.jsonl").open("a") as file:
        file.write('{"unit":"elsewhere","seconds":99,"edit_bytes":9}\n["list"]\n{"unit":"fake-vq')
    assert score_run(folder, suite).cost.seconds == pytest.approx(0.4)
    (folder / "timings.jsonl").unlink()
    assert load_scores(folder).cost.seconds is None


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mmedit_bench.scoring.score, mmedit_bench.rendering.report, leaderboard.build\n"
        "heavy = {'torch', 'transformers', 'datasets', 'methods', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
