"""Text in front of the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmedit_bench.interventions.base import Intervention, Layout, register_intervention


@dataclass(frozen=True, eq=False)
class Context(Intervention):
    """`text` is put before the query's prompt as it is, so it ends with whatever separates the two.

    The texts of several contexts are joined in the order of the edits.
    """

    text: str

    @property
    def nbytes(self) -> int:
        return len(self.text.encode())

    def plain(self) -> Mapping[str, Any]:
        return {"text": self.text}

    def first_layer(self, layout: Layout) -> int | None:
        """Layer 0: every layer sees the text."""
        return 0 if self.text else None

    def prefix(self) -> str:
        return self.text


register_intervention("context", Context)
