"""What was computed before and may be asked for again, within so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Protocol, TypeVar

from torch import Tensor, nn

MOST_BYTES = 512 << 20
"""Of states, keys and values that a backbone keeps."""


class Computed(Protocol):
    """A value that the weights and its key decide."""

    def tensors(self) -> Iterator[Tensor]:
        """All tensors it holds."""


C = TypeVar("C", bound=Computed)


class Watch:
    """Whether a model's weights were written to, moved or replaced since the last look.

    As `identity.tensor_versions`, a look does not see a write in place through `.data`; nor does it
    see a module that was put in another's place.
    """

    def __init__(self, model: nn.Module) -> None:
        # walked once: a look stands before every call, and walking costs more than looking
        holders = (held for module in model.modules() for held in (module._parameters, module._buffers))
        self._holders = [held for held in holders if held]
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether something differs from the last look, or from the begin."""
        now = self._look()
        changed = now != self._seen
        self._seen = now
        return changed

    def _look(self) -> list[tuple[int, int, int]]:
        tensors = (tensor for held in self._holders for tensor in held.values() if tensor is not None)
        return [(id(tensor), tensor._version, tensor.data_ptr()) for tensor in tensors]


class Kept:
    """Values by a key that says all they follow from; those used least recently go first.

    A value whose tensors were written to since it was put here is not given out. What is larger
    than the limit is not taken.
    """

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self.limit = limit
        self.nbytes = 0
        self._held: OrderedDict[Hashable, tuple[Computed, int, tuple[int, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: Hashable, kind: type[C]) -> C | None:
        """The value put under a key; None if there is none."""
        if key not in self._held:
            return None
        value, _, versions = self._held[key]
        if not isinstance(value, kind) or versions != _versions(value):
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Computed) -> None:
        """Keep a value, in the place of what has its key."""
        self._drop(key)
        size = sum(tensor.nbytes for tensor in value.tensors())
        if size > self.limit:
            return
        self._held[key] = value, size, _versions(value)
        self.nbytes += size
        while self.nbytes > self.limit:
            self._drop(next(iter(self._held)))

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self.nbytes = 0

    def _drop(self, key: Hashable) -> None:
        if key in self._held:
            self.nbytes -= self._held.pop(key)[1]


def _versions(value: Computed) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in value.tensors())
