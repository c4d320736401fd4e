"""What a backbone is, as one digest, and whether its weights were written to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from sorted([*model.named_parameters(), *model.named_buffers()])


def weights_digest(model: nn.Module, *, extra: str = "") -> str:
    """sha256 (hex) over `extra` and the sorted names, dtypes, shapes and bytes of all tensors."""
    digest = hashlib.sha256(extra.encode())
    for name, tensor in _tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # viewed as bytes: numpy has no bfloat16
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tensor_versions(model: nn.Module) -> tuple[int, ...]:
    """Version counters of all tensors; a write in place raises one. Writes through `.data` do not."""
    return tuple(tensor._version for _, tensor in _tensors(model))
