"""What a backbone asks of a family of models, and what most families answer."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BenchError

TEXTS = 4096
"""Texts whose tokens are held: a loop asks the same few again and again."""
_BEFORE = ":"
"""What an answer is tokenised behind, where its own beginning would be marked."""
CONTEXT = "{context}"


def last(length: int, keep: int) -> Tensor:
    """The last `keep` of `length` places, as a tensor, for a model to take states by.

    Given a number it would take a slice, no two rows of which lie beside each other, and a linear layer
    copies its weights for each row of such a thing: up to 200 times the time of what it multiplies.
    """
    return torch.arange(max(0, length - keep), length)


class Family:
    """How one kind of model is asked: inputs, pictures, head, and where an answer ends.

    A subclass says where the picture stands in the input (`layout`), how many tokens it takes
    (`picture_tokens`) and, where that is not the whole model, what is run from embeddings (`runs`).
    Module paths are not here: they are the rows of `backbones.anatomy`.
    """

    kinds: tuple[str, ...] = ()
    """Names of inputs that hold 1 at the tokens of a picture and 0 elsewhere, as the model's own
    processor or the whole model makes them. Left out, such a model raises no error and answers
    something else."""

    axes: int = 1
    """Along how many axes positions count."""

    feature_inputs: tuple[str, ...] = ("pixel_values",)
    """What the picture processor gives and the vision part takes."""

    picture_options: Mapping[str, Any] = {}
    """What the model's own processor tells the picture processor, whatever its settings say."""

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, template: str, ends: Sequence[str] = ()
    ) -> None:
        """`ends` are texts of one token each that end an answer; the first closes a target too."""
        if "{prompt}" not in template:
            raise BenchError(f"template {template!r} (backbone.json) has no {{prompt}} field")
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.template = template
        self._tokenised = functools.lru_cache(maxsize=TEXTS)(self._tokenise)
        self.closing = self._token(ends[0]) if ends else int(tokenizer.eos_token_id)
        """Token that closes a target in teacher forcing."""
        self.ends = frozenset(
            {self.closing, *map(self._token, ends), int(tokenizer.eos_token_id), *_eos_of(model)}
        )
        """Tokens of which any ends an answer."""
        self._named_ends = tuple(ends)

    @property
    def identity(self) -> tuple[str, ...]:
        """What decides an answer beside weights, tokenizer, template and picture processor."""
        return ("\n".join(self._named_ends),) if self._named_ends else ()

    @classmethod
    def take_text(cls, model: Any, text: Any, absent: list[str]) -> list[str]:
        """Put in a text model that was read by itself; of the weights that were absent, those still are.

        Raises `BenchError` for families that cannot, and for a text model of another kind.
        """
        raise BenchError(f"the adapter {cls.__name__} takes no text model of its own; merge the weights")

    # ---- inputs

    @property
    def max_positions(self) -> int:
        """Most tokens an input may have."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def lead(self) -> str:
        """What stands between the question and an answer: a space, unless the question ends in one."""
        return " "

    def worded(self, context: str, prompt: str) -> str:
        """Context and templated prompt: the context in front, or where the template has {context}."""
        before, mark, after = self.template.rpartition(CONTEXT)
        # replace, not format: a prompt may hold braces
        after = after.replace("{prompt}", prompt)
        return f"{before}{context}{after}" if mark else f"{context}{after}"

    @property
    def text_start(self) -> tuple[int, ...]:
        """What a text without a question's layout begins with: what the tokenizer itself puts there."""
        return tuple(self.tokenizer("")["input_ids"])

    def layout(self, text: str, image: ImageRef | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids of a question, and before which of them its picture stands.

        `text` is context and templated prompt. The picture's own tokens are not among the ids. At
        several places it stands in equal parts, in their order; at none if there is no picture.
        """
        raise NotImplementedError

    def picture_tokens(self, image: ImageRef) -> int:
        """Number of visual tokens of a picture."""
        raise NotImplementedError

    def picture_positions(self, image: ImageRef) -> Tensor | None:
        """Positions [axes, tokens] of a picture's tokens, counted from where it stands, on the CPU.

        What follows the picture counts on from the highest. None: one by one, as text.
        """
        return None

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, without special tokens."""
        return self._tokenised(text) if text else ()

    def following_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text that goes on after another one.

        Tokenizers of Llama's kind put a mark of their own before whatever they are given, as if all
        texts began a line: an answer by itself would begin with a token that a model never writes.
        """
        if not self._marks_beginnings:
            return self.text_ids(text)
        before, both = self.text_ids(_BEFORE), self.text_ids(f"{_BEFORE}{text}")
        return both[len(before) :] if both[: len(before)] == before else self.text_ids(text)

    @functools.cached_property
    def _marks_beginnings(self) -> bool:
        """Whether a text that begins with a space has other tokens in the middle of one."""
        return self.text_ids(f"{_BEFORE} a") != (*self.text_ids(_BEFORE), *self.text_ids(" a"))

    # ---- pictures

    def visual(self, image: ImageRef) -> Visual:
        """A picture as the text model reads it now; more than its `features` where layers are given more."""
        return Visual(self.features(image))

    def features(self, image: ImageRef) -> Tensor:
        """Visual tokens [tokens, width] as the model, hooks included, gives them now."""
        # of the one picture: one row of tokens, or one for each of its tiles
        found = self.looked_at(image).pooler_output
        return self.counted(image, torch.cat([part.reshape(-1, part.shape[-1]) for part in found]))

    def looked_at(self, image: ImageRef) -> Any:
        """What the model's own function makes of one picture."""
        weight = self.embedding.weight
        inputs = {
            name: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
            for name, value in self.pixels(image).items()
        }
        return self.model.get_image_features(**inputs)

    def counted(self, image: ImageRef, tokens: Tensor) -> Tensor:
        """The visual tokens of a picture. Raises `BenchError` if they are not as many as were told."""
        if (count := self.picture_tokens(image)) != len(tokens):
            raise BenchError(
                f"a picture gave {len(tokens)} visual tokens, not {count}; the picture processor's size "
                "does not fit the model's configuration"
            )
        return tokens

    def pixels(self, image: ImageRef) -> Mapping[str, Tensor]:
        """What the vision part reads. Raises `BenchError` for inputs that this adapter does not know."""
        given = dict(self.image_processor(images=[image.open()], return_tensors="pt", **self.picture_options))
        if unknown := sorted(given.keys() - set(self.feature_inputs)):
            raise BenchError(
                f"the picture processor gives {', '.join(unknown)}, which the adapter "
                f"{type(self).__name__} would drop; the model's answers depend on it"
            )
        return given

    # ---- running

    @property
    def runs(self) -> Any:
        """What is run from embeddings to logits: the whole model, which merges no picture then."""
        return self.model

    @property
    def embedding(self) -> nn.Embedding:
        """The input embeddings of the text model, scaling included."""
        found = self.runs.get_input_embeddings()
        assert isinstance(found, nn.Embedding)
        return found

    def cache(self) -> Any:
        """An empty key-value cache that keeps every key.

        Layers with a sliding window forget none here: their mask hides what is out of the window,
        and an attention memory needs the keys of a whole input.
        """
        return DynamicCache()

    def run(self, batch: Batch, *, keep: int, cache: Any = None) -> Tensor:
        """Logits [b, `keep`, vocabulary] of the last positions of what is new in a batch.

        While decoding there is text only, and `batch` holds nothing of pictures.
        """
        found: Tensor = self.runs(
            inputs_embeds=batch.embeddings,
            attention_mask=batch.mask,
            position_ids=self.position_ids(batch),
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=last(batch.embeddings.shape[1], keep),
            **batch.kinds,
        ).logits
        return found.to(batch.embeddings.device)  # a head may be on another one

    def position_ids(self, batch: Batch) -> Tensor:
        """Positions as the model takes them: [b, n], or [axes, b, n] where it counts along several."""
        return batch.positions[0] if self.axes == 1 else batch.positions.expand(self.axes, -1, -1)

    # ---- inner parts

    def _tokenise(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _token(self, text: str) -> int:
        known = self.tokenizer.get_vocab()
        ids = (known[text],) if text in known else self.text_ids(text)
        if len(ids) != 1:
            raise BenchError(
                f"end {text!r} (backbone.json) is {len(ids)} tokens; an answer ends at a single one"
            )
        return int(ids[0])


def _eos_of(model: Any) -> tuple[int, ...]:
    """End tokens that the checkpoint's own generation settings name."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if named is None:
        return ()
    return (int(named),) if isinstance(named, int) else tuple(int(token) for token in named)
