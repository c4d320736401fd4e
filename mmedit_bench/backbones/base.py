"""A backbone: a function of (queries, edits), differentiable in the edits' tensors."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from mmedit_bench.backbones.anatomy import anatomy_of
from mmedit_bench.backbones.batch import Batch
from mmedit_bench.backbones.decoding import greedy, greedy_beside
from mmedit_bench.backbones.families import family_of
from mmedit_bench.backbones.forcing import Forced, all_logits, forced, last_logits, shown
from mmedit_bench.backbones.identity import tensor_versions, weights_digest
from mmedit_bench.backbones.inputs import Encoder, Row, by_length, mask_of, pack
from mmedit_bench.backbones.passes import Passes
from mmedit_bench.backbones.pictures import Pictures
from mmedit_bench.backbones.prompted import Prompted
from mmedit_bench.backbones.tracing import answer_rows, reading, tracing, unpadded
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Edit, Intervention, acts_from, attached, fold, stateless

# Single precision is that on every device: what a picture tower convolves too, as products are by default.
torch.backends.cudnn.allow_tf32 = False

LONG = 256
"""Tokens of a continuation that is scored by itself."""
WORTH = 16
"""Tokens of a context from which on it is kept apart from the questions."""


class Backbone:
    """A frozen vision-language model with an ordered tuple of edits.

    `edited` gives a view with more edits; views share model and caches. Not for use from several
    threads at once: edits act through hooks on the shared model.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenizer: Any,
        image_processor: Any,
        *,
        template: str = "{prompt}",
        ends: Sequence[str] = (),
        batch_size: int = 16,
    ) -> None:
        """`ends` are texts of one token each that end an answer, beside what the checkpoint names."""
        if batch_size < 1:
            raise BenchError(f"batch_size is {batch_size}; it must be at least 1")
        model.eval()
        model.requires_grad_(False)
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.anatomy = anatomy_of(model)
        self.template = template
        self.batch_size = batch_size
        self.placed: Mapping[str, str] = {}
        """Devices by module path, of a model on several."""
        self.origin: Mapping[str, Any] = {}
        """Where published weights came from and how they were placed, for the record of a run."""
        self.edits: tuple[Edit, ...] = ()
        self._settled: tuple[Intervention, ...] = ()
        self._open: tuple[Edit, ...] = ()
        self.family = family_of(model)(model, tokenizer, image_processor, template, ends)
        self._encoder = Encoder(self.family)
        self._pictures = Pictures(self.family)
        self._passes = Passes(model, self.family, self.anatomy.layers)
        self.loaded_digest = self.digest
        """`digest` as it was when the backbone was made: a name for it that costs nothing.

        Evidence of nothing later: whoever must know what the weights are now takes `digest`.
        """

    @classmethod
    def load(
        cls,
        source: Path | str,
        *,
        name: str,
        device: str = "cpu",
        dtype: str = "float32",
        batch_size: int = 16,
        template: str | None = None,
        ends: Sequence[str] = (),
        revision: str | None = None,
        device_map: str | None = None,
    ) -> Self:
        """Read a checkpoint folder or hub repository ("owner/name").

        `template` and `ends` are for checkpoints without backbone.json, as published ones are;
        `device_map` spreads the model over devices, of which `device` holds the rest; see
        `backbones.checkpoint`. Raises `BenchError` naming what is missing or unreadable.
        """
        from mmedit_bench.backbones.checkpoint import read_checkpoint

        parts = read_checkpoint(
            source, device=device, dtype=dtype, template=template, ends=ends,
            revision=revision, device_map=device_map,
        )  # fmt: skip
        own: dict[str, Any] = {"template": parts.template, "ends": parts.ends, "batch_size": batch_size}
        made = cls(name, parts.model, parts.tokenizer, parts.image_processor, **own)
        made.placed = parts.devices
        return made

    # ---- what it is

    @property
    def device(self) -> torch.device:
        """Where words become numbers. Of a model on several devices all that is handed out is here, and an
        edit's tensors go from here to where they act."""
        return self._embed.weight.device

    @property
    def device_types(self) -> frozenset[str]:
        """Kinds of devices that the weights are on."""
        return frozenset(weight.device.type for weight in self.model.parameters())

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the weights."""
        return self._embed.weight.dtype

    @property
    def layer_count(self) -> int:
        """Number of decoder layers."""
        return self.anatomy.layer_count

    @property
    def max_positions(self) -> int:
        """Most tokens an input may have, visual tokens, context and answer included."""
        return self._encoder.max_positions

    @property
    def digest(self) -> str:
        """sha256 (hex) of everything that decides an unedited answer; computed anew at each call.

        Covers the weights as they are now, the tokenizer, the templates, the picture processor and what
        ends an answer.
        """
        words, pixels = self.tokenizer.backend_tokenizer.to_str(), self.image_processor.to_json_string()
        return weights_digest(
            self.model, extra="\0".join((words, self.template, pixels, *self.family.identity))
        )

    def versions(self) -> tuple[int, ...]:
        """Version counters of all parameters and buffers: cheap evidence that none was written to."""
        return tensor_versions(self.model)

    def weight(self, module: str) -> Tensor:
        """A copy of the weight of the module at a dotted path, or of the parameter that stands there.

        Raises `BenchError` if there is none.
        """
        parent, _, name = module.rpartition(".")
        try:
            holder = self.model.get_submodule(parent)
            bare = isinstance(getattr(holder, name, None), nn.Parameter)
            weight = getattr(holder, name) if bare else self.model.get_submodule(module).weight
        except AttributeError as error:
            raise BenchError(f"backbone {self.name} has no weight at {module!r}: {error}") from None
        copied: Tensor = weight.detach().clone()
        return copied.to(self.device)

    def linears(self, part: str) -> tuple[str, ...]:
        """Paths of all linear layers inside a part of the model, such as "qformer", in its order.

        Raises `BenchError` for a part that the model lacks or that has none.
        """
        try:
            root = self.model.get_submodule(part)
        except AttributeError as error:
            raise BenchError(f"backbone {self.name} has no part {part!r}: {error}") from None
        found = [name for name, module in root.named_modules() if isinstance(module, nn.Linear)]
        if not found:
            raise BenchError(f"{part!r} of backbone {self.name} has no linear layer")
        return tuple(f"{part}.{name}".rstrip(".") for name in found)

    # ---- edits

    def edited(self, *edits: Edit) -> Self:
        """A view that carries these edits after the ones it has."""
        for edit in edits:
            if not isinstance(edit, Edit):
                raise BenchError(f"an editor must return an Edit, not a {type(edit).__name__}")
        view = copy.copy(self)
        view.edits = (*self.edits, *edits)
        # From the first edit in training on, folding waits for each call: its tensors change between
        # calls, and each call needs a graph of its own. What comes before is folded here, once.
        waiting = (*self._open, *edits)
        first = next((i for i, edit in enumerate(waiting) if _trains(edit)), len(waiting))
        view._settled = fold(waiting[:first], onto=self._settled)
        view._open = waiting[first:]
        return view

    def unedited(self) -> Self:
        """A view without edits."""
        view = copy.copy(self)
        view.edits, view._settled, view._open = (), (), ()
        return view

    # ---- what it does

    def answer(self, queries: Sequence[Query], max_new_tokens: int = 48) -> list[str]:
        """Greedy answers, stripped of outer white space.

        An answer ends at one of the family's end tokens, after `max_new_tokens`, or when the positions
        are used up. Raises `BenchError` if an input exceeds `max_positions`.
        """
        routed = self._answered(queries)
        answers = dict(routed)
        left = [i for i in range(len(queries)) if i not in routed]
        prefix = self._prefix()
        rows = [self._encoder.fitting_row(queries[i], prefix) for i in left]
        with torch.no_grad(), self._acting():
            for chosen in by_length(rows, self.batch_size):
                part = [rows[i] for i in chosen]
                prompted = self._prompted(part)
                written = greedy(prompted, self._room(part, max_new_tokens), shrink=self._shrinks)
                for i, ids in zip(chosen, written, strict=True):
                    answers[left[i]] = self._text(ids)
        return [answers[i] for i in range(len(queries))]

    def read(
        self, queries: Sequence[Query], targets: Sequence[str], max_new_tokens: int = 48
    ) -> list[tuple[str, Forced]]:
        """What `answer` and `score` say of each query, from one reading of the questions.

        In float32 answers and most likely tokens are those of the two calls; log-probabilities may
        differ from those of `score` in their last bits. Raises as the two calls do.
        """
        if not stateless(self._folded()):
            pairs = zip(self.answer(queries, max_new_tokens), self.score(queries, targets), strict=True)
            return list(pairs)
        routed = self._answered(queries)
        found = {
            i: (text, Forced(self._encoder.answer_ids(targets[i]), None, None)) for i, text in routed.items()
        }
        left = [i for i in range(len(queries)) if i not in routed]
        whole = self._rows([queries[i] for i in left], [targets[i] for i in left])
        rows = [row.question for row in whole]
        with torch.no_grad(), self._acting():
            for chosen in by_length(rows, self.batch_size):
                part, answers = [rows[i] for i in chosen], [whole[i].answer for i in chosen]
                prompted = self._prompted(part)
                readings = [forced(*own) for own in zip(shown(prompted, answers), answers, strict=True)]
                room = self._room(part, max_new_tokens)
                if self._shrinks:
                    likely = [one.argmax_ids or () for one in readings]
                    written = greedy_beside(prompted, answers, likely, room)
                else:
                    # what is written must not depend on which rows of the batch are right
                    prompted.back_to(range(len(part)), [0] * len(part), max(map(len, answers)) - 1)
                    written = greedy(prompted, room, shrink=False)
                for i, ids, reading in zip(chosen, written, readings, strict=True):
                    found[left[i]] = self._text(ids), reading
        return [found[i] for i in range(len(queries))]

    def score(self, queries: Sequence[Query], targets: Sequence[str]) -> list[Forced]:
        """What is predicted at each position of each target; nothing where a route answers the query.

        Raises `BenchError` for over-long inputs.
        """
        routed = self._routed(queries)
        results = {i: Forced(self._encoder.answer_ids(targets[i]), None, None) for i in routed}
        left = [i for i in range(len(queries)) if i not in routed]
        rows = self._rows([queries[i] for i in left], [targets[i] for i in left])
        with torch.no_grad(), self._acting():
            for chosen in by_length(rows, self.batch_size):
                part = [rows[i] for i in chosen]
                logits = self._shown(part)
                for i, row, own in zip(chosen, part, logits, strict=True):
                    results[left[i]] = forced(own, row.answer)
        return [results[i] for i in range(len(queries))]

    def loss(self, queries: Sequence[Query], targets: Sequence[str], edit: Edit | None = None) -> Tensor:
        """Mean negative log-likelihood (nats) over all answer tokens, </s> included.

        Differentiable in the tensors of `edit` and of the edits carried. Raises `BenchError` if a
        route answers one of the queries: a text has no gradient.
        """
        with torch.enable_grad():
            logits = self.logits(queries, targets, edit)
            wanted = [token for target in targets for token in self._encoder.answer_ids(target)]
            wide = torch.cat([own.to(torch.promote_types(own.dtype, torch.float32)) for own in logits])
            return cross_entropy(wide, torch.tensor(wanted, device=self.device))

    def logits(
        self, queries: Sequence[Query], targets: Sequence[str], edit: Edit | None = None
    ) -> list[Tensor]:
        """Logits [answer tokens, vocabulary] that predict each target, </s> included.

        Differentiable as `loss` is, unless called under `torch.no_grad()`. Raises `BenchError` if a
        route answers one of the queries: a text has no logits.
        """
        acting = self if edit is None else self.edited(edit)
        rows = acting._open_rows(queries, targets)
        found: dict[int, Tensor] = {}
        with acting._acting():
            for chosen in by_length(rows, self.batch_size):
                part = [rows[i] for i in chosen]
                own = self._passes.answer_logits(part, acting._depth(), acting._batch)
                found.update(zip(chosen, own, strict=True))
        return [found[i] for i in range(len(rows))]

    def top_tokens(
        self, queries: Sequence[Query], targets: Sequence[str], count: int
    ) -> list[tuple[tuple[int, ...], ...]]:
        """The `count` most likely next tokens, best first, at every position of each input and target.

        The last row is that of the answer's final token but one: what it predicts closes the answer.
        Raises `BenchError` if a route answers one of the queries.
        """
        rows = self._open_rows(queries, targets)
        found: dict[int, tuple[tuple[int, ...], ...]] = {}
        with torch.no_grad(), self._acting():
            for chosen in by_length(rows, self.batch_size):
                part = [rows[i] for i in chosen]
                for i, own in zip(chosen, all_logits(self.family, self._batch(part), part), strict=True):
                    found[i] = tuple(map(tuple, own.topk(min(count, own.shape[-1]), dim=-1).indices.tolist()))
        return [found[i] for i in range(len(rows))]

    def divergences(self, queries: Sequence[Query], targets: Sequence[str]) -> list[tuple[float, ...]]:
        """KL(unedited || edited) in nats at each position of each target, </s> included.

        Raises `BenchError` if a route answers one of the queries: a text has no distribution.
        """
        with torch.no_grad():
            before, now = (view.logits(queries, targets) for view in (self.unedited(), self))
            found = []
            for pair in zip(before, now, strict=True):
                a, b = (own.float().log_softmax(-1) for own in pair)
                found.append(tuple((a.exp() * (a - b)).sum(-1).clamp_min(0).tolist()))
            return found

    # ---- running text

    @property
    def context(self) -> str:
        """Text that the edits put before whatever is read."""
        return self._prefix()

    def routed_answers(self, queries: Sequence[Query]) -> dict[int, str]:
        """What routes answer, by index of the query; the others are left to the model."""
        return self._answered(queries)

    def continued(self, texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Forced]:
        """What is predicted at each position of each continuation: pairs of token ids, read as they are.

        No template, no edit's context and no closing token is added: `text_start` says what a text
        begins with. Routes play no part. The last token is never read and needs no position. Raises
        `BenchError` for an empty part and for over-long texts.
        """
        rows = [self._encoder.text_row((*before, *after[:-1]), len(after)) for before, after in texts]
        short = [i for i, (_, after) in enumerate(texts) if len(after) <= LONG]
        batches = [[short[k] for k in own] for own in by_length([rows[i] for i in short], self.batch_size)]
        # long ones one by one: the logits of a batch of them would fill the memory
        batches += [[i] for i, (_, after) in enumerate(texts) if len(after) > LONG]
        found: dict[int, Forced] = {}
        with torch.no_grad(), self._acting():
            for chosen in batches:
                part, wanted = [rows[i] for i in chosen], [tuple(texts[i][1]) for i in chosen]
                logits = last_logits(self.family, self._batch(part), [len(ids) for ids in wanted])
                found.update(zip(chosen, map(forced, logits, wanted), strict=True))
        return [found[i] for i in range(len(rows))]

    def written(self, texts: Sequence[Sequence[int]], most: Sequence[int]) -> list[tuple[int, ...]]:
        """Token ids of greedy continuations, of at most `most` tokens each; read as in `continued`.

        One that is shorter has come to an end. Raises `BenchError` for over-long texts.
        """
        rows = [self._encoder.text_row(ids, 1) for ids in texts]
        found: dict[int, tuple[int, ...]] = {}
        with torch.no_grad(), self._acting():
            for chosen in by_length(rows, self.batch_size):
                prompted = self._prompted([rows[i] for i in chosen])
                room = [min(most[i], self.max_positions - rows[i].length + 1) for i in chosen]
                found.update(
                    zip(chosen, map(tuple, greedy(prompted, room, shrink=self._shrinks)), strict=True)
                )
        return [found[i] for i in range(len(rows))]

    # ---- what happens inside

    def states(
        self, queries: Sequence[Query], targets: Sequence[str], modules: Sequence[str]
    ) -> list[dict[str, Tensor]]:
        """What modules (dotted paths) read where an answer is predicted, without gradient.

        Per query and module [answer tokens, width]: row 0 is the last token of the question, row j
        answer token j - 1, the last row the answer's final token, which predicts </s>. Raises
        `BenchError` for unknown modules and if a route answers one of the queries.
        """
        rows = self._open_rows(queries, targets)
        found: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(rows))}
        with torch.no_grad(), self._acting(), reading(self.model, modules) as seen:
            for chosen in by_length(rows, self.batch_size):
                part = [rows[i] for i in chosen]
                self._passes.answer_logits(part, self._depth(modules), self._batch)
                for path in modules:
                    # copies: a slice would keep the whole batch in memory
                    for i, own in zip(chosen, answer_rows(seen[path], part), strict=True):
                        found[i][path] = own.clone().to(self.device)
        return [found[i] for i in range(len(rows))]

    def gradients(
        self, queries: Sequence[Query], targets: Sequence[str], modules: Sequence[str]
    ) -> tuple[float, dict[str, tuple[Tensor, Tensor]]]:
        """The value of `loss`, and by linear module of the language model its inputs and output gradients.

        Inputs u are [tokens, in], gradients delta [tokens, out], over all positions but padding, so
        that `delta.T @ u` is the gradient of the loss with respect to the module's weight. Raises
        `BenchError` for modules that are not linear, and if a route answers one of the queries.
        """
        if outside := [path for path in modules if not self.anatomy.in_language_model(path)]:
            raise BenchError(f"{outside[0]} is not in the language model; gradients are taken there only")
        rows = self._open_rows(queries, targets)
        count = sum(len(row.answer) for row in rows)
        value = 0.0
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {path: [] for path in modules}
        for chosen in by_length(rows, self.batch_size):
            part = [rows[i] for i in chosen]
            with torch.enable_grad(), self._acting(), tracing(self.model, modules) as seen:
                logits = self._passes.answer_logits(part, self._depth(modules), self._batch)
                mask = mask_of(part)
                wanted = torch.tensor([token for row in part for token in row.answer], device=self.device)
                wide = torch.cat([own.to(torch.promote_types(own.dtype, torch.float32)) for own in logits])
                loss = cross_entropy(wide, wanted, reduction="sum") / count
                deltas = torch.autograd.grad(loss, [seen[path][1] for path in modules])
            value += loss.item()
            for path, delta in zip(modules, deltas, strict=True):
                here = mask.to(delta.device)
                pair = unpadded(seen[path][0], here), unpadded(delta, here)
                parts[path].append((pair[0].to(self.device), pair[1].to(self.device)))
        joined = {
            path: (torch.cat([u for u, _ in own]), torch.cat([delta for _, delta in own]))
            for path, own in parts.items()
        }
        return value, joined

    def visual(self, images: Sequence[ImageRef]) -> list[Tensor]:
        """By picture, its visual tokens [tokens, width] as the unedited model reads them; no gradient."""
        seen = self._pictures.seen(images)
        return [seen[image.digest].tokens.to(self.device) for image in images]

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, without special tokens."""
        return self._encoder.text_ids(text)

    @property
    def text_start(self) -> tuple[int, ...]:
        """Token ids that a text without template begins with; often <s>, sometimes none."""
        return self.family.text_start

    def answer_ids(self, target: str) -> tuple[int, ...]:
        """Token ids of an answer as teacher forcing uses them: a space before it, </s> after it."""
        return self._encoder.answer_ids(target)

    def embeddings(self, ids: Sequence[int]) -> Tensor:
        """Input embeddings of token ids: [tokens, width], without gradient."""
        with torch.no_grad():
            found: Tensor = self._embed(torch.tensor(list(ids), dtype=torch.long, device=self.device))
            return found

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Mean input embedding of each text's tokens, at length 1: [texts, width], for retrieval.

        A text without tokens gets zeros.
        """
        with torch.no_grad():
            means = self._embed.weight.new_zeros(len(texts), self._embed.weight.shape[1])
            for i, text in enumerate(texts):
                if ids := self._encoder.text_ids(text):
                    means[i] = self._embed(torch.tensor(ids, device=self.device)).mean(0)
            return normalize(means.float(), dim=-1)

    def input_lengths(self, queries: Sequence[Query], targets: Sequence[str] | None = None) -> list[int]:
        """Tokens of each input as `answer` (or, with targets, `score`) would feed it, edits included."""
        prefix = self._prefix()
        wanted = targets if targets is not None else [None] * len(queries)
        return [self._encoder.row(q, prefix, t).length for q, t in zip(queries, wanted, strict=True)]

    # ---- inner parts

    @property
    def _embed(self) -> nn.Embedding:
        return self.family.embedding

    def _folded(self) -> tuple[Intervention, ...]:
        """All edits as few interventions."""
        return fold(self._open, onto=self._settled) if self._open else self._settled

    def _prefix(self) -> str:
        return "".join(item.prefix() for item in self._folded())

    def _rows(self, queries: Sequence[Query], targets: Sequence[str]) -> list[Row]:
        prefix = self._prefix()
        return [self._encoder.fitting_row(q, prefix, t) for q, t in zip(queries, targets, strict=True)]

    def _open_rows(self, queries: Sequence[Query], targets: Sequence[str]) -> list[Row]:
        """Rows for queries that the model itself must answer."""
        if self._routed(queries):
            raise BenchError("a Route answers one of the queries: a text has no loss")
        return self._rows(queries, targets)

    def _routed(self, queries: Sequence[Query]) -> set[int]:
        """Indices of the queries that a route answers."""
        base = self.unedited()
        inside = (item.in_scope(base, queries) for item in self._folded())
        return {i for own in inside for i, taken in enumerate(own) if taken}

    def _answered(self, queries: Sequence[Query]) -> dict[int, str]:
        """Answers of routes, by index of the query; the latest route in scope answers."""
        base, answers = self.unedited(), dict[int, str]()
        for item in reversed(self._folded()):
            left = [i for i in range(len(queries)) if i not in answers]
            own = item.answers(base, [queries[i] for i in left])
            answers |= {left[i]: text for i, text in own.items()}
        return answers

    def _prompted(self, rows: Sequence[Row]) -> Prompted:
        """The questions, read; what they begin with alike in a context is read once."""
        if (shared := self._shared(rows)) is not None:
            return self._passes.continued(rows, shared, self._batch)
        return self._passes.prompted(rows, self._depth(), self._batch)

    def _shown(self, rows: Sequence[Row]) -> list[Tensor]:
        """Logits that predict each row's answer, without gradient."""
        questions = [row.question for row in rows]
        if (shared := self._shared(questions)) is not None:
            prompted = self._passes.continued(questions, shared, self._batch)
            return shown(prompted, [row.answer for row in rows])
        return self._passes.answer_logits(rows, self._depth(), self._batch)

    def _shared(self, rows: Sequence[Row]) -> list[int] | None:
        """How many ids each row has in common with the context alone; None if that is not worth it.

        Only where a context is all that acts: what is read otherwise hangs on the edits.
        """
        items = self._folded()
        prefix = "".join(item.prefix() for item in items)
        if not prefix or any(type(item).attach is not Intervention.attach for item in items):
            return None
        alone: dict[str | None, tuple[int, ...]] = {}
        found = []
        for row in rows:
            if (seen := row.image.digest if row.image else None) not in alone:
                alone[seen] = self._encoder.row(Query("", row.image), prefix).ids
            pairs = zip(row.ids[:-1], alone[seen], strict=False)
            same = next(
                (n for n, (a, b) in enumerate(pairs) if a != b), min(len(row.ids) - 1, len(alone[seen]))
            )
            if same < max((WORTH, *row.places)):
                return None
            found.append(same)
        return found

    @property
    def _shrinks(self) -> bool:
        """Whether rows may leave a batch: its shape decides no more than last bits, and no edit minds."""
        return torch.finfo(self.dtype).bits >= 32 and stateless(self._folded())

    def _room(self, rows: Sequence[Row], most: int) -> list[int]:
        # the last token written is never read, so it needs no position
        return [min(most, self.max_positions - row.length + 1) for row in rows]

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text.strip()

    def _depth(self, modules: Sequence[str] = ()) -> int:
        """First decoder layer at which an edit acts or one of `modules` lies; 0 where that is not known."""
        items = (*self._settled, *(item for edit in self._open for item in edit.interventions))
        acting = [layer for item in items if (layer := acts_from(item, self.anatomy)) is not None]
        return min([*acting, *map(self.anatomy.layer_of, modules)], default=0)

    @contextmanager
    def _acting(self) -> Iterator[None]:
        with attached(self.model, self.anatomy, self._folded()):
            yield

    def _batch(self, rows: Sequence[Row]) -> Batch:
        """Pack rows; call it while the edits act, so that an edited vision part is seen."""
        images = {row.image.digest: row.image for row in rows if row.image}
        return pack(rows, self.family, self._visual(images.values()))

    def _visual(self, images: Iterable[ImageRef]) -> Mapping[str, Visual]:
        items = (*self._settled, *(item for edit in self._open for item in edit.interventions))
        touched = (path for item in items for path in item.modules(self.anatomy))
        if all(self.anatomy.in_language_model(path) for path in touched):
            return self._pictures.seen(images)
        return {image.digest: self._pictures.compute(image) for image in images}


def _trains(edit: Edit) -> bool:
    """Whether one of the edit's tensors carries a gradient."""
    tensors = (tensor for item in edit.interventions for tensor in item.tensors().values())
    return any(tensor.requires_grad for tensor in tensors)
