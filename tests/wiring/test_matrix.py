"""Every kind of backbone with every editor, through the whole harness: an edit, its drop, three in a row.

A test of the wiring: models are random, and every number that comes out means nothing. What an edit
does to a model, and in half precision, is held to in tests/methods/test_families.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmedit_bench.backbones.inputs import Row
from mmedit_bench.cases import EditCase
from mmedit_bench.editors import Backbone
from mmedit_bench.harness.baseline import Measured, measured
from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import run
from mmedit_bench.protocols.moments import UNDONE
from mmedit_bench.protocols.steps import Apply, Ask, Undo, Unit
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Applied, Asked
from tests.methods.test_contract import QUICK, editor_named
from tests.tiny import KNOWN, tiny_backbone, tiny_cases


class Brief(Backbone):
    """Says no more than two tokens: decoding is most of what a cell costs."""

    def _room(self, rows: Sequence[Row], most: int) -> list[int]:
        return super()._room(rows, min(most, 2))


class Suite:
    """As few cases as editors can learn from, with a probe about a picture and one without."""

    name = "matrix"
    task = "vqa"
    digest = "3c" * 32
    splits = ("train", "evaluation")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        if split == "train":
            return tiny_cases(8, split)
        return tuple(replace(case, probes=case.probes[2:4]) for case in tiny_cases(3, split))


class Cell:
    """An edit that is asked about, dropped and asked about again; three edits, asked about in the end."""

    name = "matrix-cell"
    version = "1"

    def units(self, cases: Sequence[EditCase], seed: int) -> Iterator[Unit]:
        first = cases[0]
        yield Unit("drop", (Apply(first.request), Ask(first), Undo(first.id), Ask(first, UNDONE)))
        yield Unit("three", (*(Apply(case.request) for case in cases), *map(Ask, cases)))


@functools.cache
def backbone_of(family: str) -> Backbone:
    made = tiny_backbone(family, max_positions=1024)
    made.__class__ = Brief
    return made


@functools.cache
def bare(family: str, folder: Path) -> tuple[Measured, list[Tensor], str]:
    """What the unedited backbone says, its logits at all references, and its digest."""
    backbone = backbone_of(family)
    found = measured(Suite(), "evaluation", backbone, folder / "baselines", limit=3)
    return found, logits(backbone), backbone.digest


@torch.no_grad()
def logits(backbone: Backbone) -> list[Tensor]:
    probes = [probe for case in Suite().cases("evaluation") for probe in case.probes]
    return backbone.logits([probe.query for probe in probes], [probe.reference for probe in probes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared: a baseline is asked once for each backbone."""
    return tmp_path_factory.mktemp("matrix")


@pytest.mark.parametrize("family", KNOWN)
@pytest.mark.parametrize("name", QUICK)
def test_an_edit_its_drop_and_three_in_a_row(name: str, family: str, folder: Path) -> None:
    backbone, suite = backbone_of(family), Suite()
    found, before, digest = bare(family, folder)
    experiment = Experiment(
        suite=suite, split="evaluation", backbone=backbone, editor=editor_named(name), protocol=Cell(),
        limit=3,
    )  # fmt: skip
    # weights, hooks and answers are proven to be untouched after each unit
    policy = ProofPolicy(every=1)
    result = run(experiment, folder, found=found, policy=policy, artefacts=folder / "artefacts")
    assert (result.status, result.failed, result.units) == ("complete", 0, 2)
    records = read_run(result.folder).records
    applied = [record for record in records if isinstance(record, Applied)]
    said = [record for record in records if isinstance(record, Asked)]
    assert [record.error for record in applied] == [None] * 4
    assert [len(record.edits) for record in said] == [1, 0, 3, 3, 3]
    base = {probe.id: probe.reading for case in found.baseline.probes.values() for probe in case}
    dropped = {probe.id: probe.reading for probe in said[1].probes}
    assert said[1].moment == UNDONE and dropped == {id: base[id] for id in dropped}
    assert all(map(torch.equal, logits(backbone), before))
    assert backbone.digest == digest
