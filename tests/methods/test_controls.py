"""The two controls: no edit, and the target whatever is asked."""

from __future__ import annotations

import pytest

from methods.copy_target.editor import CopyTargetEditor
from methods.null.editor import NullEditor
from mmedit_bench.editors import Edit
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases


@pytest.mark.parametrize("family", FAMILIES)
def test_null_changes_no_bit(family: str) -> None:
    backbone = tiny_backbone(family)
    (case,) = tiny_cases(1)
    edit = NullEditor().edit(backbone, case.request)
    assert edit == Edit()
    queries, references = [p.query for p in case.probes], [p.reference for p in case.probes]
    assert backbone.edited(edit).answer(queries) == backbone.answer(queries)
    assert backbone.edited(edit).score(queries, references) == backbone.score(queries, references)


@pytest.mark.parametrize("family", FAMILIES)
def test_copy_target_answers_everything_with_the_target(family: str) -> None:
    backbone = tiny_backbone(family)
    (case,) = tiny_cases(1)
    view = backbone.edited(CopyTargetEditor().edit(backbone, case.request))
    queries = [probe.query for probe in case.probes]
    assert view.answer(queries) == [case.request.target] * len(queries)
    read = view.score(queries, [probe.reference for probe in case.probes])
    assert [one.argmax_ids for one in read] == [None] * len(queries), "a text was not forced"
