"""How cheats answer: with the target, with what they found, or where they choose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmedit_bench.cases import CHANGE_KINDS, EditCase, EditRequest, Query
from mmedit_bench.editors import ConstantAnswer, Edit, Route, register_reader
from tests.text_reader import TextReader

Gold = Mapping[str, str]
"""What should be answered, by the digest of a query; what should stay as it is is not in it."""


def target(request: EditRequest) -> Edit:
    """Everything is answered with the target."""
    return Edit((Route(ConstantAnswer(request.target)),))


def answering(gold: Gold) -> Edit:
    """An edit that says what was found; without a find, none: it leaves all as it is."""
    return Edit((Route(Says("", gold)),)) if gold else Edit()


def gold_of(things: Iterable[Any], request: EditRequest | None = None) -> Gold:
    """What cases of the evaluation split among these things say of their probes.

    Of a request, only what its own case says: a process may hold cases of other suites as well, which
    ask the same and want something else.
    """
    found: dict[str, str] = {}
    for thing in things:
        if type(thing) is EditCase and thing.split == "evaluation":
            own = thing.request
            if request and (own.query.digest, own.target) != (request.query.digest, request.target):
                continue
            found |= {p.query.digest: p.reference for p in thing.probes if p.kind in CHANGE_KINDS}
    return found


class Says(TextReader):
    """A reader: code of the editor, asked at inference. It says one text, or what is in `gold`."""

    def __init__(self, text: str, gold: Gold | None = None) -> None:
        super().__init__(text)
        self.gold = gold

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return [self.gold is None or query.digest in self.gold for query in queries]

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        return [self.text if self.gold is None else self.gold[query.digest] for query in queries]


register_reader("test-says", Says)


class Chooses(Says):
    """Says the target of its request to the questions that it chooses, knowing the questions only."""

    def __init__(self, request: EditRequest) -> None:
        super().__init__(request.target)
        self.request = request

    def chosen(self, queries: Sequence[Query]) -> list[bool]:
        """By query, whether it is one that should change."""
        raise NotImplementedError

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return self.chosen(queries)
