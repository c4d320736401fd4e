"""BLIP-2: a Q-Former's tokens in front of any causal text model."""

from __future__ import annotations

import re
from typing import Any

from mmedit_bench.backbones.families.base import Family
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError

PICTURE = "{picture}"
_MARKED = re.compile(r"(<[^<>]*>)?\{picture\}(<[^<>]*>)?[ \n]?")


class QFormer(Family):
    """[visual tokens] <s> [context and templated prompt]; the text model carries its own head.

    A template may say where the picture stands instead, as MiniGPT-4's does: of
    "###Human: <Img>{picture}</Img> {prompt} ###Assistant:" one is asked <s> [context] "###Human: <Img>"
    [visual tokens] "</Img> ..." as two texts. Without a picture the marks around it are left out too,
    and a space or line break after them. A template that ends in white space is answered without a
    space, as a turn of a chat is; a tokenizer without <s> begins with none.
    """

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
        start = self.tokenizer.bos_token_id
        return () if start is None else (int(start),)

    @property
    def lead(self) -> str:
        return "" if self.template[-1:].isspace() else super().lead

    def layout(self, text: str, image: ImageRef | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        start = self.text_start
        if PICTURE not in self.template:
            return (*start, *self.text_ids(text)), (0,) if image else ()
        if (count := text.count(PICTURE)) != 1:
            raise BenchError(f"{count} times {PICTURE!r} in {text[:200]!r}; a prompt may not hold it")
        if image is None:
            return (*start, *self.text_ids(_MARKED.sub("", text))), ()
        before, after = text.split(PICTURE)
        ids = (*start, *self.text_ids(before))
        return (*ids, *self.text_ids(after)), (len(ids),)

    def picture_tokens(self, image: ImageRef) -> int:
        return int(self.model.config.num_query_tokens)

    @property
    def runs(self) -> Any:
        return self.model.language_model
