"""Retrieved hidden states that shift a self-attention output."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

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
from mmedit_bench.interventions.heads import Heads
from mmedit_bench.interventions.recall import Recall
from mmedit_bench.interventions.shared import Shared, digest_of

GATES = ("mass", "fixed", "similarity")
SPACES = ("state", "output")


@dataclass(frozen=True, eq=False)
class AttentionMemory(Intervention):
    """Latent in-context learning in one layer (Pan et al., NeurIPS 2024, Eq. 2 and 7).

    The memory holds m pairs of pre-attention states (what the attention module reads, after the
    layer norm): `index` [m, d] is searched, `states` [m, d] are read. At every position, by that
    position's own state h, near means a high cosine between h and an entry's index. Entries are read
    from two sorts:

    - The first sum(`groups`) entries are groups, of the given lengths: what one edit has to say, to
      be read whole. The group with the nearest entry is always read.
    - Of all the rest (later entries, those of the other groups, and those of `banks`, which several
      edits refer to, with tensors "index" and "states") the `top_k` nearest are read.

    The layer's own projections turn what is read into keys and values, its own query of h attends
    over them in one softmax, head by head, and

        output = w * h_know + (1 - w) * h_input

    before the output projection, which is the same as after it: the weights sum to one. `gate`
    says what w, the weight of the knowledge, is:

    - "mass": by head, the share of attention that knowledge gets in one softmax over [knowledge;
      input]. The output is then that of in-context learning (Eq. 2, 8, 9; alpha = 1 - w).
    - "fixed": `weight`.
    - "similarity": s = cosine of Enc(knowledge) and the input, Enc being the MLP `encoder` (W1, b1,
      W2, b2, ...; GELU in between), own tensors or a shared part whose names sort in that order.
      `space` "state" compares the attention-weighted mean of the states with h; "output" compares
      h_know with h_input, both projected (Eq. 7 as printed). With `floor` f, s becomes
      max(0, (s - f) / (1 - f)). w is s, or 1 - s if `on_input` (Eq. 7 puts alpha on the input).

    Memories of one layer with the same gate, encoder and `top_k` fold into one, with the groups of
    all and each bank once. That is what a sequence of edits means: one after the other, each would
    multiply the input's share by (1 - w) once more until nothing of the input is left. For the same
    reason only one group is always read: the others compete with the store. Groups and banks are
    ordered by their content, so the order of the edits does not matter, to the bit.

    Knowledge has no position: where keys are rotated, an entry stands at the reader's own position, on
    every axis that positions have.
    The gate is taken position by position, so decoding and teacher forcing agree.
    """

    stateless: ClassVar[bool] = True
    layer: int
    index: Tensor
    states: Tensor
    top_k: int
    gate: str = "mass"
    weight: float = 0.0
    groups: tuple[int, ...] = ()
    on_input: bool = False
    space: str = "state"
    floor: float = 0.0
    encoder: tuple[Tensor, ...] | Shared = ()
    banks: tuple[Shared, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", tuple(self.groups))
        object.__setattr__(self, "banks", tuple(self.banks))
        if not isinstance(self.encoder, Shared):
            object.__setattr__(self, "encoder", tuple(self.encoder))
        if problem := self._problem():
            raise BenchError(f"AttentionMemory of layer {self.layer}: {problem}")

    def _problem(self) -> str | None:
        for bank in self.banks:
            if not {"index", "states"} <= bank.tensors.keys():
                return f"a bank holds {', '.join(sorted(bank.tensors))}, not index and states"
        for index, states in ((self.index, self.states), *(_pair(bank) for bank in self.banks)):
            shape = tuple(index.shape)
            if len(shape) != 2 or tuple(states.shape) != shape or shape[1] != self.index.shape[1]:
                return f"index {shape} and states {tuple(states.shape)} are not both [m, d], d alike in banks"
        if self.gate not in GATES:
            return f"gate {self.gate!r} is not one of {', '.join(GATES)}"
        if self.space not in SPACES:
            return f"space {self.space!r} is not one of {', '.join(SPACES)}"
        own = sum(self.groups)
        count = len(self.index) + sum(len(bank.tensors["index"]) for bank in self.banks)
        if min((*self.groups, 1)) < 1 or own > len(self.index):
            return f"groups {self.groups} are empty or hold more than the {len(self.index)} entries"
        if self.top_k < 0 or not count or not (own or self.top_k):
            return f"top_k {self.top_k} and groups {self.groups} choose no entries of {count}"
        if not 0 <= self.weight <= 1 or not -1 <= self.floor < 1:
            return f"weight {self.weight} is not in [0, 1], or floor {self.floor} not in [-1, 1)"
        mlp = self.mlp
        if (self.gate == "similarity") != bool(mlp) or len(mlp) % 2:
            return f"gate {self.gate!r} with {len(mlp)} encoder tensors; similarity needs (W, b) pairs"
        return self._encoder_problem(self.index.shape[1])

    def _encoder_problem(self, d: int) -> str | None:
        width = d
        mlp = self.mlp
        for number, (weight, bias) in enumerate(zip(mlp[::2], mlp[1::2], strict=True)):
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
                return f"W and b {number + 1} of the encoder are {shapes}, not [h, {width}] and [h]"
            width = weight.shape[0]
        return None if width == d else f"the encoder writes width {width}, not {d}; make its last W [{d}, h]"

    # ---- description

    @property
    def mlp(self) -> tuple[Tensor, ...]:
        """The encoder's tensors."""
        if isinstance(self.encoder, Shared):
            return tuple(self.encoder.tensors[name] for name in sorted(self.encoder.tensors))
        return self.encoder

    def tensors(self) -> Mapping[str, Tensor]:
        own = {} if isinstance(self.encoder, Shared) else _numbered("encoder", self.encoder)
        return {"index": self.index, "states": self.states} | own

    def shared(self) -> Mapping[str, Shared]:
        coder = {"encoder": self.encoder} if isinstance(self.encoder, Shared) else {}
        return _numbered("bank", self.banks) | coder

    def plain(self) -> Mapping[str, Any]:
        names = ("layer", "top_k", "gate", "weight", "on_input", "space", "floor")
        return {name: getattr(self, name) for name in names} | {"groups": list(self.groups)}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared] = EMPTY
    ) -> Self:
        own = tuple(tensors[name] for name in sorted(tensors) if name.startswith("encoder."))
        banks = tuple(shared[name] for name in sorted(shared) if name.startswith("bank."))
        found: dict[str, Any] = {"encoder": shared.get("encoder", own), "banks": banks}
        return cls(index=tensors["index"], states=tensors["states"], **found, **plain)

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (layout.attention(self.layer),)

    # ---- folding

    @property
    def place(self) -> Hashable | None:
        if type(self) is not AttentionMemory:
            return None  # what derives from a memory may act otherwise
        gate = (self.gate, self.weight, self.on_input, self.space, self.floor)
        return ("memory", self.layer, self.top_k, *gate, self._encoder_digest)

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not AttentionMemory or self.index.shape[1] != other.index.shape[1]:
            return None
        groups = sorted((*self._blocks, *other._blocks), key=lambda block: block.digest)
        banks = {bank.digest: bank for bank in (*self._all_banks, *other._all_banks)}
        made = replace(
            self,
            index=torch.cat([block.index for block in groups] or [self.index[:0]]),
            states=torch.cat([block.states for block in groups] or [self.states[:0]]),
            groups=tuple(len(block.index) for block in groups),
            banks=tuple(banks[digest] for digest in sorted(banks)),
        )
        made.__dict__["_blocks"] = tuple(groups)  # their digests are known
        return made

    @cached_property
    def _encoder_digest(self) -> str:
        if isinstance(self.encoder, Shared):
            return self.encoder.digest
        # the name of a shared part with these tensors, so that an own one merges with its equal
        return digest_of({f"{number:02}": tensor for number, tensor in enumerate(self.encoder)})

    @cached_property
    def _blocks(self) -> tuple[_Block, ...]:
        """The groups, one by one."""
        own = sum(self.groups)
        if not own:
            return ()
        lengths = list(self.groups)
        parts = zip(
            torch.split(self.index[:own], lengths), torch.split(self.states[:own], lengths), strict=True
        )
        return tuple(_Block(index, states) for index, states in parts)

    @cached_property
    def _all_banks(self) -> tuple[Shared, ...]:
        """The banks, and own entries outside of groups as one more."""
        own = sum(self.groups)
        if own == len(self.index):
            return self.banks
        return (*self.banks, Shared({"index": self.index[own:], "states": self.states[own:]}))

    # ---- action

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        attention = submodule(model, layout.attention(self.layer))
        heads, out = Heads.of(attention, layout), submodule(attention, layout.attention_linears[3])
        if (width := getattr(heads.q, "in_features", None)) != self.index.shape[1]:
            raise BenchError(
                f"AttentionMemory of layer {self.layer}: states have width {self.index.shape[1]}, not {width}"
            )
        if self.gate == "fixed" and self.weight == 0:
            return  # no bit of the base may change
        assert isinstance(out, nn.Linear)
        recall = Recall(self, attention, heads, out)
        yield attention.register_forward_pre_hook(recall.remember, with_kwargs=True)
        yield out.register_forward_pre_hook(recall.shift)

    def sources(self) -> tuple[Tensor, ...]:
        """The tensors that `entries` is made of."""
        return (self.index, self.states, *(tensor for bank in self.banks for tensor in _pair(bank)))

    def entries(self) -> tuple[Tensor, Tensor]:
        """Index and states of all entries, those of the banks last: [m, d] each."""
        pairs = [(self.index, self.states), *(_pair(bank) for bank in self.banks)]
        index, states = zip(*((i.to(self.index), s.to(self.states)) for i, s in pairs), strict=True)
        return torch.cat(index), torch.cat(states)


@dataclass(frozen=True, eq=False)
class _Block:
    """One group of entries."""

    index: Tensor
    states: Tensor

    @cached_property
    def digest(self) -> str:
        return digest_of({"index": self.index, "states": self.states})


def _pair(bank: Shared) -> tuple[Tensor, Tensor]:
    return bank.tensors["index"], bank.tensors["states"]


def _numbered(start: str, items: tuple[Any, ...]) -> dict[str, Any]:
    return {f"{start}.{number:02}": item for number, item in enumerate(items)}


register_intervention("attention_memory", AttentionMemory)
