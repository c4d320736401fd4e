"""IKE with a memory: the new fact is read only before questions that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ike.editor import IKEEditor
from methods.ike.retriever import RETRIEVERS
from methods.ike_memory.gate import Keys, Thresholds, calibrated
from methods.ike_memory.reader import Entry, Memory
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Route,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class IKEMemorySettings:
    """What can be set of `ike-memory`."""

    demonstrations: int = option(32, "most demonstrations before the new fact", low=0)
    reserve: int = option(32, "tokens kept free beyond the longest question of the train split", low=0)
    retriever: str = option("backbone", "whose embeddings find similar facts", choices=RETRIEVERS)
    calibration: int = option(200, "train cases the thresholds are fitted to", low=1)


class IKEMemoryEditor:
    """A retrieval gate decides, question by question, whether the context is there at all."""

    name = "ike-memory"
    version = "1"
    cost_class = "forward"
    settings_type = IKEMemorySettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options: Mapping[str, Any] = checked(IKEMemorySettings, options, self.name)
        self._reader: IKEEditor | None = None
        self._thresholds: Thresholds | None = None

    def settings(self, backbone: Backbone) -> IKEMemorySettings:
        """The options that hold for a backbone."""
        return settings_for(IKEMemorySettings, CONFIG, backbone, self.options, self.name)

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Index demonstrations as `ike` does, and fit the thresholds on cases spread over the split."""
        s = self.settings(backbone)
        self._reader = IKEEditor(demonstrations=s.demonstrations, reserve=s.reserve, retriever=s.retriever)
        self._reader.prepare(backbone, cases)
        stride = max(1, len(cases) // s.calibration)
        self._thresholds = calibrated(backbone, s.retriever, cases[::stride])

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """A route of one remembered edit; those of a sequence fold into one memory.

        Raises `BenchError` before `prepare`.
        """
        if self._reader is None or self._thresholds is None:
            raise BenchError("ike-memory: prepare(backbone, train_cases) must be called before edit")
        retriever, base = self.settings(backbone).retriever, backbone.unedited()
        shown = self._reader.edit(base, request)
        (context,) = shown.interventions
        entry = Entry(request.id, Keys.of(base, retriever, [request.query]), context.prefix())
        note = dict(shown.note) | {
            "text_threshold": f"{self._thresholds.text:.3f}",
            "image_threshold": f"{self._thresholds.image:.3f}",
        }
        return Edit((Route(Memory(retriever, self._thresholds, (entry,)), request.id),), note)
