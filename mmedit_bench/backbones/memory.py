"""The memory that an editor needs on a backbone, computed from shapes.

    need = weights + held + max(asking, editing, training)

    weights    parameters and buffers, in the number type they are run in
    held       what the editor keeps from before its first edit on, and what a backbone remembers
    asking     the edit, what it takes by itself, and a batch of questions: their keys and values, and
               the most that lives at once while they are read
    editing    values, gradients and optimiser states of what is trained, what a step holds beside
               them, and the most that lives at once in its largest pass
    training   the same of what is trained before the first edit

"The most that lives at once" is measured and no formula: the pass is carried out on the meta device,
forward and backward, and the tensors alive are counted (`backbones.tally`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mmedit_bench.backbones import pictures
from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass
from mmedit_bench.backbones.kept import MOST_BYTES
from mmedit_bench.backbones.shape import META, Blank, Shape
from mmedit_bench.backbones.tally import Tally

WRITTEN = 48
"""Tokens of an answer that is written, at most."""
PICTURES = 3
"""Pictures of a case: the edited one, another of the same, and that of a locality question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes, part by part; `total` is what must be there at once."""

    weights: int
    held: int
    asking: int
    editing: int
    training: int

    @property
    def total(self) -> int:
        """Weights, what is held, and the largest of the three phases."""
        return self.weights + self.held + max(self.asking, self.editing, self.training)


class Memory:
    """What passes of one backbone under one load take; each is measured once."""

    def __init__(self, shape: Shape, load: Load) -> None:
        self.shape = shape
        self.load = load
        self._measured: dict[tuple[Any, ...], int] = {}

    def need(self, demand: Demand) -> Need:
        """Of one editor; `Demand()` is that of no edit at all."""
        fits = [demand.fit] if demand.fit else []
        return Need(
            weights=self.shape.nbytes,
            held=demand.held + MOST_BYTES + self._seen(),
            asking=demand.edit.nbytes + demand.asking + self.asking(demand.context),
            editing=demand.making
            + max([*map(self._fitted, fits), *map(self.passed, demand.passes)], default=0),
            training=max(map(self._fitted, demand.learned), default=0),
        )

    def _seen(self) -> int:
        """What is remembered of the pictures of the training split and of as many others."""
        each = self.load.picture * self.shape.width * self.shape.dtype.itemsize
        return min(pictures.MOST_BYTES, 2 * self.load.cases * PICTURES * each)

    def asking(self, context: int = 0) -> int:
        """Bytes of asking a batch, with so many tokens before each question."""
        tokens = min(context + self.load.tokens + WRITTEN, self.shape.max_positions)
        cache = self.load.batch * tokens * self.shape.cache_bytes
        return cache + max(self._read(Pass(rows=self.load.batch), tokens), self.sighted())

    def passed(self, own: Pass) -> int:
        """The most that lives at once in a pass of the request, forward and, with a gradient, backward."""
        return max(self._read(own, self.load.tokens), self.sighted())

    def sighted(self) -> int:
        """The most that lives at once while one picture becomes visual tokens."""
        if not self.load.picture:
            return 0
        return self._once(("sight",), lambda: self._peak(self.shape.visual, grad=False))

    def _fitted(self, fit: Fit) -> int:
        return fit.nbytes + fit.beside + max(map(self.passed, fit.passes), default=0)

    def _read(self, own: Pass, tokens: int) -> int:
        key = (own.rows, own.layer, own.sight, tokens)
        return self._once(key, lambda: self._run(own, tokens))

    def _once(self, key: tuple[Any, ...], measure: Callable[[], int]) -> int:
        if key not in self._measured:
            self._measured[key] = measure()
        return self._measured[key]

    # ---- passes on the meta device

    def _run(self, own: Pass, tokens: int) -> int:
        shape, grad = self.shape, own.layer is not None or bool(own.sight)
        with ExitStack() as stack:
            if own.sight:
                stack.enter_context(_branching(shape.model, own.sight))
            elif own.layer is not None and own.layer < shape.layer_count:
                stack.enter_context(_beginning(shape.model.get_submodule(shape.anatomy.layer(own.layer))))
            return self._peak(lambda: self._pass(own, tokens), grad)

    def _pass(self, own: Pass, tokens: int) -> Tensor | None:
        """Logits at the answer's positions, and their loss where there is a gradient."""
        shape, dtype = self.shape, self.shape.dtype
        words = torch.empty(own.rows, tokens, shape.width, dtype=dtype, device=META)
        if own.sight and (seen := self.shape.visual()) is not None:
            seen = seen.reshape(1, -1, shape.width).expand(own.rows, -1, -1)
            words = torch.cat([seen.to(dtype), words[:, : max(tokens - seen.shape[1], 1)]], dim=1)
        count = words.shape[1]
        # a mask of its own, as a batch with padding has it: no kernel may leave it out
        mask = torch.zeros(own.rows, 1, count, count, dtype=dtype, device=META)
        places = torch.zeros(own.rows, count, dtype=torch.long, device=META)
        decoder = shape.model.get_submodule(shape.anatomy.layers.rpartition(".")[0])
        read = decoder(inputs_embeds=words, attention_mask=mask, position_ids=places, use_cache=False)
        head = shape.model.get_submodule(shape.anatomy.head)
        logits = head(read.last_hidden_state[:, -self.load.answer - 1 :])[:, :-1].float().flatten(0, 1)
        if not logits.requires_grad:
            logits.log_softmax(-1)
            return None
        return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=META))

    def _peak(self, run: Callable[[], Tensor | None], grad: bool) -> int:
        """The most bytes alive at once while `run` runs, and while its loss goes back."""
        model = self.shape.model
        weights = (*model.parameters(), *model.buffers())
        with torch.set_grad_enabled(grad), Blank(), Tally(weights) as tally:
            loss = run()
            if grad and loss is not None and loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
        most: int = tally.peak
        return most


@contextmanager
def _beginning(layer: nn.Module) -> Iterator[None]:
    """Let the gradient end where a decoder layer begins."""

    def begin(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (args[0].detach().requires_grad_(), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": kwargs["hidden_states"].detach().requires_grad_()}

    handle = layer.register_forward_pre_hook(begin, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _branching(model: nn.Module, part: str) -> Iterator[None]:
    """Let the gradient go back to every linear layer of a part; to the part itself if it has none."""
    root = model.get_submodule(part)
    trained: list[nn.Module] = [module for module in root.modules() if isinstance(module, nn.Linear)]
    leaf = torch.zeros((), device=META, requires_grad=True)
    with ExitStack() as stack:
        for module in trained or [root]:
            hook = module.register_forward_hook(lambda _, args, output: output + leaf.to(output))
            stack.callback(hook.remove)
        yield
