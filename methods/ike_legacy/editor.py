"""The MMEdit port of IKE: one unconditional prefix, no ratio, most similar demonstrations first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.ike.corpus import COPY, RETAIN, UPDATE, Fact, facts_of
from methods.ike.fitting import fitting, longest_question
from methods.ike.retriever import RETRIEVERS, embed
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Edit,
    EditCase,
    EditRequest,
    Query,
    checked,
    option,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class IKELegacySettings:
    """What can be set of `ike-legacy`."""

    demonstrations: int = option(32, "most demonstrations before the new fact", low=0)
    reserve: int = option(8, "tokens kept free beyond the longest question of the train split", low=0)
    retriever: str = option("backbone", "whose embeddings find similar facts", choices=RETRIEVERS)


@dataclass(frozen=True)
class _Corpus:
    sentences: tuple[tuple[Fact, str], ...]
    """(fact, one of its demonstrations)."""
    embeddings: Tensor
    longest: tuple[Query, str]


class IKELegacyEditor:
    """Puts the same demonstrations and the new fact before every question, whatever it asks."""

    name = "ike-legacy"
    version = "1"
    cost_class = "forward"
    settings_type = IKELegacySettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(IKELegacySettings, options, self.name)
        self._corpus: _Corpus | None = None

    def settings(self, backbone: Backbone) -> IKELegacySettings:
        """The options that hold for a backbone."""
        return settings_for(IKELegacySettings, CONFIG, backbone, self.options, self.name)

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Three sentences per fact of the train split: copy, rewording and unrelated question."""
        settings = self.settings(backbone)
        kinds = (COPY, UPDATE, RETAIN)
        sentences = tuple((fact, fact.shown(kind)) for fact in facts_of(cases) for kind in kinds)
        embeddings = embed(settings.retriever, backbone, [text for _, text in sentences])
        self._corpus = _Corpus(sentences, embeddings, longest_question(backbone, cases))

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """The retrieval query holds the new fact and its answer twice, as in the port.

        Raises `BenchError` before `prepare`.
        """
        if self._corpus is None:
            raise BenchError("ike-legacy: prepare(backbone, train_cases) must be called before edit")
        settings = self.settings(backbone)
        fact = f"{request.query.prompt} {request.target}"
        itself = f"New Fact: {fact}\nPrompt: {fact}\n\n"
        query = embed(settings.retriever, backbone, [itself])[0]
        order = (self._corpus.embeddings @ query).argsort(descending=True, stable=True).tolist()
        ranked = (self._corpus.sentences[i] for i in order)
        others = [text for fact, text in ranked if not fact.tells(request)]
        shown = others[: settings.demonstrations]
        last = f"{itself}New Fact: {fact}\nPrompt: "
        # the least similar stand at the end, and are the ones to go
        return fitting(
            backbone, request, shown, last, self._corpus.longest, settings.reserve, drop_first=False
        )
