"""Outputs of a module that are replaced where the question is near one that was edited."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import (
    EMPTY,
    Intervention,
    Layout,
    register_intervention,
    submodule,
)
from mmedit_bench.interventions.questions import Asked, asked
from mmedit_bench.interventions.shared import Shared

WHERE = ("last", "prompt", "all")
SAME = 1e-3
"""Two keys this near each other, as a share of their length, are of one question."""
MARGIN = 0.01
"""By this share of a key's length a radius that grows reaches beyond the key: rounding moves a state by
less, also in bfloat16 and between batches."""


class Meeting(NamedTuple):
    """What becomes of a new entry: how it stands to the nearest key, which that is, and how far."""

    kind: Literal["apart", "same", "split", "again"]
    nearest: int
    distance: float


@dataclass(frozen=True, eq=False)
class Codebook(Intervention):
    """n entries (key [d], value [e], radius, label) at one place (Hartvigsen et al., NeurIPS 2023).

    The query of a row is what module `reads` reads at the last token of the question, picture and
    context included: one vector per row, taken in the first pass and kept for the whole answer. With
    k the nearest key (Euclid, the latest of equals), and only if the query is no farther from it than
    its radius, module `writes` gives that entry's value instead of its own output. `where` says at
    which positions:

    - "last": at the question's last token; the answer sees the value through attention.
    - "prompt": at every token up to that one.
    - "all": at every token, those of the answer included, written or forced.

    All other rows pass untouched, to the bit. The query is looked up row by row, so that neither the
    rows beside it nor padding matter.

    **Folding is the codebook's maintenance.** Of entries that are added one after the other, with k
    the nearest key to the new one, at distance d:

    - d > radius of k + new radius: the entry is added.
    - Their labels are the same: no key is added; the radius of k grows to d (and a `MARGIN`), and k
      takes the new value.
    - Their labels differ: the entry is added, and both radii shrink to d / 2 where they are larger.
    - Their labels differ and the keys are of one question (`SAME`): the new entry takes the old one's
      place, by the same rules towards the rest.

    Since an edit holds its own entry as it was made, folding anew without one is never to have had
    it: its key is gone, and radii that it moved are what they were.
    """

    reads: str
    writes: str
    where: str
    keys: Tensor
    values: Tensor
    radii: Tensor
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        n = len(self.labels)
        fits = self.keys.ndim == self.values.ndim == 2 and len(self.keys) == len(self.values) == n > 0
        if not fits or tuple(self.radii.shape) != (n,) or not self.radii.is_floating_point():
            shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self.tensors().items())
            raise BenchError(
                f"Codebook of {self.writes}: not [n, d], [n, e] and real [n] of {n} labels: {shapes}"
            )
        if self.where not in WHERE:
            raise BenchError(
                f"Codebook of {self.writes}: where is {self.where!r}; choose one of {', '.join(WHERE)}"
            )

    # ---- description

    def tensors(self) -> Mapping[str, Tensor]:
        return {"keys": self.keys, "values": self.values, "radii": self.radii}

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors and of the labels, which folding compares."""
        return super().nbytes + sum(len(label.encode()) for label in self.labels)

    def plain(self) -> Mapping[str, Any]:
        return {
            "reads": self.reads,
            "writes": self.writes,
            "where": self.where,
            "labels": list(self.labels),
        }

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared] = EMPTY
    ) -> Self:
        fields: dict[str, Any] = {**plain, **tensors}
        return cls(**fields)

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (self.reads, self.writes)

    # ---- folding

    @property
    def place(self) -> Hashable | None:
        # what derives from a codebook may act otherwise
        return ("codebook", self.reads, self.writes, self.where) if type(self) is Codebook else None

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not Codebook or not self._fits(other):
            return None
        book: Codebook = self
        for i in range(len(other.labels)):
            book = book._with(other._only([i]))
        return book

    def meeting(self, new: Codebook) -> Meeting:
        """What becomes of the single entry of `new`."""
        key, radius = new.keys[0].detach(), new.radii[0].item()
        distances = _distances(self.keys, key)
        index = _nearest(distances)
        distance = distances[index].item()
        if distance > self.radii[index].item() + radius:
            return Meeting("apart", index, distance)
        if self.labels[index] == new.labels[0]:
            return Meeting("same", index, distance)
        one = distance <= SAME * key.float().norm().item()
        return Meeting("again" if one else "split", index, distance)

    def _with(self, new: Codebook) -> Codebook:
        kind, index, distance = self.meeting(new)
        if kind == "again":
            rest = [i for i in range(len(self.labels)) if i != index]
            return self._only(rest)._with(new) if rest else new
        radii, values, radius = self.radii.clone(), self.values, new.radii
        if kind == "same":
            reach = distance + MARGIN * new.keys[0].float().norm().item()
            radii[index] = max(radii[index].item(), reach)
            values = torch.cat([values[:index], new.values, values[index + 1 :]])
            return replace(self, values=values, radii=radii)
        if kind == "split":
            radii[index] = min(radii[index].item(), distance / 2)
            radius = radius.clamp(max=distance / 2)
        return replace(
            self,
            keys=torch.cat([self.keys, new.keys]),
            values=torch.cat([values, new.values]),
            radii=torch.cat([radii, radius]),
            labels=(*self.labels, *new.labels),
        )

    def _only(self, chosen: list[int]) -> Codebook:
        return replace(
            self,
            keys=self.keys[chosen],
            values=self.values[chosen],
            radii=self.radii[chosen],
            labels=tuple(self.labels[i] for i in chosen),
        )

    def _fits(self, other: Codebook) -> bool:
        mine, theirs = self.tensors(), other.tensors()
        return all(
            mine[name].shape[1:] == theirs[name].shape[1:] and mine[name].dtype == theirs[name].dtype
            for name in mine
        )

    # ---- action

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        reader, writer = submodule(model, self.reads), submodule(model, self.writes)
        for path, module, name, own in (
            (self.reads, reader, "in_features", self.keys.shape[1]),
            (self.writes, writer, "out_features", self.values.shape[1]),
        ):
            if (width := getattr(module, name, own)) != own:
                what = "keys" if name == "in_features" else "values"
                raise BenchError(f"Codebook of {path}: {what} have width {own}, not {width}")
        lookup = _Lookup(self)
        yield reader.register_forward_pre_hook(lookup.read)
        yield writer.register_forward_hook(lookup.write)


class _Lookup:
    """A codebook while it acts: which entry each row of the batch at hand has."""

    def __init__(self, book: Codebook) -> None:
        self._book = book
        self._asked: Asked | None = None
        self._rows: Tensor | None = None
        """[rows]: index of the entry, -1 for none."""
        self._first = False

    def read(self, _: nn.Module, args: tuple[Tensor, ...]) -> None:
        """Look up the questions of a batch that begins; a batch goes on with what it found."""
        batch = asked()
        self._first = batch is not self._asked
        if not self._first:
            return
        self._asked = batch
        states = args[0].detach().reshape(len(batch.after), -1, args[0].shape[-1])
        if max(batch.after) >= states.shape[1]:
            raise BenchError(
                f"Codebook of {self._book.writes}: a batch begins after the end of its questions; the "
                "first pass must hold them"
            )
        keys, radii = self._book.keys.to(states.device), self._book.radii.to(states.device)
        found = []
        for row, after in enumerate(batch.after):
            distances = _distances(keys, states[row, -1 - after])
            index = _nearest(distances)
            found.append(index if bool(distances[index] <= radii[index]) else -1)
        self._rows = torch.tensor(found, device=states.device)

    def write(self, _: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert self._rows is not None and self._asked is not None
        rows = self._rows.to(output.device)
        if not bool((rows >= 0).any()):
            return output
        states = output.reshape(len(rows), -1, output.shape[-1])
        count = states.shape[1]
        places = torch.arange(count, device=states.device)[None]
        if self._book.where == "all":
            chosen = places >= 0
        elif not self._first:  # what is written now stands after the question
            return output
        else:
            last = count - 1 - torch.tensor(self._asked.after, device=states.device)[:, None]
            chosen = places == last if self._book.where == "last" else places <= last
        chosen = chosen & (rows >= 0)[:, None]
        values = self._book.values.to(states)[rows.clamp_min(0)][:, None]
        return torch.where(chosen[..., None], values, states).reshape(output.shape)


def _distances(keys: Tensor, query: Tensor) -> Tensor:
    """Euclidean distances [n] of keys [n, d] from a query [d]: a sum of squares, so that 0 is 0."""
    return (keys.detach().float() - query.float()).square().sum(-1).sqrt()


def _nearest(distances: Tensor) -> int:
    """The latest of the least."""
    return int((distances == distances.min()).nonzero()[-1])


register_intervention("codebook", Codebook)
