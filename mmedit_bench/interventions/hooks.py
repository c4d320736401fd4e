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


def acts_from(intervention: Intervention, layout: Layout) -> int | None:
    """First decoder layer at which it acts on the model itself; None if it never does.

    0 for one that installs hooks and does not say where.
    """
    first = intervention.first_layer(layout)
    if first is None and type(intervention).attach is not Intervention.attach:
        return 0
    return first


def stateless(interventions: Iterable[Intervention]) -> bool:
    """Whether all of them say of their own type that they are."""
    return all(vars(type(item)).get("stateless", False) for item in interventions)
