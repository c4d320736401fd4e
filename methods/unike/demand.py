"""What pairs, a memory of states and their collaboration take."""

from __future__ import annotations

from typing import Any

import torch

from methods.ike.demand import context, demonstration, shown
from methods.ike.editor import IKEEditor
from methods.t_patcher.demand import neurons
from mmedit_bench.backbones.demand import SINGLE, Demand, Fit, Load, Pass
from mmedit_bench.editors import AttentionMemory, Context, Edit, Intervention, Shared

COMPARED = 4096
"""Entries of a memory that are compared with a batch at a time."""


def demand(editor: Any, shape: Any, load: Load) -> Demand:
    """Of `unike` and its variants: pairs and W_zeta by Adam, states in the attention of the last layers.

    What is learned beforehand is a store of states, which all edits share, and two encoders a layer.
    """
    s = editor.settings(shape)
    layers = range(shape.layer_count - s.layers, shape.layer_count)
    width, entries = shape.width, min(s.store, load.cases)
    quiet = min(s.quiet, load.cases) * load.kept
    coder = 2 * width * s.encoder_width + width + s.encoder_width
    store = SINGLE * s.layers * width * (3 * entries + quiet)
    learned = Fit(
        numbers=2 * s.layers * coder,
        moments=2,
        steps=s.encoder_steps,
        beside=store + _batch(s, width),
        products=4 * s.encoder_batch * s.layers * coder,
    )
    own = {"none": 0, "final": 1, "answer": load.answer - 1}[s.own]
    external: list[Intervention] = []
    before = asking = 0
    if s.external == "context":
        reserve = IKEEditor().settings(shape).reserve
        external = [Context(shown(shape, load, s.examples, reserve) * demonstration(load), load.request.id)]
        before = context(shape, load, s.examples, reserve)
    elif s.external == "latent":
        external = [_memory(s, layer, own, entries, width) for layer in layers]
        # what an attention keeps of its memory: index and states, and its own keys and values of them
        kept = s.layers * entries * width * (2 * SINGLE + 3 * shape.dtype.itemsize)
        asking = kept + SINGLE * 2 * load.batch * load.tokens * min(entries, COMPARED)
    pairs = [neurons(layer, s.pairs, width, shape.anatomy.gated) for layer in layers] if s.intrinsic else []
    zeta = 0 if s.zeta == "none" else s.layers * width * width
    fit = Fit(
        numbers=sum(item.parameter_count for item in pairs) + zeta,
        moments=2 if s.optimiser == "adam" else 0, steps=s.steps, passes=(Pass(layer=layers[0]),),
        beside=asking + SINGLE * 6 * s.layers * quiet * s.pairs,
    )  # fmt: skip
    return Demand(
        edit=Edit((*external, *pairs)), fit=fit if pairs else None, learned=(learned,),
        passes=(Pass(times=2),), held=store + SINGLE * 2 * s.layers * coder, context=before, asking=asking,
    )  # fmt: skip


def _memory(s: Any, layer: int, own: int, entries: int, width: int) -> AttentionMemory:
    """The request's own states, and the store as a bank; what is shared has no digest on the meta device."""
    gate = "similarity" if s.gate == "dynamic" else s.gate
    state, bank = torch.empty(own, width, device="meta"), torch.empty(entries, width, device="meta")
    weights = [(s.encoder_width, width), (s.encoder_width,), (width, s.encoder_width), (width,)]
    encoder = {f"{number:02}": torch.empty(size, device="meta") for number, size in enumerate(weights)}
    return AttentionMemory(
        layer, state, state, s.top_k, gate, weight=s.weight if gate == "fixed" else 0.0,
        groups=(own,) if own else (), space=s.space, encoder=Shared(encoder) if gate == "similarity" else (),
        banks=(Shared({"index": bank, "states": bank}),) if s.top_k else (),
    )  # fmt: skip


def _batch(s: Any, width: int) -> int:
    """Bytes of a step of the encoders: codes of both, and similarities of all to all, layer by layer."""
    codes = 4 * s.encoder_batch * (3 * s.encoder_width + 4 * width)
    return int(SINGLE * s.layers * (codes + 24 * s.encoder_batch**2))
