"""Memory as it is computed, beside memory as it is taken: at small size, on the processor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from mmedit_bench.backbones.demand import Load, Pass, demand_of, numbers_of
from mmedit_bench.backbones.loads import counted, estimated
from mmedit_bench.backbones.memory import Memory
from mmedit_bench.backbones.shape import Shape
from mmedit_bench.backbones.tally import Tally
from mmedit_bench.editors import Backbone, EditCase
from mmedit_bench.plugins.registry import EDITORS
from tests.tiny import tiny_backbone, tiny_cases

FACTOR = 2.5
"""How far a phase may be off: layers are counted from their beginning, and kernels have room of their own."""


def taken(run: Callable[[], object]) -> int:
    """The most bytes that the allocator has given out at once while `run` runs, beyond those before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    events = seen.profiler.kineto_results.events()  # type: ignore[union-attr]
    now = most = 0
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def set_up(family: str) -> tuple[Backbone, EditCase, Load, Shape]:
    backbone = tiny_backbone(family)
    (case,) = tiny_cases(1, "test")
    return (
        backbone,
        case,
        counted(backbone, tiny_cases(6), [case]),
        Shape.of(backbone.name, backbone.model),
    )


@pytest.mark.parametrize("name", ["ft", "lora", "projector", "grace"])
def test_an_edit_takes_what_is_told(name: str) -> None:
    backbone, case, load, shape = set_up("llama")
    editor = EDITORS.load(name)(steps=1)
    demand = demand_of(editor, shape, load)
    assert demand is not None and demand.fit is not None
    backbone.visual([case.request.query.image])  # type: ignore[list-item]
    found = taken(lambda: editor.edit(backbone, case.request))
    told = Memory(shape, load).need(demand).editing
    assert 1 / FACTOR < told / found < FACTOR, (name, told, found)


def test_a_loss_takes_what_is_told_and_more_rows_take_more() -> None:
    backbone, case, load, shape = set_up("opt")
    memory = Memory(shape, load)
    told = [memory.passed(Pass(rows=rows, layer=0)) for rows in (1, 16)]
    assert 10 < told[1] / told[0] < 20
    assert memory.passed(Pass(rows=16, layer=1)) < told[1]
    assert memory.passed(Pass(rows=16)) < memory.passed(Pass(rows=16, layer=1))
    assert memory.asking() < memory.asking(context=100)
    del backbone, case


def test_a_tally_counts_what_lives_at_once_and_not_what_was_there() -> None:
    before = torch.zeros(1000)
    with Tally([before]) as tally:
        view = before.view(10, 100)
        first = view + 1
        del first
        second = view + 2
        assert (tally.now, tally.peak) == (4000, 4000)
        third = second * second
        second.add_(1)
    assert tally.peak == 8000 and tally.now == 8000
    del third
    assert tally.now == 4000


def test_a_network_is_counted_without_being_built() -> None:
    generator = torch.Generator().manual_seed(0)

    def make() -> nn.Module:
        made = nn.Linear(1 << 18, 1 << 18, bias=False)  # 275 GB
        made.register_buffer("noise", torch.randn(3, generator=generator))
        return made

    assert numbers_of(make) == (1 << 36, (1 << 38) + 12)


def test_what_is_asked_can_be_estimated_without_a_tokenizer() -> None:
    backbone, case, load, shape = set_up("llama")
    guess = estimated(shape, tiny_cases(6), [case], 16)
    assert (guess.request, guess.picture, guess.cases, guess.batch) == (
        load.request, load.picture, load.cases, backbone.batch_size,
    )  # fmt: skip
    said = len(case.request.query.prompt) + len(case.request.target)
    assert said / 4 < guess.question + guess.answer < said


def test_single_precision_parts_are_counted_as_they_are_loaded() -> None:
    backbone, _, _, _ = set_up("opt")
    with torch.device("meta"):
        bare = type(backbone.model)(backbone.model.config)
    half = Shape.of("x", bare, torch.float16)
    whole = sum(p.numel() for p in bare.qformer.parameters()) + bare.query_tokens.numel()
    assert half.nbytes - 2 * half.parameters - 2 * whole == pytest.approx(0, abs=64)  # buffers
