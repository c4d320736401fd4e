"""Retrieved hidden states that shift a self-attention output."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, normalize
from torch.utils.hooks import RemovableHandle

from mmedit_bench.errors import BenchError
from mmedit_bench.interventions.base import Intervention, Layout, register_intervention, submodule
from mmedit_bench.interventions.heads import Heads

GATES = ("mass", "fixed", "similarity")
SPACES = ("state", "output")


@dataclass(frozen=True, eq=False)
class AttentionMemory(Intervention):
    """Latent in-context learning in one layer (Pan et al., NeurIPS 2024, Eq. 2 and 7).

    The memory holds m pairs of pre-attention states (what the attention module reads, after the
    layer norm): `index` [m, d] is searched, `states` [m, d] are read. At every position, by that
    position's own state h, the `top_k` entries with the highest cosine between h and `index` are
    retrieved, beside the first `pinned` entries, which always are. The layer's own projections turn
    their states into keys and values, its own query of h attends over them, head by head, and

        output = w * h_know + (1 - w) * h_input

    before the output projection, which is the same as after it: the weights sum to one. `gate`
    says what w, the weight of the knowledge, is:

    - "mass": by head, the share of attention that knowledge gets in one softmax over [knowledge;
      input]. The output is then that of in-context learning (Eq. 2, 8, 9; alpha = 1 - w).
    - "fixed": `weight`.
    - "similarity": s = cosine of Enc(knowledge) and the input, Enc being the MLP `encoder` (W1, b1,
      W2, b2, ...; GELU in between). `space` "state" compares the attention-weighted mean of the
      states with h; "output" compares h_know with h_input, both projected (Eq. 7 as printed). With
      `floor` f, s becomes max(0, (s - f) / (1 - f)). w is s, or 1 - s if `on_input` (Eq. 7 puts
      alpha on the input).

    Knowledge has no position: where keys are rotated, an entry stands at the reader's own position.
    The gate is taken position by position, so decoding and teacher forcing agree.
    """

    layer: int
    index: Tensor
    states: Tensor
    top_k: int
    gate: str = "mass"
    weight: float = 0.0
    pinned: int = 0
    on_input: bool = False
    space: str = "state"
    floor: float = 0.0
    encoder: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", tuple(self.encoder))
        if problem := self._problem():
            raise BenchError(f"AttentionMemory of layer {self.layer}: {problem}")

    def _problem(self) -> str | None:
        shape = tuple(self.index.shape)
        if len(shape) != 2 or not shape[0] or tuple(self.states.shape) != shape:
            return f"index {shape} and states {tuple(self.states.shape)} are not both [m, d] with m > 0"
        if self.gate not in GATES:
            return f"gate {self.gate!r} is not one of {', '.join(GATES)}"
        if self.space not in SPACES:
            return f"space {self.space!r} is not one of {', '.join(SPACES)}"
        if not 0 <= self.pinned <= shape[0] or self.top_k < 0 or self.pinned + self.top_k < 1:
            return f"top_k {self.top_k} and pinned {self.pinned} choose no entries, or more than {shape[0]}"
        if not 0 <= self.weight <= 1 or not -1 <= self.floor < 1:
            return f"weight {self.weight} is not in [0, 1], or floor {self.floor} not in [-1, 1)"
        if (self.gate == "similarity") != bool(self.encoder) or len(self.encoder) % 2:
            return (
                f"gate {self.gate!r} with {len(self.encoder)} encoder tensors; similarity needs (W, b) pairs"
            )
        return self._encoder_problem(shape[1])

    def _encoder_problem(self, d: int) -> str | None:
        width = d
        for number, (weight, bias) in enumerate(zip(self.encoder[::2], self.encoder[1::2], strict=True)):
            if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
                shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
                return f"W and b {number + 1} of the encoder are {shapes}, not [h, {width}] and [h]"
            width = weight.shape[0]
        return None if width == d else f"the encoder writes width {width}, not {d}; make its last W [{d}, h]"

    # ---- description

    def tensors(self) -> Mapping[str, Tensor]:
        own = {f"encoder.{number:02}": tensor for number, tensor in enumerate(self.encoder)}
        return {"index": self.index, "states": self.states} | own

    def plain(self) -> Mapping[str, Any]:
        names = ("layer", "top_k", "gate", "weight", "pinned", "on_input", "space", "floor")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restore(cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        names = sorted(name for name in tensors if name.startswith("encoder."))
        encoder = tuple(tensors[name] for name in names)
        return cls(index=tensors["index"], states=tensors["states"], encoder=encoder, **plain)

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (layout.attention(self.layer),)

    # ---- action

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        attention = submodule(model, layout.attention(self.layer))
        names = layout.attention_linears
        heads, out = Heads.of(attention, layout), submodule(attention, names[-1])
        if (width := getattr(heads.q, "in_features", None)) != self.index.shape[1]:
            raise BenchError(
                f"AttentionMemory of layer {self.layer}: states have width {self.index.shape[1]}, not {width}"
            )
        if self.gate == "fixed" and self.weight == 0:
            return  # no bit of the base may change
        assert isinstance(out, nn.Linear)
        reader = _Reader(self, attention, heads, out)
        yield attention.register_forward_pre_hook(reader.remember, with_kwargs=True)
        yield out.register_forward_pre_hook(reader.shift)


class _Reader:
    """One memory at work while its edit acts. h: [batch, positions, d]; heads: H of size e."""

    def __init__(
        self,
        memory: AttentionMemory,
        attention: Any,
        heads: Heads,
        out: nn.Linear,
    ) -> None:
        self._memory = memory
        self._attention = attention
        self._heads, self._out = heads, out
        self._seen: dict[str, Any] = {}
        self._kept: tuple[Tensor, Tensor] | None = None

    def remember(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._seen = kwargs | ({"hidden_states": args[0]} if args else {})

    def shift(self, _: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Mix into what the output projection reads, [batch, positions, H * e]."""
        h, given = self._seen["hidden_states"], args[0]
        own = given.reshape(*h.shape[:2], -1)
        know, weight = self._knowledge(h, own)
        # the weight of the input is 1 - w by subtraction, so that w = 1 leaves exactly h_know
        mixed = weight * know + (1 - weight) * own
        self._seen = {}
        return (mixed.reshape(given.shape), *args[1:])

    def _knowledge(self, h: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """h_know [batch, positions, H * e] and its weight, broadcastable to it."""
        size = self._heads.size
        query = self._heads.queries(h)  # [b, H, n, e]
        keys, values = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in self._read(h))
        scores = _wide(query @ keys.transpose(-1, -2)) * self._attention.scaling
        retrieved = self._retrieved(h)
        if retrieved is not None:
            scores = scores.masked_fill(~retrieved[:, None], -math.inf)
        shares = scores.softmax(-1)
        know = _flat(shares.to(values) @ values)
        return know, self._weight(h, own, know, query, scores, shares, size).to(know)

    def _read(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all entries, [1, key-value heads, m, e].

        Without gradients they are projected once, not at every step of decoding; with gradients each
        call has its own, so that its graph can be freed.
        """
        if self._kept is not None and not torch.is_grad_enabled():
            return self._kept
        states = self._memory.states.to(h)[None]
        read = self._heads.keys(states), self._heads.values(states)
        if not torch.is_grad_enabled():
            self._kept = read
        return read

    def _retrieved(self, h: Tensor) -> Tensor | None:
        """True for the entries each position reads: [batch, positions, m]; None for all of them."""
        memory = self._memory
        count = memory.pinned + memory.top_k
        if count >= len(memory.index):
            return None
        with torch.no_grad():  # a choice has no gradient
            near = normalize(_wide(h), dim=-1) @ normalize(_wide(memory.index.to(h)), dim=-1).T
            near[..., : memory.pinned] = math.inf
        chosen = near.topk(count, dim=-1).indices
        return torch.zeros_like(near, dtype=torch.bool).scatter_(-1, chosen, True)

    def _weight(
        self, h: Tensor, own: Tensor, know: Tensor, query: Tensor, scores: Tensor, shares: Tensor, size: int
    ) -> Tensor:
        memory = self._memory
        if memory.gate == "fixed":
            return torch.tensor(memory.weight, device=h.device)
        if memory.gate == "mass":
            mass = torch.sigmoid(scores.logsumexp(-1) - self._input_mass(h, query))  # [b, H, n]
            return mass.transpose(1, 2).repeat_interleave(size, dim=-1)
        if memory.space == "state":
            mean = shares.mean(1) @ _wide(memory.states.to(h))
            compared = _wide(h)
        else:
            # not by calling the module: this runs inside its own hook
            bias = self._out.bias
            mean = _wide(linear(know, self._out.weight, bias))
            compared = _wide(linear(own, self._out.weight, bias))
        near = (normalize(encoded(memory.encoder, mean), dim=-1) * normalize(compared, dim=-1)).sum(-1)
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


register_intervention("attention_memory", AttentionMemory)
