"""A backbone as lm-eval sees one: text in, log-likelihoods and continuations out.

lm-eval's own wrapper of Hugging Face models ties an edited head again and pads without a mask. Here
the backbone reads for itself, edits, mask and all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.forcing import Forced
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError

FLOOR = -50.0
"""Least log-probability (nats) of a token that counts as such: a wrecked model, which may give none at
all, has numbers too, and no perplexity overflows."""
MOST_WRITTEN = 256
"""Tokens of a continuation whose task names no number, as in lm-eval."""
PIECE = 32
"""Tokens that are written before it is looked whether a stop text is among them."""


Tokens = tuple[int, ...]


class BackboneLM(LM):  # type: ignore[misc]  # lm-eval is untyped
    """An edited backbone for lm-eval; a text is read as it is, without template or chat turn.

    Contexts that edits bring stand before every text. A question (the text before a continuation)
    that a route answers has that answer for certain: the continuation that spells it has
    probability 1, any other the least there is; `routed` remembers such questions. Running text, in
    `loglikelihood_rolling`, asks nothing, so routes leave it alone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.routed: dict[str, str] = {}
        """Answers of routes, by question."""

    # ---- what lm-eval asks

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Log-probability (nats) of each continuation after its context, and whether it is the greedy one.

        No end token is appended: what would come after the continuation plays no part.
        """
        asked = [tuple(request.args[:2]) for request in requests]
        pairs = list(dict.fromkeys(asked))  # tasks may share questions, and then ask them once
        self._route([context for context, _ in pairs])
        found = {pair: self._routed(*pair) for pair in pairs if pair[0] in self.routed}
        left = [pair for pair in pairs if pair not in found]
        encoded = [self._fitted(*self._split(*pair)) for pair in left]
        for pair, forced in zip(left, self.backbone.continued(encoded), strict=True):
            found[pair] = _summed(forced), _greedy(forced)
        return [found[pair] for pair in asked]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Log-probability (nats) of each text whole, every token predicted once.

        A text longer than the backbone's positions is read in windows, the last of which is full.
        """
        windows = [list(self._windows(request.args[0])) for request in requests]
        scored = iter(self.backbone.continued([window for own in windows for window in own]))
        return [sum(_summed(next(scored)) for _ in own) for own in windows]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Greedy continuations up to the first of each request's stop texts.

        Raises `BenchError` for a request that asks for sampling: a measurement must be repeatable.
        """
        asked = [(request.args[0], *_generation(request.args[1])) for request in requests]
        self._route([context for context, _, _ in asked])
        answers = {i: self.routed[own[0]] for i, own in enumerate(asked) if own[0] in self.routed}
        left = [i for i in range(len(asked)) if i not in answers]
        written = self._written([asked[i] for i in left])
        answers.update(zip(left, written, strict=True))
        return [_cut(answers[i], stops) for i, (_, stops, _) in enumerate(asked)]

    def _written(self, asked: Sequence[tuple[str, tuple[str, ...], int]]) -> list[str]:
        """Continuations of (context, stop texts, tokens), a piece at a time until each has come to a stop."""
        questions = [self._question(context, most) for context, _, most in asked]
        written: list[Tokens] = [() for _ in asked]

        def room(i: int) -> int:
            free = self.backbone.max_positions + 1 - len(questions[i]) - len(written[i])
            return min(PIECE, free, asked[i][2] - len(written[i]))

        going = list(range(len(asked)))
        while going := [i for i in going if room(i) > 0]:
            rooms = [room(i) for i in going]
            pieces = self.backbone.written([questions[i] + written[i] for i in going], rooms)
            for i, piece in zip(going, pieces, strict=True):
                written[i] += piece
            # a piece that is not full has come to an end
            full = [i for i, piece, most in zip(going, pieces, rooms, strict=True) if len(piece) == most]
            going = [i for i in full if not any(stop in self._text(written[i]) for stop in asked[i][1])]
        return [self._text(ids) for ids in written]

    def _text(self, ids: Tokens) -> str:
        return str(self.backbone.tokenizer.decode(ids, skip_special_tokens=True))

    # ---- routes

    def _route(self, contexts: Sequence[str]) -> None:
        questions = [text for text in dict.fromkeys(contexts) if text and text not in self.routed]
        answers = self.backbone.routed_answers([Query(text) for text in questions])
        self.routed |= {questions[i]: text for i, text in answers.items()}

    def _routed(self, context: str, continuation: str) -> tuple[float, bool]:
        same = self.routed[context].strip() == continuation.strip()
        tokens = max(1, len(self.backbone.text_ids(continuation)))
        return (0.0, True) if same else (FLOOR * tokens, False)

    # ---- from texts to tokens

    def _split(self, context: str, continuation: str) -> tuple[Tokens, Tokens]:
        """Token ids of both parts, split where the context alone would end.

        Blanks at the context's end belong to the continuation: most tokenizers join them to a word.
        """
        joined = self.backbone.context + context
        before = joined.rstrip()
        after = joined[len(before) :] + continuation
        start = self.backbone.text_start if before else self._start
        known = len(start) + len(self.backbone.text_ids(before))
        whole = (*start, *self.backbone.text_ids(before + after))
        # where the two parts share a token it is the continuation's
        known = max(1, min(known, len(whole) - 1))
        return whole[:known], whole[known:]

    def _fitted(self, before: Tokens, after: Tokens) -> tuple[Tokens, Tokens]:
        """Cut from the context's beginning what is too long, as lm-eval does."""
        over = len(before) + len(after) - 1 - self.backbone.max_positions
        if over <= 0:
            return before, after
        self._whole_context()
        if over >= len(before):
            raise BenchError(
                f"a continuation has {len(after)} tokens, but the backbone has {self.backbone.max_positions} "
                "positions; leave the task out"
            )
        return before[over:], after

    def _question(self, context: str, most: int) -> Tokens:
        """Token ids of a question, with room behind it for `most` tokens where there can be."""
        text = self.backbone.context + context
        ids = (*(self.backbone.text_start if text else self._start), *self.backbone.text_ids(text))
        room = max(1, self.backbone.max_positions + 1 - most)
        if len(ids) <= room:
            return ids
        self._whole_context()
        return ids[-room:]

    def _windows(self, text: str) -> Iterator[tuple[Tokens, Tokens]]:
        """What is read and what is predicted, window by window; contexts of edits stand in each."""
        context = self.backbone.context
        head = (*self._start, *self.backbone.text_ids(context))
        # without a context, windows after the first begin inside the text, as lm-eval's do
        fixed = head if context else ()
        size = self.backbone.max_positions - len(fixed)
        if size < 2:
            raise BenchError("the edits' context fills the backbone's positions; no text fits after it")
        ids = self.backbone.text_ids(context + text)[len(head) - len(self._start) :]
        for number, window in enumerate(get_rolling_token_windows(list(ids), head[-1], size, 1)):
            before, after = make_disjoint_window(window)
            # the first window begins with the token given, which is the head's last
            read = (*head, *before[1:]) if number == 0 else (*fixed, *before)
            yield read, tuple(after)

    @property
    def _start(self) -> Tokens:
        """What must stand before the first token, where nothing else does."""
        return self.backbone.text_start or (int(self.backbone.tokenizer.eos_token_id),)

    def _whole_context(self) -> None:
        """Nothing may be cut off where an edit's context would be what goes."""
        if self.backbone.context:
            raise BenchError(
                f"with the edits' context a text is longer than the {self.backbone.max_positions} positions "
                "of the backbone; no part of the context is left out"
            )


def _summed(forced: Forced) -> float:
    # a comparison with NaN is false, so that it counts as the least
    return sum(value if value >= FLOOR else FLOOR for value in forced.logprobs or ())


def _greedy(forced: Forced) -> bool:
    known = all(value == value for value in forced.logprobs or ())
    return known and forced.argmax_ids == forced.target_ids


def _generation(given: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """Stop texts and number of tokens of a request to write."""
    if given.get("do_sample") and given.get("temperature", 1.0) != 0:
        raise BenchError(
            "a task asks for sampled text (do_sample); only greedy text is measured: leave it out"
        )
    until = given.get("until") or ()
    stops = (until,) if isinstance(until, str) else tuple(until)
    most = given.get("max_gen_toks") or given.get("max_new_tokens") or MOST_WRITTEN
    return tuple(stop for stop in stops if stop), int(most)


def _cut(text: str, stops: Sequence[str]) -> str:
    for stop in stops:
        text = text.partition(stop)[0]
    return text
