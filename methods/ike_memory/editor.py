"""IKE with a memory: the new fact is read only before questions that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods.ike.editor import IKEEditor
from methods.ike.retriever import RETRIEVERS
from methods.ike_memory.gate import Keys, Thresholds, calibrated
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Query,
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


@dataclass(frozen=True, eq=False)
class Entry:
    """One remembered edit: its keys and its context."""

    id: str
    keys: Keys
    context: Edit


@dataclass(frozen=True, eq=False)
class Memory:
    """Entries and who reads them: scope and answerer of a route in one."""

    backbone: Backbone
    retriever: str
    thresholds: Thresholds
    entries: tuple[Entry, ...]

    def __call__(self, query: Query) -> bool:
        """True if an entry is about the query."""
        return self.nearest(query) is not None

    def nearest(self, query: Query) -> Entry | None:
        """The entry the query lies deepest in the scope of; None if it lies in none."""
        asked = Keys.of(self.backbone, self.retriever, [query])
        margins = [self.thresholds.margin(entry.keys, asked).item() for entry in self.entries]
        best = max(range(len(margins)), key=margins.__getitem__)
        return self.entries[best] if margins[best] >= 0 else None

    def answer(self, queries: Sequence[Query]) -> list[str]:
        """Answers of the backbone with the nearest entry's context before each question."""
        chosen = [self.nearest(query) for query in queries]
        answers: dict[int, str] = {}
        for entry in {id(entry): entry for entry in chosen}.values():
            own = [i for i, other in enumerate(chosen) if other is entry]
            acting = self.backbone if entry is None else self.backbone.edited(entry.context)
            answers.update(zip(own, acting.answer([queries[i] for i in own]), strict=True))
        return [answers[i] for i in range(len(queries))]

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and texts held."""
        keys = sum(entry.keys.text.nbytes + entry.keys.image.nbytes for entry in self.entries)
        return keys + sum(entry.context.nbytes for entry in self.entries)


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
        """A route that knows this request and all that this editor remembered before it.

        The base model answers, with the context: weight edits that the sequence may hold do not act
        on routed questions. Raises `BenchError` before `prepare`.
        """
        if self._reader is None or self._thresholds is None:
            raise BenchError("ike-memory: prepare(backbone, train_cases) must be called before edit")
        retriever = self.settings(backbone).retriever
        base = backbone.unedited()
        entry = Entry(request.id, Keys.of(base, retriever, [request.query]), self._reader.edit(base, request))
        # a newer edit of the same request takes the older one's place
        earlier = tuple(old for old in remembered(backbone) if old.id != request.id)
        memory = Memory(base, retriever, self._thresholds, (*earlier, entry))
        note = dict(entry.context.note) | {
            "text_threshold": f"{self._thresholds.text:.3f}",
            "image_threshold": f"{self._thresholds.image:.3f}",
        }
        return Edit((Route(memory, memory),), note)


def remembered(backbone: Backbone) -> tuple[Entry, ...]:
    """What the latest route of this editor in the sequence remembers."""
    for edit in reversed(backbone.edits):
        for item in edit.interventions:
            if isinstance(item, Route) and isinstance(item.answerer, Memory):
                return item.answerer.entries
    return ()
