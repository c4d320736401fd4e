"""Measurements that many editors' answers share are taken once, and only those."""

from __future__ import annotations

import math
from typing import Any

import pytest

from leaderboard.site.answers import Before, Ruler
from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.evidence import DEFAULT, LOGPROBS
from mmedit_bench.scoring.families import Family
from mmedit_bench.scoring.metrics import Metric, Seen
from tests.leaderboard import fake
from tests.site.synthetic import SUITE, suite_of

SURE = Family(
    "sure",
    *(
        Metric(f"sure_{side}", (LOGPROBS,), side, "sure", "how sure it is of the first token", read)
        for side in ("change", "keep")
        for read in [lambda seen: math.exp((seen.edited.logprobs or (0.0,))[0])]
    ),
)


@pytest.fixture
def ruler() -> Ruler:
    cases = {case.id: case for case in suite_of(SUITE, 2).cases("evaluation")}
    before = {
        case.id: tuple((one.id, one.target, one.reading) for one in map(fake.base_probe, case.probes))
        for case in cases.values()
    }
    return Ruler(cases, Before(before), families=(SURE,))


def records(ruler: Ruler, case: str, logprob: float) -> list[dict[str, Any]]:
    """What an editor's replies look like that says what the unedited model says."""
    return [
        {"id": name, **reading.as_dict(DEFAULT), "logprobs": [logprob] * len(target)}
        for name, target, reading in ruler.before.probes[case]
    ]


def test_the_same_answer_with_other_evidence_is_measured_anew(ruler: Ruler) -> None:
    case = next(iter(ruler.cases))
    for share in (0.5, 0.25, 0.5):
        found = ruler.measure(case, records(ruler, case, math.log(share)))
        assert found == [pytest.approx((share,))] * len(found)


def test_a_text_alone_has_no_measurement_of_another_ones_tokens(ruler: Ruler) -> None:
    case = next(iter(ruler.cases))
    ruler.measure(case, records(ruler, case, -1.0))
    texts = [{"id": one["id"], "answer": one["answer"]} for one in records(ruler, case, -1.0)]
    assert set(ruler.measure(case, texts)) == {(None,)}


def test_what_is_measured_once_is_measured_once(ruler: Ruler, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(iter(ruler.cases))
    told = records(ruler, case, -1.0)
    first = ruler.measure(case, told)

    def again(self: Metric, seen: Seen) -> float:
        raise AssertionError(seen)

    monkeypatch.setattr(Metric, "of", again)
    assert ruler.measure(case, told) == first


def test_a_known_answer_under_another_id_is_refused(ruler: Ruler) -> None:
    case = next(iter(ruler.cases))
    told = records(ruler, case, -1.0)
    ruler.measure(case, told)
    told[1]["id"] = told[0]["id"]
    with pytest.raises(BadRecord, match="expected probe"):
        ruler.measure(case, told)
