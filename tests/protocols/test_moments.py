"""Names of moments are read as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.protocols.moments import (
    ALONE,
    START,
    UNDONE,
    WITHOUT,
    after,
    age,
    edits_after,
    edits_of_age,
)
from mmedit_bench.protocols.steps import END


@given(st.integers(0, 10**6))
def test_there_and_back(edits: int) -> None:
    assert edits_after(after(edits)) == edits_of_age(age(edits)) == edits
    assert edits_after(age(edits)) is None and edits_of_age(after(edits)) is None


@pytest.mark.parametrize(
    "moment", [START, ALONE, UNDONE, WITHOUT, END, "after ", "age ", "age -1", "after 1.5", "after ٣", "3"]
)
def test_others_are_not_taken_for_them(moment: str) -> None:
    assert edits_after(moment) is None and edits_of_age(moment) is None
