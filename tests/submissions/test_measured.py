"""Measured values that no score can be made of are problems of a submission, with line and field."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.protocols.steps import Ask, Measure, Step, Unit
from mmedit_bench.runs.evidence import KINDS, Reading
from mmedit_bench.runs.records import Asked, Measured, ProbeRecord, StepRecord, lines_of
from mmedit_bench.scoring.retention import measure_scores
from mmedit_bench.submissions.checks_records import LARGEST, Line, predictions_problems
from mmedit_bench.submissions.problems import Problem
from tests.fakes.suite import FakeSuite

KIND = tuple(KINDS)
CASE = FakeSuite().cases("test")[0]


def measured(values: Any, step: int = 0, closes: Any = None) -> Measured:
    return Measured(unit="u", step=step, closes=closes, measure="m", moment=str(step), values=values)


def looked_at(*records: StepRecord) -> list[Problem]:
    steps: list[Step] = [
        Measure("m", {}, record.moment) if isinstance(record, Measured) else Ask(CASE) for record in records
    ]
    data = lines_of(records, KIND)
    return list(predictions_problems(data, KIND, [Unit("u", tuple(steps))], "p.jsonl", []))


def run(*values: dict[str, Any]) -> list[Problem]:
    last = len(values) - 1
    return looked_at(
        *(measured(own, step, "unit" if step == last else None) for step, own in enumerate(values))
    )


@pytest.mark.parametrize("value", [(1e308, 1e308), 1e308, -1e51, (0.5, 10**60)])
def test_a_number_that_would_overflow_is_a_problem(value: Any) -> None:
    (found,) = run({"fine": 1.0, "x": value})
    assert (found.code, found.where) == ("measured", "p.jsonl:1")
    assert found.text == "values.x of the measure m holds a number beyond 1e+50"


def test_items_that_are_not_the_same_throughout_are_a_problem() -> None:
    (found,) = run({"x": (1.0, 2.0), "y": 1.0}, {"x": (1.0, 2.0, 3.0), "y": (1.0,)})
    assert (found.code, found.where) == ("measured", "p.jsonl:2")
    assert found.text == "values.x of the measure m has 3 items, and 2 in line 1"


def test_what_is_even_and_small_enough_is_well() -> None:
    assert run({"x": (1.0, 2.0), "y": LARGEST}, {"x": (3.0, -LARGEST), "y": 1, "z": (0.5,)}) == []


@given(
    st.integers(1, 7).flatmap(
        lambda items: st.lists(
            st.lists(st.floats(-LARGEST, LARGEST), min_size=items, max_size=items), min_size=1, max_size=7
        )
    ),
    st.sampled_from(["x", "x:nats"]),
)
def test_what_is_let_pass_can_be_scored(units: list[list[float]], name: str) -> None:
    records = []
    for number, items in enumerate(units):
        head: dict[str, Any] = {"unit": str(number), "measure": "m"}
        turned = tuple(-item for item in items)
        records.append(Measured(**head, step=0, moment="start", values={name: turned}))
        records.append(Measured(**head, step=1, moment="end", values={name: tuple(items)}, edits=("e",)))
    lines = [Line(number, record) for number, record in enumerate(records, start=1)]
    assert len(lines) == 2 * len(units)
    for moment in measure_scores(records)["m"].values():
        for cell in moment.values():
            assert all(value is None or math.isfinite(value) for value in astuple(cell))


def test_a_divergence_that_would_overflow_is_a_problem() -> None:
    def asked(kl: float) -> list[Problem]:
        probes = tuple(
            ProbeRecord(probe.id, Reading("so", (1, 2), (-1.0, -1.0), ((1,),), (kl, kl)))
            for probe in CASE.probes
        )
        head: dict[str, Any] = {"unit": "u", "step": 0, "closes": "unit", "case": CASE.id, "moment": "end"}
        return looked_at(Asked(**head, edits=(), status="ok", error=None, probes=probes))

    assert asked(12.5) == []
    found = asked(1e308)
    assert [(one.code, one.where) for one in found] == [("measured", "p.jsonl:1")] * len(CASE.probes)
    assert found[0].text == f"kl of probe {CASE.probes[0].id} holds a number beyond 1e+50"
