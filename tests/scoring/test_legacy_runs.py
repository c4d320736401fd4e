"""Legacy families of whole runs: on request only, with what they need, beside the others."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from mmedit_bench.cases import EditCase, Probe
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.baseline import BaseProbe
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.scoring.families import families, legacy_families
from mmedit_bench.scoring.score import scored
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import FakeSuite, base_probe
from tests.scoring.test_legacy import ANSWER_ONLY, EOS, LINES


def legacy_run(out: Path, suite: FakeSuite, *, ranked: bool = True) -> Path:
    """Answers by chance, with ten tokens at each of six positions."""
    kinds = ("answer", "argmax", "logprobs", *(["top10"] if ranked else []))
    own = {"suite": suite.name, "suite_digest": suite.digest, "split": "evaluation", "evidence": kinds}

    def ten(reading: Reading, seed: str) -> Reading:
        if not ranked:
            return reading
        dice = random.Random(seed)
        rows = tuple(tuple(dice.sample(range(12), 10)) for _ in range(len(reading.argmax or ()) + 4))
        return dataclasses.replace(reading, top10=rows)

    def base(probe: Probe) -> BaseProbe:
        found = base_probe(probe)
        return dataclasses.replace(found, reading=ten(found.reading, probe.id))

    def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
        found = base_probe(probe)
        said = (*found.target[:-2], 1, EOS)
        return ten(dataclasses.replace(found.reading, argmax=said), f"{probe.id} after")

    return write_run(out, suite, RunSpec(**(SPEC | own)), reply, base)


def test_lines_are_scored_on_request_only(tmp_path: Path) -> None:
    suite = FakeSuite(count=8)
    folder = legacy_run(tmp_path, suite)
    plain, asked = scored(folder, suite), scored(folder, suite, legacy=True)
    assert not set(LINES) & (set(plain.families) | set(plain.left_out))
    assert not any(line in name for name in plain.sections for line in LINES)
    with pytest.raises(BenchError, match="score it again with --legacy"):
        plain.family("legacy_editor")
    assert not set(LINES) & set(families()) and set(LINES) == set(legacy_families())
    assert set(asked.families) == {*families(), *LINES}
    assert {name: asked.families[name] for name in plain.families} == plain.families
    assert {name: asked.sections[name] for name in plain.sections} == plain.sections
    own = asked.sections.keys() - plain.sections.keys()
    assert own == {f"gap/{line}" for line in LINES}


def test_a_run_scores_as_its_probes_do(tmp_path: Path) -> None:
    suite = FakeSuite(count=8)
    folder = legacy_run(tmp_path, suite)
    scores = scored(folder, suite, legacy=True)
    found = []
    for case in suite.cases("evaluation"):
        for probe in case.probes:
            if (probe.kind, probe.stratum) == ("image_locality", "main"):
                count = len(base_probe(probe).target) + 4
                first, second = random.Random(probe.id), random.Random(f"{probe.id} after")
                pairs = [
                    (a, b)
                    for _ in range(count)
                    for a, b in zip(first.sample(range(12), 10), second.sample(range(12), 10), strict=True)
                ]
                found.append(sum(a == b for a, b in pairs) / len(pairs))
    cell = scores.family("legacy_trainer_exact").overall["image_locality/main"]
    assert cell.value == pytest.approx(100 * sum(found) / len(found)) and cell.n == 8
    assert cell.label == "legacy_trainer_exact_kept"
    reliability = scores.family("legacy_trainer_exact").overall["reliability/main"]
    assert (reliability.value, reliability.label) == (0, "legacy_trainer_exact_target")
    assert len({own.overall["mean"].label for own in scores.families.values()}) == len(scores.families)


def test_what_a_line_needs_and_a_run_lacks_is_said(tmp_path: Path) -> None:
    suite = FakeSuite(count=8)
    scores = scored(legacy_run(tmp_path, suite, ranked=False), suite, legacy=True)
    assert set(ANSWER_ONLY) < set(scores.families)
    for name in set(LINES) - set(ANSWER_ONLY):
        assert scores.left_out[name] == "top10 was not recorded; run again with --evidence top10"
