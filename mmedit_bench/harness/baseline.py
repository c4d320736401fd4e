"""Asking the unedited backbone: once per suite, backbone and way of asking, shared by every run.

A baseline is made by the side that asks, before any editor is loaded, and only ever added to. The
unit of storage is a whole batch (the requests of a batch of cases, the probes of a case), so that a
stored reply and a fresh one are the same even where batching changes the last bits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BadRecord
from mmedit_bench.harness.asking import answered, ask, sealed
from mmedit_bench.runs.baseline import Baseline, BaseProbe, append, path_for, read_baseline
from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.provenance import code_digest, library_version
from mmedit_bench.scoring.selection import Selection, select_needed

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.datasets.suite import Suite

Progress = Callable[[str, int, int], None]
"""Called with a phase ("select", "baseline", "edit"), how much of it is done, and how much there is."""

SPOT_CHECKS = 4
"""Stored cases that are asked again before a stored baseline is believed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A baseline with the cases that it says need an edit."""

    baseline: Baseline
    selection: Selection

    @property
    def digest(self) -> str:
        """Of the part that a run over this selection uses."""
        return self.baseline.digest(self.selection.considered, [case.id for case in self.selection.cases])


def asking_of(suite: Suite, split: str, backbone: Backbone, kinds: Sequence[str] = DEFAULT) -> dict[str, Any]:
    """The parts of a spec that decide what an unedited backbone says."""
    base = backbone.unedited()
    return {
        "suite": suite.name,
        "suite_digest": suite.digest,
        "split": split,
        "backbone": base.name,
        "backbone_digest": base.loaded_digest,
        "dtype": str(base.dtype).removeprefix("torch."),
        "device": device_of(base),
        "batch_size": base.batch_size,
        "threads": _threads(base),
        "evidence": list(kinds),
        "asking_code": code_digest("mmedit_bench.harness.asking", type(base).__module__),
        "torch": library_version("torch"),
        "transformers": library_version("transformers"),
    }


def device_of(base: Backbone) -> str:
    """The kind of device that a backbone is on; "cpu+cuda" for one that is on both."""
    kinds = getattr(base, "device_types", None) or {str(base.device).partition(":")[0]}
    return "+".join(sorted(kinds))


def _threads(base: Backbone) -> int:
    torch = sys.modules.get("torch")
    # a backbone that is made without torch has no device of its
    processor = torch is not None and isinstance(base.device, torch.device) and base.device.type == "cpu"
    return int(torch.get_num_threads()) if torch and processor else 0


def measured(
    suite: Suite,
    split: str,
    backbone: Backbone,
    folder: Path,
    *,
    limit: int | None = None,
    kinds: Sequence[str] = DEFAULT,
    progress: Progress | None = None,
) -> Measured:
    """The baseline of the cases that need an edit, read from `folder` and asked where it is missing.

    A few of the stored cases are asked again. Raises `BadRecord` if one of them is answered
    otherwise: the file was changed, or stems from another machine.
    """
    tell = progress or (lambda phase, done, total: None)
    base = backbone.unedited()
    path = path_for(folder, asking_of(suite, split, base, kinds))
    held = read_baseline(path, kinds)
    cases = suite.cases(split)

    def answers(part: Sequence[EditCase]) -> list[str]:
        nonlocal held
        if not all(case.id in held.answers for case in part):
            said = answered(base, [sealed(case.request.query) for case in part])
            found = {case.id: answer for case, answer in zip(part, said, strict=True)}
            fresh = {case: answer for case, answer in found.items() if case not in held.answers}
            held = held.with_answers(fresh)
            append(path, held.lines(fresh, ()))
        return [held.answers[case.id] for case in part]

    selection = select_needed(
        cases,
        answers,
        limit,
        batch=base.batch_size,
        progress=lambda done: tell("select", done, len(cases)),
    )
    stored = [case for case in selection.cases if case.id in held.probes]
    for case in random.SystemRandom().sample(stored, min(SPOT_CHECKS, len(stored))):
        if readings_of(base, case, kinds) != held.probes[case.id]:
            raise BadRecord(
                f"{path}: case {case.id} is answered otherwise by the backbone at hand; the file was "
                "changed or made on another machine: remove it, and the runs measured against it"
            )
    for done, case in enumerate(selection.cases, start=1):
        if case.id not in held.probes:
            held = held.with_probes(case.id, readings_of(base, case, kinds))
            append(path, held.lines((), [case.id]))
        tell("baseline", done, len(selection.cases))
    return Measured(held, selection)


def readings_of(base: Backbone, case: EditCase, kinds: Sequence[str]) -> tuple[BaseProbe, ...]:
    """What the unedited backbone says to a case's probes."""
    replies = ask(base, case.probes, kinds)
    together = zip(case.probes, replies.targets, replies.readings, strict=True)
    return tuple(BaseProbe(probe.id, target, reading) for probe, target, reading in together)
