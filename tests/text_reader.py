"""What a reader of one text is, but for what it says to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor

from mmedit_bench.editors import Shared


class TextReader:
    """The part of a reader that writes it down and reads it back."""

    parameter_count = 0

    def __init__(self, text: str) -> None:
        self.text = text

    def merged(self, other: Any) -> Self | None:
        return None

    @property
    def nbytes(self) -> int:
        return len(self.text)

    def plain(self) -> Mapping[str, Any]:
        return {"text": self.text}

    def tensors(self) -> Mapping[str, Tensor]:
        return {}

    def shared(self) -> Mapping[str, Shared]:
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        return cls(plain["text"])
