"""Models whose picture stands inside the question, at a placeholder of their chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmedit_bench.backbones.families.base import Family
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError


class ChatFamily(Family):
    """One user turn: picture, then context and templated prompt; the answer is the model's turn.

    The words around it come from the tokenizer's chat template (chat_template.jinja).
    """

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, template: str, ends: Sequence[str] = ()
    ) -> None:
        super().__init__(model, tokenizer, image_processor, template, ends)
        if not tokenizer.chat_template:
            raise BenchError(
                "the tokenizer has no chat template; put chat_template.jinja beside tokenizer.json"
            )
        self.picture_id = int(model.config.image_token_id)
        """Token that the model replaces by visual tokens."""
        bare = self._turn("", picture=False)
        self._lead = "" if bare.endswith(tuple(" \n\t")) else " "

    @property
    def identity(self) -> tuple[str, ...]:
        return (*super().identity, str(self.tokenizer.chat_template))

    @property
    def lead(self) -> str:
        return self._lead

    def expanded(self, turn: str, image: ImageRef | None) -> str:
        """The turn with its mark of a picture spelled out: a placeholder for each part, between marks."""
        return turn

    def parts(self, image: ImageRef) -> int:
        """At how many places the tokens of a picture stand."""
        return 1

    def layout(self, text: str, image: ImageRef | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        turn = self.expanded(self._turn(text, image is not None), image)
        wanted = self.parts(image) if image else 0
        # as the models' own processors do it: a template that begins with <s> wants no second one
        start = self.tokenizer.bos_token
        special = not (start and turn.startswith(start))
        ids = tuple(self.tokenizer(turn, add_special_tokens=special)["input_ids"])
        found = [place for place, token in enumerate(ids) if token == self.picture_id]
        if len(found) != wanted:
            mark = self.tokenizer.convert_ids_to_tokens(self.picture_id)
            raise BenchError(
                f"{len(found)} placeholders {mark!r}, not {wanted}, for {int(image is not None)} pictures in "
                f"{turn[:200]!r}; the chat template writes one for a picture, and a prompt may not hold one"
            )
        words = tuple(token for token in ids if token != self.picture_id)
        return words, tuple(place - before for before, place in enumerate(found))

    def _turn(self, text: str, picture: bool) -> str:
        content = [{"type": "image"}] if picture else []
        said: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": [*content, {"type": "text", "text": text}]}],
            tokenize=False,
            add_generation_prompt=True,
        )
        return said
