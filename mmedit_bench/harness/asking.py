"""Putting probes to a backbone so that it learns nothing but the question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mmedit_bench.cases import EditRequest, ImageRef, Probe, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.evidence import DEFAULT, KL, TOP10, Reading, rounded

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


class Replies(NamedTuple):
    """What a backbone says to a case's probes, in their order."""

    readings: tuple[Reading, ...]
    targets: tuple[tuple[int, ...], ...]
    """Token ids of the references."""


def ask(backbone: Backbone, probes: Sequence[Probe], kinds: Sequence[str] = DEFAULT) -> Replies:
    """Answer and teacher-force all probes, always as the one batch they are.

    Before and after an edit the same batch is asked, so that no difference between the two can come
    from batching. `kinds` of evidence are read. Raises `BenchError` for replies that no record can
    hold.
    """
    queries = [sealed(probe.query) for probe in probes]
    if not queries:
        return Replies((), ())
    references = [probe.reference for probe in probes]
    replies = backbone.read(queries, references)
    answers = recordable([answer for answer, _ in replies], queries)
    forced = [one for _, one in replies]
    # a query that a route answers has a text, and no distribution that anything could be read from
    open_ones = [i for i, one in enumerate(forced) if one.argmax_ids is not None]
    further = _further(backbone, [queries[i] for i in open_ones], [references[i] for i in open_ones], kinds)
    readings = [Reading(answer) for answer in answers]
    for i, more in zip(open_ones, further, strict=True):
        argmax = tuple(int(token) for token in forced[i].argmax_ids or ())
        readings[i] = Reading(answers[i], argmax, rounded(forced[i].logprobs or ()), **more)
    return Replies(tuple(readings), tuple(tuple(int(token) for token in one.target_ids) for one in forced))


def _further(
    backbone: Backbone, queries: Sequence[Query], references: Sequence[str], kinds: Sequence[str]
) -> list[dict[str, Any]]:
    """Evidence beyond the default kinds, by query."""
    found: list[dict[str, Any]] = [{} for _ in queries]
    if TOP10 in kinds and queries:
        for own, rows in zip(found, backbone.top_tokens(queries, references, 10), strict=True):
            own[TOP10] = rows
    if KL in kinds and queries:
        for own, numbers in zip(found, backbone.divergences(queries, references), strict=True):
            own[KL] = rounded(numbers)
    return found


def answered(backbone: Backbone, queries: Sequence[Query]) -> list[str]:
    """Answers fit for a record: one text per query, nothing that UTF-8 cannot write."""
    return recordable(backbone.answer(queries), queries)


def recordable(answers: Sequence[str], queries: Sequence[Query]) -> list[str]:
    """The answers as a record can hold them. Raises `BenchError` unless there is one text per query."""
    if len(answers) != len(queries) or not all(isinstance(answer, str) for answer in answers):
        raise BenchError(f"{len(queries)} queries need as many texts as answers")
    return [writable(answer) for answer in answers]


def writable(text: str) -> str:
    """`text` with "?" for lone surrogates, the only characters that UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode()


def sealed(query: Query) -> Query:
    """The query with its picture's bytes in place of the suite's opener.

    An opener may lead back to the suite and so to probes; bytes lead nowhere.
    """
    if query.image is None:
        return query
    return Query(query.prompt, ImageRef(query.image.digest, partial(bytes, query.image.bytes())))


def sealed_request(request: EditRequest, opaque: str) -> EditRequest:
    """The request with a sealed query, under an id that means something to this run only.

    All of a case that an editor is handed: under its own id it could be looked up in the data set.
    """
    return EditRequest(opaque, sealed(request.query), request.target)
