"""Text in front of the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mmedit_bench.interventions.base import Intervention, Layout, register_intervention


@dataclass(frozen=True, eq=False)
class Context(Intervention):
    """`text` is put before the query's prompt as it is, so it ends with whatever separates the two.

    The texts of several contexts are joined in the order of the edits. `key` names the request that
    the text is for: a later context with the same key takes the earlier one's place. Without a key
    nothing is replaced.
    """

    stateless: ClassVar[bool] = True
    text: str
    key: str = ""

    @property
    def nbytes(self) -> int:
        return len(self.text.encode())

    def plain(self) -> Mapping[str, Any]:
        return {"text": self.text, "key": self.key}

    @property
    def place(self) -> str:
        return "context"

    def merged(self, other: Intervention) -> Intervention | None:
        return Contexts((self,)).merged(other)

    def first_layer(self, layout: Layout) -> int | None:
        """Layer 0: every layer sees the text."""
        return 0 if self.text else None

    def prefix(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Contexts(Intervention):
    """Contexts of several edits, in order; what they fold into. It is no part of an edit."""

    stateless: ClassVar[bool] = True
    parts: tuple[Context, ...]

    @property
    def place(self) -> str:
        return "context"

    def merged(self, other: Intervention) -> Intervention | None:
        if type(other) is not Context:
            return None
        kept = (part for part in self.parts if not other.key or part.key != other.key)
        return Contexts((*kept, other))

    def plain(self) -> Mapping[str, Any]:
        return {"parts": [part.plain() for part in self.parts]}

    def first_layer(self, layout: Layout) -> int | None:
        """Layer 0, if there is any text."""
        return 0 if self.prefix() else None

    def prefix(self) -> str:
        return "".join(part.text for part in self.parts)


register_intervention("context", Context)
