"""BLIP-2: a Q-Former's tokens in front of any causal text model."""

from __future__ import annotations

from typing import Any

from mmedit_bench.backbones.families.base import Family
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError


class QFormer(Family):
    """[visual tokens] <s> [context and templated prompt]; the text model carries its own head."""

    @classmethod
    def take_text(cls, model: Any, text: Any, absent: list[str]) -> list[str]:
        for name in ("model_type", "hidden_size", "vocab_size", "num_hidden_layers"):
            wanted, found = getattr(model.config.text_config, name), getattr(text.config, name)
            if wanted != found:
                raise BenchError(f"the text model's {name} is {found}, but config.json says {wanted}")
        model.language_model = text
        return [name for name in absent if not name.startswith("language_model.")]

    @property
    def text_start(self) -> tuple[int, ...]:
        return (int(self.tokenizer.bos_token_id),)

    def layout(self, text: str, image: ImageRef | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.tokenizer.bos_token_id, *self.text_ids(text)), (0,) if image else ()

    def picture_tokens(self, image: ImageRef) -> int:
        return int(self.model.config.num_query_tokens)

    @property
    def runs(self) -> Any:
        return self.model.language_model
