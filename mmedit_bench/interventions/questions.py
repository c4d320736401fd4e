"""Where the questions of the batch at hand end, for interventions that act by the question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from mmedit_bench.errors import BenchError


@dataclass(frozen=True, eq=False)
class Asked:
    """One batch while it runs, in one forward pass or, with a cache, in several.

    Rows end together. The first pass holds every row's whole question; later ones hold the tokens
    that were written since. Each batch is an object of its own, so that a hook sees where one begins.
    """

    after: tuple[int, ...]
    """By row, how many positions of the first pass follow the question's last token: those of a forced
    answer and its closing token, none where the model is to write the answer."""


_CURRENT: ContextVar[Asked | None] = ContextVar("asked", default=None)


@contextmanager
def asking(after: Iterable[int] | Asked) -> Iterator[None]:
    """Say of the batch that runs inside the `with` block how its questions end; see `Asked.after`.

    A batch that is gone on with is handed in as the `Asked` that it began with.
    """
    token = _CURRENT.set(after if isinstance(after, Asked) else Asked(tuple(after)))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def asked() -> Asked:
    """The batch that runs now. Raises `BenchError` where a model is run without saying it."""
    found = _CURRENT.get()
    if found is None:
        raise BenchError(
            "an intervention needs to know where questions end, and the model was run without saying so; "
            "ask through a Backbone, or run inside `asking`"
        )
    return found
