"""How many bytes of tensors live at once while something is computed, on any device."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is computed inside it: `now` and, at most, `peak` bytes, each storage once.

    On the meta device nothing is computed and all is counted, so that a pass of a model of any size
    can be measured.
    """

    def __init__(self, before: Iterable[torch.Tensor] = ()) -> None:
        """`before` are tensors that were there already: an operation may return a view of one."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.now: int = 0
        self.peak: int = 0
        storages = (tensor.untyped_storage() for tensor in before)
        self._held: dict[int, Any] = {id(storage): storage for storage in storages}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_iter(found):
            if isinstance(tensor, torch.Tensor):
                self._meet(tensor.untyped_storage())
        return found

    def _meet(self, storage: Any) -> None:
        key = id(storage)
        if key in self._held:
            return
        size = storage.nbytes()
        self._held[key] = weakref.ref(storage, lambda _: self._part(key, size))
        self.now += size
        self.peak = max(self.peak, self.now)

    def _part(self, key: int, size: int) -> None:
        del self._held[key]
        self.now -= size
