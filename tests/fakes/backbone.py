"""A backbone whose answers follow from its weights, the query and the edits by hashing."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.cases import Query
from mmedit_bench.errors import NotSavable


@dataclass(frozen=True)
class FakeEdit:
    """Answers the prompt with the text."""

    prompt: str
    text: str
    nbytes: int = 8

    def save(self, path: Path) -> None:
        raise NotSavable("a fake edit is no file")


@dataclass(frozen=True)
class FakeForced:
    target_ids: tuple[int, ...]
    argmax_ids: tuple[int, ...]

    @property
    def logprobs(self) -> tuple[float, ...]:
        return tuple(0.0 if a == t else -2.5 for a, t in zip(self.argmax_ids, self.target_ids, strict=True))


class FakeModel:
    """Weights with a version counter, and a list of hooks as torch modules have."""

    def __init__(self) -> None:
        self.weights = [1, 2, 3]
        self.version = 0
        self.hooks: list[Any] = []

    def write(self, index: int, value: int) -> None:
        """A write that the version counter notices."""
        self.weights[index] = value
        self.version += 1


class FakeBackbone:
    """What the harness needs of a backbone. `calls` counts forward passes, shared by views."""

    name = "fake"
    device = "cpu"
    dtype = "float32"
    batch_size = 4

    def __init__(self, knows: dict[str, str] | None = None) -> None:
        self.model = FakeModel()
        self.knows = knows or {}
        self.edits: tuple[FakeEdit, ...] = ()
        self.calls: list[tuple[str, ...]] = []
        self.loaded_digest = self.digest

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.model.weights).encode()).hexdigest()

    def versions(self) -> tuple[int, ...]:
        return (self.model.version,)

    def edited(self, *edits: FakeEdit) -> FakeBackbone:
        for edit in edits:
            if not isinstance(edit, FakeEdit):
                raise TypeError(f"not an edit: {edit!r}")
        view = copy.copy(self)
        view.edits = (*self.edits, *edits)
        return view

    def unedited(self) -> FakeBackbone:
        view = copy.copy(self)
        view.edits = ()
        return view

    def answer(self, queries: Sequence[Query], max_new_tokens: int = 48) -> list[str]:
        self.calls.append(tuple(query.prompt for query in queries))
        return [self._say(query) for query in queries]

    def score(self, queries: Sequence[Query], targets: Sequence[str]) -> list[FakeForced]:
        results = []
        for query, target in zip(queries, targets, strict=True):
            said = [*self._say(query).encode(), *([0] * len(target.encode()))]
            ids = (*target.encode(), 2)
            results.append(FakeForced(ids, (*said[: len(ids) - 1], 2)))
        return results

    def read(
        self, queries: Sequence[Query], targets: Sequence[str], max_new_tokens: int = 48
    ) -> list[tuple[str, FakeForced]]:
        return list(zip(self.answer(queries, max_new_tokens), self.score(queries, targets), strict=True))

    def _say(self, query: Query) -> str:
        assert query.image is None or query.image.bytes()
        for hook in self.model.hooks:
            hook(query)
        for edit in reversed(self.edits):
            if edit.text == "BREAK":
                raise ValueError("this edit does not fit the model")
            if edit.prompt == query.prompt:
                return edit.text
        if query.prompt in self.knows:
            return self.knows[query.prompt]
        sum_ = hashlib.sha256(f"{self.model.weights} {query.digest} {len(self.edits)}".encode()).hexdigest()
        return f"é {sum_[:6]}"
