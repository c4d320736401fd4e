"""In-context editing: demonstrations of how a new fact is used, then the new fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.ike.corpus import TYPES, Fact, facts_of
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
class IKESettings:
    """What can be set of `ike`."""

    demonstrations: int = option(32, "most demonstrations before the new fact", low=0)
    reserve: int = option(32, "tokens kept free beyond the longest question of the train split", low=0)
    retriever: str = option("backbone", "whose embeddings find similar facts", choices=RETRIEVERS)


@dataclass(frozen=True)
class _Index:
    """What `prepare` keeps: facts, their embeddings [facts, width], and the longest question."""

    facts: tuple[Fact, ...]
    embeddings: Tensor
    longest: tuple[Query, str]


class IKEEditor:
    """Puts retrieved demonstrations and the new fact before every prompt."""

    name = "ike"
    version = "2"
    cost_class = "forward"
    settings_type = IKESettings
    settings_folder = CONFIG

    def __init__(self, **options: Any) -> None:
        self.options = checked(IKESettings, options, self.name)
        self._index: _Index | None = None

    def settings(self, backbone: Backbone) -> IKESettings:
        """The options that hold for a backbone."""
        return settings_for(IKESettings, CONFIG, backbone, self.options, self.name)

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Index the facts of the train split. Raises `BenchError` if no case can be a demonstration."""
        facts = facts_of(cases)
        longest = longest_question(backbone, cases)
        retriever = self.settings(backbone).retriever
        embeddings = embed(retriever, backbone, [f"{fact.prompt} {fact.target}" for fact in facts])
        self._index = _Index(facts, embeddings, longest)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One context. Its note says how many demonstrations it has and how many did not fit.

        Raises `BenchError` before `prepare`, or if the positions cannot even hold the new fact.
        """
        if self._index is None:
            raise BenchError("ike: prepare(backbone, train_cases) must be called before edit")
        settings = self.settings(backbone)
        shown = self._demonstrations(backbone, request, settings)
        fact = f"New Fact: {request.query.prompt} {request.target}\nPrompt: "
        return fitting(backbone, request, shown, fact, self._index.longest, settings.reserve)

    def _demonstrations(self, backbone: Backbone, request: EditRequest, settings: IKESettings) -> list[str]:
        """Texts of the most similar facts of other cases, by rising similarity."""
        assert self._index is not None
        count = settings.demonstrations
        query = embed(settings.retriever, backbone, [f"{request.query.prompt} {request.target}"])[0]
        similar = (self._index.embeddings @ query).argsort(descending=True, stable=True).tolist()
        ranked = (self._index.facts[i] for i in similar)
        facts = [fact for fact in ranked if not fact.tells(request)][:count]
        return [fact.shown(TYPES[rank % len(TYPES)]) for rank, fact in enumerate(facts)][::-1]
