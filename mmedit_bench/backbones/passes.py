"""Forward passes of one model over rows, with nothing computed twice that was computed before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from mmedit_bench.backbones.families import Family
from mmedit_bench.backbones.forcing import answer_logits
from mmedit_bench.backbones.inputs import Batch, Row
from mmedit_bench.backbones.kept import Kept, Watch
from mmedit_bench.backbones.placement import altered
from mmedit_bench.backbones.prompted import Prompted
from mmedit_bench.backbones.replay import Below, Heard, Pair, hearing, key_of, standing_in
from mmedit_bench.interventions import Asked, asking

F = TypeVar("F")
Make = Callable[[Sequence[Row]], Batch]
"""Packs rows, with the edits acting."""


class Passes:
    """Runs a model; shared by all views of a backbone.

    Where a call says that all that acts on the model acts from layer `depth` on, what enters that
    layer is remembered by the batch it is of, and the layers below stand still the next time. Depth
    0 says that something may act anywhere: nothing is remembered.
    """

    def __init__(self, model: nn.Module, family: Family, layers: str) -> None:
        self._family = family
        found = model.get_submodule(layers)
        assert isinstance(found, nn.ModuleList)
        self._layers = found
        embedding = family.embedding
        self._below = [
            [embedding, *(m for layer in found[:n] for m in layer.modules())] for n in range(len(found) + 1)
        ]
        self._watch = Watch(model)
        self.kept = Kept()

    def fresh(self) -> bool:
        """Look whether the weights changed, and forget everything if so; False then."""
        changed = self._watch.changed()
        if changed:
            self.kept.clear()
        return not changed

    def answer_logits(self, rows: Sequence[Row], depth: int, make: Make) -> list[Tensor]:
        """Logits [answer tokens, vocabulary] that predict each row's answer."""
        return self._run(rows, depth, make, lambda batch: answer_logits(self._family, batch, rows))

    @torch.no_grad()
    def prompted(self, rows: Sequence[Row], depth: int, make: Make) -> Prompted:
        """The rows, read; they have no answers."""
        cache, asked = self._family.cache(), Asked((0,) * len(rows))

        def run(batch: Batch) -> Prompted:
            with asking(asked):
                logits = self._family.run(
                    batch.embeddings, batch.mask, batch.positions, batch.kinds, keep=1, cache=cache
                )
            return Prompted(self._family, logits[:, -1], cache, batch.mask, batch.positions[:, -1], asked)

        return self._run(rows, depth, make, run, cache)

    @torch.no_grad()
    def continued(self, rows: Sequence[Row], shared: Sequence[int], make: Make) -> Prompted:
        """As `prompted`, of an unedited model: the first `shared` ids of each row are read once.

        Keys and values of such a beginning, its picture included, are remembered. It is read by
        itself, so that they do not depend on the rows beside it.
        """
        self.fresh()
        starts = [self._start(row, count, make) for row, count in zip(rows, shared, strict=True)]
        longest = max(start.length for start in starts)
        device = self._family.embedding.weight.device
        blank = torch.tensor([longest - start.length for start in starts], device=device)
        mask = (torch.arange(longest, device=device) >= blank[:, None]).long()
        cache = self._family.cache()
        for layer, parts in enumerate(zip(*(start.pairs for start in starts), strict=True)):
            keys, values = (
                torch.cat([_padded(x, longest) for x in side]) for side in zip(*parts, strict=True)
            )
            cache.update(keys, values, layer)
        rest = [row.ids[count:] for row, count in zip(rows, shared, strict=True)]
        counts = [len(ids) for ids in rest]
        most = max(counts)
        asked = Asked((0,) * len(rows))
        prompted = Prompted(self._family, mask.new_zeros(0), cache, mask, longest - blank - 1, asked)
        ids = torch.tensor([[*own, *[0] * (most - len(own))] for own in rest], device=device)
        logits = prompted.read(ids, torch.tensor(counts, device=device))
        last = torch.tensor(counts, device=device) - 1
        prompted.logits = logits[torch.arange(len(rows), device=device), last]
        if min(counts) < most:
            prompted.back_to(range(len(rows)), counts, most)
        return prompted

    def _start(self, row: Row, count: int, make: Make) -> Start:
        own = Row(row.image, row.ids[:count], (), row.length - len(row.ids) + count, row.place)
        key = ("start", key_of([own]))
        start = self.kept.get(key, Start)
        if start is None:
            cache, batch = self._family.cache(), make([own])
            self._family.run(batch.embeddings, batch.mask, batch.positions, batch.kinds, keep=1, cache=cache)
            start = Start(own.length, _pairs(cache, len(self._layers)))
            self.kept.put(key, start)
        return start

    def _run(
        self, rows: Sequence[Row], depth: int, make: Make, run: Callable[[Batch], F], cache: Any = None
    ) -> F:
        # a hook below wants to be called, whatever it is for
        if not depth or any(map(altered, self._below[depth])):
            return run(make(rows))
        self.fresh()
        key = ("below", depth, cache is not None, key_of(rows))
        below = self.kept.get(key, Below)
        if below is None:
            batch = make(rows)
            with hearing(self._layers[depth - 1]) as heard:
                found = run(batch)
            self._remember(key, batch, heard, _pairs(cache, depth))
            return found
        with standing_in(self._layers, depth, below):
            found = run(below.batch)
        # only now: a cache that holds something is taken for a text that is gone on with
        for layer, (keys, values) in enumerate(below.pairs):
            cache.update(keys, values, layer)
        return found

    def _remember(self, key: Any, batch: Batch, heard: Heard, pairs: tuple[Pair, ...]) -> None:
        # what carries a gradient is of an edit after all, whatever its `first_layer` says
        if heard.states is not None and not heard.states.requires_grad:
            self.kept.put(key, Below(batch, heard.states.detach(), heard.in_tuple, pairs))


@dataclass(frozen=True)
class Start:
    """How a question begins: its length, and keys and values [1, heads, length, e] by layer."""

    length: int
    pairs: tuple[Pair, ...]

    def tensors(self) -> Iterator[Tensor]:
        """All that is kept."""
        for pair in self.pairs:
            yield from pair


def _padded(x: Tensor, length: int) -> Tensor:
    """[1, heads, n, e] -> [1, heads, length, e], zeros in front."""
    return pad(x, (0, 0, length - x.shape[2], 0))


def _pairs(cache: Any, depth: int) -> tuple[Pair, ...]:
    if cache is None:
        return ()
    return tuple((layer.keys, layer.values) for layer in cache.layers[:depth])
