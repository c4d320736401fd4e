"""A second device on a machine with one: what a method makes without saying where is not with the rest."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

import methods

METHODS = str(Path(methods.__path__[0]))
TORCH = str(Path(torch.__path__[0]))
_CROSSING = (
    "copy_", "__setitem__", "__getitem__", "__set__", "__get__", "_make_subclass",
    "_has_compatible_shallow_copy_type", "_pack_padded_sequence",
)  # fmt: skip
"""What works across devices: copying, indices, lengths, and taking over another tensor's data."""


class Placement(TorchFunctionMode):
    """Raises `Misplaced` where a homeless tensor meets one of the backbone's device.

    Homeless is what a factory (`zeros`, `tensor`, `arange`, ...) called from `methods/` gives without
    `device=`, and what follows from it, until `.to(device)` or `.to(tensor)`. As on a real device, a
    number without dimensions goes everywhere, and so do copies and indices.
    """

    def __init__(self) -> None:
        super().__init__()
        self._homeless: dict[int, Any] = {}  # by address; held, so that none is used twice
        # not torch's own cached set: it may stem from a moment at which transformers had patched one
        self._factories = _device_constructors.__wrapped__()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func in self._factories:
            made = func(*args, **kwargs)
            if kwargs.get("device") is None and _called_by_a_method():
                self._mark(made)
            return made
        given = list(_tensors((*args, *kwargs.values())))
        apart = [tensor for tensor in given if self._is_homeless(tensor)]
        if not apart:
            return func(*args, **kwargs)
        if name == "to":
            found = func(*args, **kwargs)
            if self._has_target(args[1:], kwargs):
                return found.clone() if self._is_homeless(found) else found
            return self._mark(found)
        if name not in _CROSSING and any(tensor.ndim for tensor in apart):
            placed = [tensor for tensor in given if not self._is_homeless(tensor) and tensor.ndim]
            if placed:
                raise Misplaced(f"{name} of {tuple(apart[0].shape)}, made without the backbone's device")
        found = func(*args, **kwargs)
        if len(apart) == len(given) and name not in ("item", "tolist", "__len__"):
            self._mark(found)
        return found

    def _mark(self, found: Any) -> Any:
        for tensor in _tensors((found,)):
            if tensor.numel():  # one without numbers has no place
                # the storage and not the tensor: a module that moves gives its parameters another one
                storage = tensor.untyped_storage()
                self._homeless[storage.data_ptr()] = storage
        return found

    def _is_homeless(self, tensor: Tensor) -> bool:
        # inside vmap (the masks of transformers) tensors have no storage, and are no method's
        if not self._homeless or is_batchedtensor(tensor) or not tensor.numel():
            return False
        return tensor.untyped_storage().data_ptr() in self._homeless

    def _has_target(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor):
                return not self._is_homeless(value)
            if isinstance(value, torch.device | str):
                return True
        return False


class Misplaced(AssertionError):
    """Tensors of two devices met."""


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _called_by_a_method() -> bool:
    """Whether the nearest caller outside torch is in `methods/`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(TORCH):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(METHODS)
