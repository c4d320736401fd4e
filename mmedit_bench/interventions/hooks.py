"""Hooks live for one call: installed on entry, gone on exit, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from mmedit_bench.interventions.base import Intervention, Layout


@contextmanager
def attached(model: nn.Module, layout: Layout, interventions: Iterable[Intervention]) -> Iterator[None]:
    """Let the interventions act on the model inside the `with` block, in their order.

    Hooks sit on the shared module objects, so two threads must not use one model at a time.
    """
    with ExitStack() as stack:
        for intervention in interventions:
            for handle in intervention.attach(model, layout):
                stack.callback(handle.remove)
        yield
