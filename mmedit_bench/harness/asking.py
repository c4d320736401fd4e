"""Putting probes to a backbone so that it learns nothing but the question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mmedit_bench.cases import EditRequest, ImageRef, Probe, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.records import Reading

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone


class Replies(NamedTuple):
    """What a backbone says to a case's probes, in their order."""

    readings: tuple[Reading, ...]
    targets: tuple[tuple[int, ...], ...]
    """Token ids of the references."""


def ask(backbone: Backbone, probes: Sequence[Probe]) -> Replies:
    """Answer and teacher-force all probes, always as the one batch they are.

    Before and after an edit the same batch is asked, so that no difference between the two can come
    from batching. Raises `BenchError` for replies that no record can hold.
    """
    queries = [sealed(probe.query) for probe in probes]
    if not queries:
        return Replies((), ())
    answers = answered(backbone, queries)
    forced = backbone.score(queries, [probe.reference for probe in probes])
    readings = tuple(
        Reading(answer, tuple(int(token) for token in one.argmax_ids))
        for answer, one in zip(answers, forced, strict=True)
    )
    return Replies(readings, tuple(tuple(int(token) for token in one.target_ids) for one in forced))


def answered(backbone: Backbone, queries: Sequence[Query]) -> list[str]:
    """Answers fit for a record: one text per query, nothing that UTF-8 cannot write."""
    answers = backbone.answer(queries)
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


def sealed_request(request: EditRequest) -> EditRequest:
    """The request with a sealed query: all of a case that an editor is handed."""
    return EditRequest(request.id, sealed(request.query), request.target)
