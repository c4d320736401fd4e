"""The mini backbones' tokenizer, and pieces of text as the tokens they have inside a longer text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.entities import Entity

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<image>")


def corpus(entities: Iterable[Entity]) -> Iterator[str]:
    """Every wording and value; values twice, so that they get tokens of their own sooner."""
    for templates in wordings.QUESTIONS.values():
        for template in templates:
            for fillers in wordings.FILLERS.values():
                yield from (template.format(x=filler) for filler in fillers)
    for prompt in wordings.CAPTION_PROMPTS:
        yield prompt
        yield "New Fact:\nPrompt:\n\nNew Fact:\nPrompt: "
    for e in entities:
        for text in (e.name, e.caption, *(f.value for f in e.facts)):
            yield from (" " + text, " " + text)


def train_tokenizer(entities: Sequence[Entity], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE; deterministic for equal entities."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    raw.train_from_iterator(corpus(entities), trainer)
    return wrap(raw)


def wrap(raw: object) -> PreTrainedTokenizerFast:
    """A `tokenizers.Tokenizer` as transformers wants it."""
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Read a `tokenizer.json`."""
    from tokenizers import Tokenizer

    return wrap(Tokenizer.from_file(str(path)))


class Pieces:
    """Token ids of pieces of text, memoised, so that sequences are put together without tokenizing."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.bos: int = tokenizer.bos_token_id
        self.eos: int = tokenizer.eos_token_id
        self.pad: int = tokenizer.pad_token_id
        self.image: int = tokenizer.convert_tokens_to_ids("<image>")
        self._start: dict[str, tuple[int, ...]] = {}
        self._inside: dict[str, tuple[int, ...]] = {}
        self._anchor = len(self.start("x"))

    def start(self, text: str) -> tuple[int, ...]:
        """Ids of a text that stands first."""
        if text not in self._start:
            self._start[text] = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._start[text]

    def inside(self, text: str) -> tuple[int, ...]:
        """Ids of a text that follows another one; it begins with a space or a line feed."""
        if text not in self._inside:
            self._inside[text] = self.start("x" + text)[self._anchor :]
        return self._inside[text]
