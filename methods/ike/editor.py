"""In-context editing: demonstrations of how a new fact is used, then the new fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from methods.ike.corpus import TYPES, Fact, facts_of
from mmedit_bench.editors import (
    Backbone,
    BenchError,
    Context,
    Edit,
    EditCase,
    EditRequest,
    Query,
    checked,
    settings_for,
)

CONFIG = Path(__file__).parent / "config"


@dataclass(frozen=True)
class IKESettings:
    """`reserve` tokens stay free beyond the longest question of the train split and its answer."""

    demonstrations: int = 8
    reserve: int = 32


@dataclass(frozen=True)
class _Index:
    """What `prepare` keeps: facts, their embeddings [facts, width], and the longest question."""

    facts: tuple[Fact, ...]
    embeddings: Tensor
    longest: tuple[Query, str]


class IKEEditor:
    """Puts retrieved demonstrations and the new fact before every prompt."""

    name = "ike"
    version = "1"
    cost_class = "forward"

    def __init__(self, **options: Any) -> None:
        self.options = checked(IKESettings, options, self.name)
        self._index: _Index | None = None

    def prepare(self, backbone: Backbone, cases: Sequence[EditCase]) -> None:
        """Index the facts of the train split. Raises `BenchError` if no case can be a demonstration."""
        facts = facts_of(cases)
        if not facts:
            raise BenchError(
                "ike: no train case has both a text_generality and a text_locality probe to show"
            )
        asked = [(case.request.query, case.request.target) for case in cases]
        asked += [(probe.query, probe.reference) for case in cases for probe in case.probes]
        lengths = backbone.input_lengths([query for query, _ in asked], [target for _, target in asked])
        longest = asked[max(range(len(asked)), key=lengths.__getitem__)]
        embeddings = backbone.embed([f"{fact.prompt} {fact.target}" for fact in facts])
        self._index = _Index(facts, embeddings, longest)

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        """One context. Its note says how many demonstrations it has and how many did not fit.

        Raises `BenchError` before `prepare`, or if the positions cannot even hold the new fact.
        """
        if self._index is None:
            raise BenchError("ike: prepare(backbone, train_cases) must be called before edit")
        settings = settings_for(IKESettings, CONFIG, backbone.name, self.options)
        shown = self._demonstrations(backbone, request, settings.demonstrations)
        asked = (self._index.longest, (request.query, request.target))
        fact = f"New Fact: {request.query.prompt} {request.target}\nPrompt: "
        for dropped in range(len(shown) + 1):
            edit = Edit(
                (Context("".join(shown[dropped:]) + fact),),
                {"demonstrations": str(len(shown) - dropped), "dropped": str(dropped)},
            )
            lengths = backbone.edited(edit).input_lengths(
                [query for query, _ in asked], [t for _, t in asked]
            )
            if max(lengths) + settings.reserve <= backbone.max_positions:
                return edit
        raise BenchError(
            f"ike: the new fact alone does not fit the backbone's {backbone.max_positions} positions; "
            f"lower the option 'reserve' ({settings.reserve}) or shorten the request"
        )

    def _demonstrations(self, backbone: Backbone, request: EditRequest, count: int) -> list[str]:
        """Texts of the most similar facts of other cases, by rising similarity."""
        assert self._index is not None
        query = backbone.embed([f"{request.query.prompt} {request.target}"])[0]
        similar = (self._index.embeddings @ query).argsort(descending=True, stable=True).tolist()
        facts = [self._index.facts[i] for i in similar if self._index.facts[i].id != request.id][:count]
        return [fact.shown(TYPES[rank % len(TYPES)]) for rank, fact in enumerate(facts)][::-1]
