"""What a backbone measures, read off its architecture on the meta device: no weights are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from mmedit_bench.backbones.anatomy import Anatomy, anatomy_of
from mmedit_bench.errors import BenchError

META = torch.device("meta")
ONE_SIZE = ("blip-2", "llava", "gemma3")
"""Kinds of models that bring every picture to one size, so that all have as many tokens."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A backbone without its numbers: names, widths and number type, and a model that holds no weights.

    It answers what editors ask of a backbone to build what they train (`name`, `anatomy`,
    `layer_count`, `weight`, `linears`, `embeddings`), with tensors on the meta device, so that sizes
    are those of the real thing.
    """

    name: str
    model: Any
    anatomy: Anatomy
    dtype: torch.dtype

    @classmethod
    def of(cls, name: str, model: nn.Module, dtype: torch.dtype | None = None) -> Shape:
        """The shape of a model, on the meta device or not; `dtype` is the number type it would be run in."""
        own = dtype or next(model.parameters()).dtype
        bare: Any = model
        if any(not parameter.is_meta for parameter in model.parameters()):
            with META:
                bare = type(bare)(bare.config)
            types = {path: parameter.dtype for path, parameter in model.named_parameters()}
        else:  # parts that are loaded in single precision whatever is asked for
            kept = set(bare._keep_in_fp32_modules_strict or ()) if own.itemsize < 4 else set()
            kept |= set(bare._keep_in_fp32_modules or ()) if own == torch.float16 else set()
            types = {
                path: torch.float32 if kept & set(path.split(".")) else own
                for path, _ in bare.named_parameters()
            }
        for path, parameter in bare.named_parameters():
            parameter.data = parameter.data.to(types[path])
        bare = bare.eval().requires_grad_(False)
        return cls(name, bare, anatomy_of(bare), own)

    # ---- what a backbone says of itself

    @property
    def layer_count(self) -> int:
        """Number of decoder layers."""
        return self.anatomy.layer_count

    @cached_property
    def width(self) -> int:
        """Width of the text model's embeddings."""
        return int(self.embedding.weight.shape[1])

    @cached_property
    def vocabulary(self) -> int:
        """Tokens of the text model's embeddings."""
        return int(self.embedding.weight.shape[0])

    @property
    def device(self) -> torch.device:
        """Where editors put what they build for it."""
        return META

    @property
    def embedding(self) -> Any:
        """The text model's input embeddings."""
        return self.model.get_submodule(self.anatomy.embeddings)

    @property
    def max_positions(self) -> int:
        """Most tokens an input may have."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    def weight(self, module: str) -> Tensor:
        """A tensor like the weight, or parameter, at a dotted path. Raises `BenchError` if there is none."""
        parent, _, name = module.rpartition(".")
        try:
            holder = self.model.get_submodule(parent)
            bare = isinstance(getattr(holder, name, None), nn.Parameter)
            found: Tensor = getattr(holder, name) if bare else self.model.get_submodule(module).weight
        except AttributeError as error:
            raise BenchError(f"backbone {self.name} has no weight at {module!r}: {error}") from None
        return found

    def linears(self, part: str) -> tuple[str, ...]:
        """Paths of all linear layers inside a part of the model. Raises `BenchError` as a backbone does."""
        try:
            root = self.model.get_submodule(part)
        except AttributeError as error:
            raise BenchError(f"backbone {self.name} has no part {part!r}: {error}") from None
        found = [name for name, module in root.named_modules() if isinstance(module, nn.Linear)]
        if not found:
            raise BenchError(f"{part!r} of backbone {self.name} has no linear layer")
        return tuple(f"{part}.{name}".rstrip(".") for name in found)

    def embeddings(self, ids: Sequence[int]) -> Tensor:
        """A tensor like the input embeddings of token ids: [tokens, width]."""
        return torch.empty(len(ids), self.width, dtype=self.dtype, device=META)

    def visual(self) -> Tensor | None:
        """A tensor like a picture's visual tokens [tokens, width], at the size that the vision is made for.

        None for kinds whose pictures have as many tokens as their size asks for.
        """
        if self.model.config.model_type not in ONE_SIZE:
            return None
        size = self.model.config.vision_config.image_size
        high, wide = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        pixels = torch.empty(1, 3, high, wide, dtype=self.dtype, device=META)
        with Blank():
            found: Any = self.model.get_image_features(pixel_values=pixels).pooler_output
        tokens: Tensor = found if isinstance(found, Tensor) else found[0]
        return tokens.reshape(-1, tokens.shape[-1])

    # ---- sizes

    @cached_property
    def parameters(self) -> int:
        """Numbers in all weights, each once where parts share them."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all weights and buffers in the number type they are run in."""
        tensors = (*self.model.parameters(), *self.model.buffers())
        return sum(tensor.nbytes for tensor in tensors)

    def parameters_of(self, part: str) -> int:
        """Numbers in the weights of a part of the model."""
        return sum(parameter.numel() for parameter in self.model.get_submodule(part).parameters())

    @cached_property
    def decoder_parameters(self) -> int:
        """Numbers in the weights of all decoder layers."""
        return self.parameters_of(self.anatomy.layers)

    @cached_property
    def vision_parameters(self) -> int:
        """Numbers in the weights that a picture passes."""
        return sum(map(self.parameters_of, self.anatomy.vision))

    @cached_property
    def picture_tokens(self) -> int | None:
        """Visual tokens of a picture at that size; None where they are not known."""
        with torch.no_grad():
            tokens = self.visual()
        return None if tokens is None else len(tokens)

    @cached_property
    def cache_bytes(self) -> int:
        """Bytes of the keys and values of one token in all decoder layers."""
        key, value = self.anatomy.attention_linears[1:3]
        total = 0
        for layer in range(self.layer_count):
            attention = self.anatomy.attention(layer)
            total += sum(len(self.weight(f"{attention}.{name}")) for name in (key, value))
        return total * self.dtype.itemsize


class Blank(TorchFunctionMode):
    """What a model that holds no numbers is told where it would look at them, or choose by its device.

    Whether something holds of a mask: no, so that it takes its general way. Attention: by the kernel of
    accelerators that never holds all scores at once, as the processor's does not either.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if func is torch.Tensor.__bool__ and args[0].is_meta:
            return False
        if func is scaled_dot_product_attention and args[0].is_meta:
            return _attended(*args, **given)
        return func(*args, **given)


def _attended(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """`scaled_dot_product_attention` in blocks, [b, heads, n, e]."""
    if enable_gqa:
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    if attn_mask is not None:
        attn_mask = attn_mask.to(query.dtype).expand(*query.shape[:3], key.shape[2])
    found = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
    )
    mixed: Tensor = found[0]
    return mixed
