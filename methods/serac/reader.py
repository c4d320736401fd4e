"""Who answers for SERAC: remembered edits, the scope classifier and the counterfactual model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from methods.serac.counterfactual import Counterfactual
from methods.serac.encoder import Encoder
from methods.serac.scope import Classifier, ScopeClassifier, likeness
from methods.serac.writer import Writer
from mmedit_bench.editors import Backbone, EditRequest, Query, Shared, register_reader

THRESHOLD = 0.5


@dataclass(frozen=True)
class Sizes:
    """What the two networks are built by; of a published one only `width`, `scope_code` and `image_key`."""

    width: int
    scope_hidden: int
    scope_code: int
    image_key: bool
    size: int
    layers: int
    heads: int

    def fresh(self) -> tuple[ScopeClassifier, Counterfactual]:
        """Both, untrained, as the editor's own."""
        return self.classifier(), self.model()

    def classifier(self) -> ScopeClassifier:
        """The first alone."""
        return ScopeClassifier(self.width, self.scope_hidden, self.scope_code, self.image_key)

    def model(self) -> Counterfactual:
        """The second alone."""
        return Counterfactual(self.width, self.size, self.layers, self.heads)


@dataclass(frozen=True, eq=False)
class Networks:
    """The trained classifier ("scope.") and counterfactual model ("model."), shared by all edits.

    Of a published network the weights hold the packed blueprint too ("scope_blueprint",
    "model_blueprint"), so that its checkpoint is not needed any more.
    """

    weights: Shared
    sizes: Sizes

    def ready(self, backbone: Backbone) -> tuple[Classifier, Counterfactual | Writer]:
        """Both, on the backbone's device; built once for each set of weights."""
        built = _BUILT.setdefault(self.weights, {})
        if self.sizes not in built:
            built[self.sizes] = self._classifier(), self._model()
            for part in built[self.sizes]:
                part.eval().requires_grad_(False)
        classifier, model = built[self.sizes]
        return classifier.to(backbone.device), model.to(backbone.device)

    def _classifier(self) -> Classifier:
        own, s = self._own("scope."), self.sizes
        packed = self.weights.tensors.get("scope_blueprint")
        if packed is not None:
            return Encoder.rebuilt(packed, own, s.width, s.scope_code, s.image_key)
        classifier = s.classifier()
        classifier.load_state_dict(own)
        return classifier

    def _model(self) -> Counterfactual | Writer:
        own, packed = self._own("model."), self.weights.tensors.get("model_blueprint")
        if packed is not None:
            return Writer.rebuilt(packed, own)
        model = self.sizes.model()
        model.load_state_dict(own)
        return model

    def _own(self, start: str) -> dict[str, Tensor]:
        return {n.removeprefix(start): t for n, t in self.weights.tensors.items() if n.startswith(start)}

    @torch.no_grad()
    def code(self, backbone: Backbone, query: Query) -> Tensor:
        """The classifier's code of a query, [1, width]; made once for each backbone and query.

        By itself: in a batch its last bits would depend on the queries beside it.
        """
        classifier, _ = self.ready(backbone)
        held = _CODES.setdefault(classifier, WeakKeyDictionary()).setdefault(backbone.model, {})
        key = (query.prompt, query.image.digest if query.image else None)
        if key not in held:
            if len(held) >= MOST_CODES:
                held.pop(next(iter(held)))
            held[key] = classifier.encode(backbone, [query])
        return held[key]

    def same(self, other: Networks) -> bool:
        """Whether the weights are equal."""
        return self.sizes == other.sizes and self.weights.digest == other.weights.digest


MOST_CODES = 1 << 16
"""Queries whose codes are held, for each classifier and backbone."""

_CODES: WeakKeyDictionary[Classifier, WeakKeyDictionary[Any, dict[tuple[str, str | None], Tensor]]] = (
    WeakKeyDictionary()
)
_BUILT: WeakKeyDictionary[Shared, dict[Sizes, tuple[Classifier, Counterfactual | Writer]]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class Entry:
    """One remembered edit: its question and answer, and what the classifier makes of it."""

    id: str
    prompt: str
    target: str
    code: Tensor

    @property
    def request(self) -> EditRequest:
        """What the counterfactual model reads: it sees no picture."""
        return EditRequest(self.id, Query(self.prompt), self.target)


@dataclass(frozen=True, eq=False)
class Memory:
    """The edits so far; the one most like a question answers it, if it is more likely in scope than not."""

    networks: Networks
    entries: tuple[Entry, ...]

    def in_scope(self, backbone: Backbone, queries: Sequence[Query]) -> list[bool]:
        return [self.nearest(backbone, query) is not None for query in queries]

    @torch.no_grad()
    def nearest(self, backbone: Backbone, query: Query) -> Entry | None:
        """The entry that answers the query; None if it is in no scope."""
        code = self.networks.code(backbone, query)
        similar = likeness(torch.stack([entry.code for entry in self.entries]).to(code), code)
        best = int(similar.argmax())
        return self.entries[best] if similar[best] > THRESHOLD else None

    def answer(self, backbone: Backbone, queries: Sequence[Query]) -> list[str]:
        """The counterfactual model's answers, each from the nearest edit; the backbone's own without one."""
        _, model = self.networks.ready(backbone)
        entries = [self.nearest(backbone, query) for query in queries]
        inside = [i for i, entry in enumerate(entries) if entry is not None]
        asked = [(entry.request, query) for entry, query in zip(entries, queries, strict=True) if entry]
        answers = dict(zip(inside, model.answers(backbone, asked), strict=True))
        outside = [i for i, entry in enumerate(entries) if entry is None]
        answers |= zip(outside, backbone.answer([queries[i] for i in outside]), strict=True)
        return [answers[i] for i in range(len(queries))]

    def merged(self, other: Any) -> Self | None:
        """One memory of both; a newer edit of the same request takes the older one's place."""
        if type(other) is not type(self) or not self.networks.same(other.networks):
            return None
        newer = {entry.id for entry in other.entries}
        kept = (entry for entry in self.entries if entry.id not in newer)
        return replace(self, entries=(*kept, *other.entries))

    @property
    def nbytes(self) -> int:
        """Bytes of the entries; the networks are shared."""
        return sum(len((e.prompt + e.target).encode()) + e.code.nbytes for e in self.entries)

    # ---- description

    def plain(self) -> Mapping[str, Any]:
        entries = [{"id": e.id, "prompt": e.prompt, "target": e.target} for e in self.entries]
        return {"sizes": asdict(self.networks.sizes), "entries": entries}

    def tensors(self) -> Mapping[str, Tensor]:
        return {"codes": torch.stack([entry.code for entry in self.entries])}

    def shared(self) -> Mapping[str, Shared]:
        return {"weights": self.networks.weights}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        networks = Networks(shared["weights"], Sizes(**plain["sizes"]))
        pairs = zip(plain["entries"], tensors["codes"], strict=True)
        return cls(networks, tuple(Entry(**entry, code=code) for entry, code in pairs))


register_reader("serac", Memory)
