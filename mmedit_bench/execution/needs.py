"""What editors need on one backbone and data set, beside what this machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.diagnosis import Finding
from mmedit_bench.plugins.registry import EDITORS

if TYPE_CHECKING:
    from mmedit_bench.backbones.demand import Demand, Load
    from mmedit_bench.backbones.memory import Need
    from mmedit_bench.backbones.shape import Shape


GB = 1e9


@dataclass(frozen=True, slots=True)
class EditorNeed:
    """One editor's line: what it takes, or why that is not known."""

    editor: str
    demand: Demand | None = None
    need: Need | None = None
    problem: str = ""
    modules: tuple[str, ...] = ()
    """Paths of the modules that an edit changes."""
    backward: tuple[int, int] = (0, 0)
    """Backward passes of an edit, and through how many decoder layers."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes."""
        if self.need is None or self.demand is None:
            return {"editor": self.editor, "problem": self.problem}
        need, demand = self.need, self.demand
        parts = ("weights", "held", "asking", "editing", "training", "total")
        return {
            "editor": self.editor,
            **{name: getattr(need, name) for name in parts},
            "bytes_per_edit": demand.edit.nbytes,
            "trained_per_edit": demand.fit.numbers if demand.fit else 0,
            "trained_before": sum(own.numbers for own in demand.learned),
            "modules": list(self.modules),
            "backward_passes": self.backward[0],
            "backward_layers": self.backward[1],
        }


@dataclass(frozen=True, slots=True)
class Room:
    """Memory of this machine where a backbone would be."""

    nbytes: int
    of: str


@dataclass(frozen=True, slots=True)
class Needs:
    """The table: a line per editor, the load it is computed for, and the memory that there is."""

    backbone: str
    dtype: str
    suite: str
    counted: bool
    """Whether tokens were counted by the backbone's tokenizer, and not estimated."""
    load: Load
    lines: tuple[EditorNeed, ...]
    room: Room

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes."""
        names = ("question", "answer", "picture", "sentence", "cases", "kept", "batch")
        return {
            "backbone": self.backbone,
            "dtype": self.dtype,
            "suite": self.suite,
            "tokens": "counted" if self.counted else "estimated",
            "load": {name: getattr(self.load, name) for name in names},
            "present": self.room.nbytes,
            "editors": [line.as_dict() for line in self.lines],
        }

    def fits(self) -> Finding:
        """What of it there is memory for."""
        known = [line for line in self.lines if line.need is not None]
        large = [line.editor for line in known if line.need and line.need.total > self.room.nbytes]
        told = f"{self.room.nbytes / GB:.1f} GB {self.room.of}"
        if large and len(large) == len(known):
            advice = (
                "spread the model (--device-map auto), narrow it (--dtype bfloat16), or take a larger device"
            )
            return Finding("memory", "fail", f"{told}: enough for none of these; {advice}")
        if large:
            return Finding("memory", "warn", f"{told}: too little for {', '.join(large)}")
        return Finding("memory", "ok", f"{told}: enough for each of these")


def needs(shape: Shape, load: Load, editors: Sequence[str] = ()) -> Iterator[EditorNeed]:
    """A line for each editor, with the options that it has on the backbone; all editors if none is named."""
    from mmedit_bench.backbones.demand import demand_of
    from mmedit_bench.backbones.memory import Memory

    memory = Memory(shape, load)
    for name in editors or EDITORS.names():
        try:
            demand = demand_of(EDITORS.load(name)(), shape, load)
        except BenchError as error:
            yield EditorNeed(name, problem=str(error))
            continue
        if demand is None:
            yield EditorNeed(name, problem="it does not say what it takes")
        else:
            yield EditorNeed(
                name, demand, memory.need(demand),
                modules=demand.modules(shape), backward=demand.backward(shape.layer_count),
            )  # fmt: skip


def room(device: str, device_map: str | None = None) -> Room:
    """Memory for weights: of the accelerator, of all if a model is spread, or of the machine."""
    import torch

    if device.startswith("cuda") and torch.cuda.is_available():
        if device_map:
            count = torch.cuda.device_count()
            total = sum(torch.cuda.get_device_properties(i).total_memory for i in range(count))
            return Room(total, f"of {count} GPUs")
        return Room(torch.cuda.get_device_properties(device).total_memory, "of the GPU")
    return Room(_available(), "available here")


def _available() -> int:
    """Bytes of memory that programs may still take; all of the machine's where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
