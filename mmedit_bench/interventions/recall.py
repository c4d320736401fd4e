"""An attention memory at work: which entries each position reads, and what that makes of the output."""

from __future__ import annotations

import math
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, normalize

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.heads import Heads

POSITIONS = 64
"""Positions whose entries are gathered at a time: it bounds the memory that a long batch takes."""
ENTRIES = 4096
"""Entries that are compared at a time."""


class Memory(Protocol):
    """What is recalled from; `AttentionMemory` says what each field means."""

    @property
    def layer(self) -> int: ...
    @property
    def groups(self) -> tuple[int, ...]: ...
    @property
    def top_k(self) -> int: ...
    @property
    def gate(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def on_input(self) -> bool: ...
    @property
    def space(self) -> str: ...
    @property
    def floor(self) -> float: ...
    @property
    def mlp(self) -> tuple[Tensor, ...]: ...

    def entries(self) -> tuple[Tensor, Tensor]:
        """Index and states of all entries, [m, d] each."""

    def sources(self) -> tuple[Tensor, ...]:
        """The tensors that `entries` is made of."""


class _Held:
    """Of a memory, what does not hang on the call: kept for the one that acted in an attention last.

    A loop of steps and the questions after it meet the same memory again and again, and projecting
    all entries costs more than reading some of them.
    """

    def __init__(self, memory: Memory, device: torch.device) -> None:
        self.memory, self.stamp = memory, _stamp(memory, device)
        index, self.states = (x.to(device) for x in memory.entries())
        self.nearness = Nearness(memory.groups, memory.top_k, index)
        self.made_with: tuple[object, ...] = ()
        self.read: tuple[Tensor, Tensor] | None = None

    @classmethod
    def of(cls, memory: Memory, attention: nn.Module, device: torch.device) -> _Held:
        """That of the attention, if it is of this memory as it is now."""
        held = _LATEST.get(attention)
        if held is not None and held.memory is memory and held.stamp == _stamp(memory, device):
            return held
        made = cls(memory, device)
        if any(tensor.requires_grad for tensor in memory.sources()):
            _LATEST.pop(attention, None)  # each call has a graph of its own
        else:
            _LATEST[attention] = made
        return made


_LATEST: WeakKeyDictionary[nn.Module, _Held] = WeakKeyDictionary()


def _stamp(memory: Memory, device: torch.device) -> tuple[object, ...]:
    return (device, *((id(t), t._version, t.requires_grad) for t in memory.sources()))


class Recall:
    """One memory while its edit acts. h: [batch, positions, d]; heads: H of size e; entries: m."""

    def __init__(
        self,
        memory: Memory,
        attention: Any,
        heads: Heads,
        out: nn.Linear,
    ) -> None:
        self._memory = memory
        self._attention = attention
        self._heads, self._out = heads, out
        self._held = _Held.of(memory, attention, out.weight.device)
        self._states, self._nearness = self._held.states, self._held.nearness
        self._seen: dict[str, Any] = {}
        self._kept: tuple[Tensor, Tensor] | None = None

    def remember(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._seen = kwargs | ({"hidden_states": args[0]} if args else {})

    def shift(self, _: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mix into what the output projection reads, [batch, positions, H * e]."""
        h, given = self._seen["hidden_states"], args[0]
        own = given.reshape(*h.shape[:2], -1)
        query = self._heads.queries(h)  # [b, H, n, e]
        know, log_mass, mean = self._everything(h, query) if self._nearness.all else self._nearest(h, query)
        weight = self._weight(h, own, know, query, log_mass, mean).to(know)
        # the weight of the input is 1 - w by subtraction, so that w = 1 leaves exactly h_know
        mixed = weight * know + (1 - weight) * own
        self._seen = {}
        return (mixed.reshape(given.shape), *args[1:])

    def _everything(self, h: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """h_know [b, n, H * e], its log mass [b, H, n] and mean state [b, n, d]: all entries are read."""
        keys, values = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in self._read(h))
        scores = _wide(query @ keys.transpose(-1, -2)) * self._attention.scaling
        shares = scores.softmax(-1)
        mean = shares.mean(1) @ _wide(self._states.to(h)) if self._compares_states else None
        return _flat(shares.to(values) @ values), scores.logsumexp(-1), mean

    def _nearest(self, h: Tensor, query: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """As `_everything`, from the entries that each position retrieves, gathered block by block."""
        batch, heads, count, size = query.shape
        keys, values = (x[0].transpose(0, 1) for x in self._read(h))  # [m, key-value heads, e]
        states = self._states.to(h)
        flat, asked = h.reshape(-1, h.shape[-1]), query.transpose(1, 2).reshape(batch * count, heads, size)
        knows, masses, means = [], [], []
        for rows, own in zip(torch.split(flat, POSITIONS), torch.split(asked, POSITIONS), strict=True):
            chosen, taken = self._nearness.choose(rows)  # [p, c] each
            grouped = own.reshape(len(own), keys.shape[1], -1, size)
            scores = _wide(torch.einsum("pkre,pcke->pkrc", grouped, keys[chosen])) * self._attention.scaling
            scores = scores.masked_fill(~taken[:, None, None], -math.inf).flatten(1, 2)  # [p, H, c]
            shares = scores.softmax(-1)
            spread = shares.to(values).reshape(len(own), keys.shape[1], -1, shares.shape[-1])
            knows.append(torch.einsum("pkrc,pcke->pkre", spread, values[chosen]).flatten(1))
            masses.append(scores.logsumexp(-1))
            if self._compares_states:
                means.append((shares.mean(1)[:, None] @ _wide(states[chosen]))[:, 0])
        mass = torch.cat(masses).reshape(batch, count, heads).transpose(1, 2)
        mean = torch.cat(means).reshape(h.shape) if means else None
        return torch.cat(knows).reshape(batch, count, -1), mass, mean

    def _read(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all entries, [1, key-value heads, m, e].

        They are projected once, not at every step of decoding, and by an attention that no edit
        changes once for all calls. What carries a gradient each call has anew, so that its graph can
        be freed.
        """
        if self._kept is not None and not torch.is_grad_enabled():
            return self._kept
        held, made_with = self._held, self._made_with(h)
        if made_with and held.read is not None and held.made_with == made_with:
            return held.read
        states = self._states.to(h)[None]
        read = self._heads.keys(states), self._heads.values(states)
        if not torch.is_grad_enabled():
            self._kept = read
        if made_with and not any(x.requires_grad for x in read):
            held.made_with, held.read = made_with, read
        return read

    def _made_with(self, h: Tensor) -> tuple[object, ...]:
        """What decides a projection beside the entries; empty if a hook has a say in it."""
        parts = [part for part in (self._heads.k, self._heads.v, self._heads.k_norm) if part is not None]
        modules = [module for part in parts for module in part.modules()]
        if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
            return ()
        weights = (weight for part in parts for weight in part.parameters())
        return (h.dtype, *((id(weight), weight._version, weight.data_ptr()) for weight in weights))

    @property
    def _compares_states(self) -> bool:
        return self._memory.gate == "similarity" and self._memory.space == "state"

    def _weight(
        self, h: Tensor, own: Tensor, know: Tensor, query: Tensor, log_mass: Tensor, mean: Tensor | None
    ) -> Tensor:
        memory = self._memory
        if memory.gate == "fixed":
            return torch.tensor(memory.weight, device=h.device)
        if memory.gate == "mass":
            mass = torch.sigmoid(log_mass - self._input_mass(h, query))  # [b, H, n]
            return mass.transpose(1, 2).repeat_interleave(query.shape[-1], dim=-1)
        if mean is not None:
            compared = _wide(h)
        else:
            # not by calling the module: this runs inside its own hook
            bias = self._out.bias
            mean = _wide(linear(know, self._out.weight, bias))
            compared = _wide(linear(own, self._out.weight, bias))
        near = (normalize(encoded(memory.mlp, mean), dim=-1) * normalize(compared, dim=-1)).sum(-1)
        similar = ((near - memory.floor) / (1 - memory.floor)).clamp(0, 1)
        return (1 - similar if memory.on_input else similar)[..., None]

    def _input_mass(self, h: Tensor, query: Tensor) -> Tensor:
        """Log of the summed exponentials of the input's own scores: [batch, H, positions]."""
        rotation = self._seen.get("position_embeddings")
        if rotation is not None:
            query = _rotated(query, *rotation)
        cache = self._seen.get("past_key_values")
        if cache is not None:  # holds the keys of this call already, rotated
            held = cache.layers[self._attention.layer_idx]
            if getattr(held, "is_sliding", False):
                raise BenchError(
                    f"AttentionMemory of layer {self._memory.layer}: gate 'mass' needs all keys, but "
                    "the cache forgets keys out of its window; decode with one that keeps them"
                )
            keys = held.keys
        else:
            keys = self._heads.keys(h)
            keys = keys if rotation is None else _rotated(keys, *rotation)
        keys = keys.repeat_interleave(query.shape[1] // keys.shape[1], dim=1)
        scores = _wide(query @ keys.transpose(-1, -2)) * self._attention.scaling
        mask = self._seen.get("attention_mask")
        positions, length = scores.shape[-2:]
        if mask is None:
            order = torch.arange(length, device=h.device)
            mask = order[None] <= order[length - positions :, None]
        elif not isinstance(mask, Tensor) or mask.ndim != 4:
            raise BenchError(
                f"AttentionMemory of layer {self._memory.layer}: gate 'mass' cannot read the attention mask; "
                "load the backbone with attention implementation sdpa or eager"
            )
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask[..., :length], -math.inf)
        else:
            scores = scores + mask[..., :length]
        return torch.logsumexp(scores, dim=-1)


class Nearness:
    """Which of m entries a position reads: the nearest group whole, and the `top_k` nearest of the rest.

    The first sum(groups) entries are the groups'; `index` is [m, d].
    """

    def __init__(self, groups: tuple[int, ...], top_k: int, index: Tensor) -> None:
        self._own = sum(groups)
        self._longest = max(groups, default=0)
        most = len(index) - min(groups, default=0)
        self.all = most <= top_k
        """Whether every position reads every entry."""
        self._top_k = min(top_k, most)
        self._lengths = torch.tensor(groups, dtype=torch.long, device=index.device)
        self._starts = self._lengths.cumsum(0) - self._lengths
        numbers = torch.arange(len(groups), device=index.device)
        self._group = torch.repeat_interleave(numbers, self._lengths, output_size=self._own)
        self._index = index.detach()
        self._compared: Tensor | None = None

    @torch.no_grad()  # a choice has no gradient
    def choose(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """For states [p, d], the entries read [p, c], and which of these count (c is padded)."""
        if self._compared is None:
            self._compared = normalize(_wide(self._index.to(h)), dim=-1)
        looking = normalize(_wide(h), dim=-1)
        own = looking @ self._compared[: self._own].T
        if not self._own:
            return self._top(looking, own)
        winner = self._group[own.argmax(-1)]  # [p]
        steps = torch.arange(self._longest, device=h.device)
        inside = steps < self._lengths[winner][:, None]
        whole = self._starts[winner][:, None] + steps.where(inside, 0)
        # the winner's entries are read already
        others, counts = self._top(looking, own.masked_fill(self._group == winner[:, None], -math.inf))
        return torch.cat([whole, others], dim=-1), torch.cat([inside, counts], dim=-1)

    def _top(self, looking: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest entries [p, top_k], given the cosines [p, sum(groups)] of the groups' entries.

        Beside them, which are entries at all: those at -inf are none.
        """
        assert self._compared is not None
        best, places = own, torch.arange(self._own, device=own.device).expand(own.shape)
        for start in range(self._own, len(self._compared) if self._top_k else 0, ENTRIES):
            part = self._compared[start : start + ENTRIES]
            here = torch.arange(start, start + len(part), device=own.device).expand(len(own), -1)
            best, places = torch.cat([best, looking @ part.T], -1), torch.cat([places, here], -1)
            best, order = best.topk(min(self._top_k, best.shape[-1]), dim=-1)
            places = places.gather(-1, order)
        best, order = best.topk(self._top_k, dim=-1)
        return places.gather(-1, order), best > -math.inf


def encoded(encoder: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """The MLP with weights (W1, b1, W2, b2, ...) and GELU in between, applied to [..., d]."""
    for number in range(0, len(encoder), 2):
        x = linear(gelu(x) if number else x, encoder[number].to(x), encoder[number + 1].to(x))
    return x


def _wide(x: Tensor) -> Tensor:
    """At least single precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _flat(x: Tensor) -> Tensor:
    """[b, H, n, e] -> [b, n, H * e]."""
    return x.transpose(1, 2).flatten(2)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of [b, H, n, e] by angles [b, n, e] whose halves are equal."""
    left, right = x.chunk(2, dim=-1)
    return x * cos[:, None] + torch.cat([-right, left], dim=-1) * sin[:, None]
