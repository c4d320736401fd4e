"""Settings of runs as a form holds them: whatever they are, they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.errors import BadData
from mmedit_bench.runs.spec import RunSpec
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.parameters import hyper_parameters
from mmedit_bench.submitting.environment import environment
from tests.runs.test_specs import SPEC
from tests.submissions.test_form import GOOD


def spec(backbone: str, **own: Any) -> RunSpec:
    return replace(SPEC, backbone=backbone, editor_settings=own)


def test_what_differs_between_backbones_is_told_for_each() -> None:
    found = hyper_parameters(
        [
            spec("small", lr=0.1, steps=5),
            spec("large", lr=0.2, steps=5, extra=True),
            spec("small", lr=0.1, steps=5),
        ]
    )
    assert found == {"lr.small": 0.1, "lr.large": 0.2, "steps": 5, "extra.large": True}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=40,
)


@given(values)
@settings(max_examples=150, deadline=None)
def test_whatever_a_setting_is_it_fits_the_form(value: Any) -> None:
    try:
        told = hyper_parameters([spec("small", own=value)])
    except BadData:  # not finite inside of a list: no record could hold it
        return
    found, problems = Submission.parse(yaml.safe_dump(GOOD), given={"hyper_parameters": told})
    assert found, problems


def test_the_environment_is_sorted_and_each_is_there_once() -> None:
    lines = environment().splitlines()
    assert lines == sorted(lines) and len({line.partition("==")[0] for line in lines}) == len(lines)
    assert any(line.startswith("torch==") for line in lines)
