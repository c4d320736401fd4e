"""Who answers for the gated memory: the backbone, with the nearest entry's context before the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from methods.ike_memory.gate import Keys, Thresholds
from mmedit_bench.editors import Backbone, Context, Edit, Query, Shared, register_reader


@dataclass(frozen=True, eq=False)
class Entry:
    """One remembered edit: its keys and its context."""

    id: str
    keys: Keys
    text: str


@dataclass(frozen=True, eq=False)
class Memory:
    """Entries and how they are found. Other edits of the sequence do not act on what it answers."""

    retriever: str
    thresholds: Thresholds
    entries: tuple[Entry, ...]

    def in_scope(self, backbone: Backbone, queries: Sequence[Query]) -> list[bool]:
        return [self.nearest(backbone, query) is not None for query in queries]

    def nearest(self, backbone: Backbone, query: Query) -> Entry | None:
        """The entry the query lies deepest in the scope of; None if it lies in none."""
        asked = Keys.of(backbone, self.retriever, [query])
        margins = [self.thresholds.margin(entry.keys, asked).item() for entry in self.entries]
        best = max(range(len(margins)), key=margins.__getitem__)
        return self.entries[best] if margins[best] >= 0 else None

    def answer(self, backbone: Backbone, queries: Sequence[Query]) -> list[str]:
        """Answers of the backbone with the nearest entry's context before each question."""
        chosen = [self.nearest(backbone, query) for query in queries]
        answers: dict[int, str] = {}
        for entry in {id(entry): entry for entry in chosen}.values():
            own = [i for i, other in enumerate(chosen) if other is entry]
            acting = backbone if entry is None else backbone.edited(Edit((Context(entry.text),)))
            answers.update(zip(own, acting.answer([queries[i] for i in own]), strict=True))
        return [answers[i] for i in range(len(queries))]

    def merged(self, other: Any) -> Self | None:
        """One memory of both; a newer edit of the same request takes the older one's place."""
        if type(other) is not type(self) or (self.retriever, self.thresholds) != (
            other.retriever,
            other.thresholds,
        ):
            return None
        newer = {entry.id for entry in other.entries}
        kept = (entry for entry in self.entries if entry.id not in newer)
        return replace(self, entries=(*kept, *other.entries))

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and texts held."""
        keys = sum(entry.keys.text.nbytes + entry.keys.image.nbytes for entry in self.entries)
        return keys + sum(len(entry.text.encode()) for entry in self.entries)

    # ---- description

    def plain(self) -> Mapping[str, Any]:
        entries = [{"id": entry.id, "text": entry.text} for entry in self.entries]
        return {"retriever": self.retriever, "thresholds": asdict(self.thresholds), "entries": entries}

    def tensors(self) -> Mapping[str, Tensor]:
        text = torch.cat([entry.keys.text for entry in self.entries])
        return {"text": text, "image": torch.cat([entry.keys.image for entry in self.entries])}

    def shared(self) -> Mapping[str, Shared]:
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        entries = tuple(
            Entry(one["id"], Keys(text[None], image[None]), one["text"])
            for one, text, image in zip(plain["entries"], tensors["text"], tensors["image"], strict=True)
        )
        return cls(plain["retriever"], Thresholds(**plain["thresholds"]), entries)


register_reader("ike-memory", Memory)
