"""Seconds and forward work per edit on the shape on which a peer was timed.

    python benchmarks/peer.py [ft mend serac ike] [--records 20]

A randomly initialised BLIP-2 with an OPT text model: width 256, 4 layers, pictures of 224 pixels;
records of 5 probes and 3 pictures; one thread; processor seconds, which other work on the machine
does not lengthen. Cold: pictures and questions are met for the first time. Warm: the same records
again. Weights are random, so no answer means anything; the work is that of a model that never stops
by itself.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.harness.training import Training
from mmedit_bench.plugins.registry import EDITORS

PEER = {"ft": 0.97, "mend": 0.33, "serac": 0.40, "ike": 0.81}
"""Seconds per edit of EasyEdit 14cea82 on this shape, without free generation, as recorded."""
PEER_WRITING = {"serac": 1.9, "ike": 1.4}
"""The same with free generation of up to 48 tokens."""
WIDTH, LAYERS, PIXELS = 256, 4, 224
WORDS = ("fox", "lighthouse", "ball", "lion", "city", "snow", "country", "animal", "river", "tower")
OPTIONS: dict[str, dict[str, Any]] = {
    "ft": {"steps": 15, "threshold": 0.0},
    "mend": {},
    "serac": {"scope_steps": 0, "steps": 0},
    "ike": {"demonstrations": 16},
}
EDITED = {"ft": 1, "mend": 3, "serac": 0, "ike": LAYERS}
"""Decoder layers that an edit runs through, counted from the last."""


def backbone() -> Backbone:
    """The shape, with a byte-level tokenizer of 1000 tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([probe.query.prompt for case in cases(40) for probe in case.probes], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    sizes: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4}
    text = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, ffn_dim=4 * WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=4, word_embed_proj_dim=WIDTH, dropout=0.0, bos_token_id=0, pad_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            num_hidden_layers=LAYERS, image_size=PIXELS, patch_size=14, **sizes
        ).to_dict(),
        qformer_config=Blip2QFormerConfig(
            vocab_size=8, num_hidden_layers=2, encoder_hidden_size=WIDTH, cross_attention_frequency=1, **sizes
        ).to_dict(),
        text_config=text.to_dict(),
        num_query_tokens=32,
        image_token_index=4,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Blip2ForConditionalGeneration(config)
    processor = BlipImageProcessorPil(size={"height": PIXELS, "width": PIXELS})
    return Backbone("peer-shape", model, tokenizer, processor)


@functools.cache
def picture(number: int) -> ImageRef:
    """A JPEG of coarse coloured patches."""
    patches = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(patches).resize((PIXELS, PIXELS)).save(file, "JPEG")
    data = file.getvalue()
    return ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)


def cases(count: int, start: int = 0) -> list[EditCase]:
    """Records of 5 probes and 3 pictures, targets of about two tokens."""
    made = []
    for n in range(start, start + count):
        thing, target = WORDS[n % 10], f"{WORDS[(n * 7 + 3) % 10]} {n % 7}"
        own, other, far = (picture(3 * n + i) for i in range(3))
        asked = f"what does the {thing} in picture {n} stand next to?"
        request = EditRequest(f"r{n}", Query(asked, own), target)
        probes = (
            ("reliability", request.query, target),
            ("text_generality", Query(f"name what is beside the {thing} of picture {n}.", own), target),
            ("image_generality", Query(asked, other), target),
            ("text_locality", Query(f"which river runs through city {n}?"), f"river {n % 5}"),
            ("image_locality", Query("what is shown here?", far), f"a {WORDS[(n + 5) % 10]}"),
        )
        made.append(
            EditCase(
                request,
                tuple(Probe(f"r{n}/{i}", *probe) for i, probe in enumerate(probes)),
                "vqa",
                "train",
                "counterfactual",
            )
        )
    return made


@dataclass
class Counts:
    """Work since the last look."""

    passes: int = 0
    """Calls of the text model."""
    tokens: int = 0
    """Positions run through a decoder layer, padding too, summed over the layers."""
    pictures: int = 0


@dataclass
class Counter:
    """Counts what a backbone runs. No hooks: a hook below keeps layers from being replayed."""

    backbone: Backbone
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        anatomy, model = self.backbone.anatomy, self.backbone.model
        self._wrap(self.backbone.family.runs, "passes", lambda args, kwargs: 1)
        self._wrap(model.get_submodule("vision_model"), "pictures", lambda args, kwargs: 1)
        for layer in range(anatomy.layer_count):
            self._wrap(
                model.get_submodule(anatomy.layer(layer)),
                "tokens",
                lambda args, kwargs: args[0].shape[0] * args[0].shape[1],
            )

    def _wrap(self, module: nn.Module, name: str, size: Callable[[Any, Any], int]) -> None:
        forward = module.forward

        def counting(*args: Any, **kwargs: Any) -> Any:
            setattr(self.counts, name, getattr(self.counts, name) + size(args, kwargs))
            return forward(*args, **kwargs)

        module.forward = counting

    @contextmanager
    def phase(self, into: Phases, name: str) -> Iterator[None]:
        """Add the processor seconds and the work of the block to a phase."""
        self.counts = Counts()
        started = time.process_time()
        yield
        into.seconds[name] = into.seconds.get(name, 0.0) + time.process_time() - started
        into.work[name] = _sum(into.work.get(name, Counts()), self.counts)


def _sum(a: Counts, b: Counts) -> Counts:
    return Counts(a.passes + b.passes, a.tokens + b.tokens, a.pictures + b.pictures)


@dataclass
class Phases:
    """Sums over records, by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    work: dict[str, Counts] = field(default_factory=dict)


class Least(NamedTuple):
    """The least work of one record's phase, in positions summed over layers."""

    edit: int
    scoring: int


def least(shape: Backbone, editor: str, case: EditCase, view: Backbone, warm: bool) -> Least:
    """What an edit and its scoring need if nothing is run twice and nothing is padded.

    Scoring: each question and its answer once, from the first edited layer on if they were met
    before; nothing for what a route answers; of a context that is known, nothing.
    """
    queries, targets = [p.query for p in case.probes], [p.reference for p in case.probes]
    routed = view._routed(queries)
    lengths = view.input_lengths(queries, targets)
    shared = shape.input_lengths(queries, targets)
    lengths = [n for i, n in enumerate(shared if editor == "ike" and warm else lengths) if i not in routed]
    depth = EDITED[editor] if warm and editor in ("ft", "mend") else LAYERS
    if editor == "serac" and warm:
        depth = LAYERS
    (own,) = shape.input_lengths([case.request.query], [case.request.target])
    first = own * (EDITED[editor] if warm else LAYERS)
    edit = {"ft": first + 14 * own, "mend": first}.get(editor, 0)
    return Least(edit, (sum(lengths) - len(lengths)) * depth)


def measured(name: str, records: int, passes: int) -> list[tuple[Phases, int, int]]:
    """Phases of each pass over the records, with the least work of edit and scoring."""
    shape = backbone()
    train, asked = cases(40, start=1000), cases(records)
    editor: Any = EDITORS.load(name)(**OPTIONS[name])
    if name == "mend":
        editor.load(shape, editor.fresh(shape, 0).state_dict())
    elif hasattr(editor, "train"):
        editor.load(shape, editor.train(shape, train, Training(seed=0)))
    if hasattr(editor, "prepare"):
        editor.prepare(shape, train)
    shape.read([train[0].request.query], ["paris"])  # what a first call costs once
    counter, found = Counter(shape), []
    for number in range(passes):
        phases, edit_least, scoring_least = Phases(), 0, 0
        for case in asked:
            queries, targets = [p.query for p in case.probes], [p.reference for p in case.probes]
            with counter.phase(phases, "edit"):
                view = shape.edited(editor.edit(shape, case.request))
            with counter.phase(phases, "scoring"):
                view.score(queries, targets)
            with counter.phase(phases, "both"):
                view.read(queries, targets)
            needed = least(shape, name, case, view, number > 0)
            edit_least, scoring_least = edit_least + needed.edit, scoring_least + needed.scoring
        found.append((phases, edit_least, scoring_least))
    return found


def main() -> None:
    """One row per editor, cold and warm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("editors", nargs="*", default=list(PEER))
    parser.add_argument("--records", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'editor':<7}{'':<6}{'edit':>8}{'scoring':>9}{'peer':>7}{'ratio':>7}{'writing':>9}{'peer':>6}{'ratio':>7}"
        f"{'passes':>8}{'pictures':>9}{'work edit':>11}{'least':>8}{'scoring':>9}{'least':>8}{'ratio':>7}"
    )
    for name in options.editors:
        for phases, edit_least, scoring_least in measured(name, options.records, 2):
            show(name, phases, edit_least, scoring_least, options.records)


_shown: set[str] = set()


def show(name: str, phases: Phases, edit_least: int, scoring_least: int, records: int) -> None:
    """A row; work is in thousands of positions times layers, per edit."""
    kind = "warm" if name in _shown else "cold"
    _shown.add(name)
    edit, scoring, both = (phases.seconds[p] / records for p in ("edit", "scoring", "both"))
    work = {p: phases.work[p] for p in ("edit", "scoring")}
    ratio = (edit + scoring) / PEER[name]
    writing = PEER_WRITING.get(name)
    done, needed = sum(w.tokens for w in work.values()), edit_least + scoring_least
    print(
        f"{name:<7}{kind:<6}{edit:>8.3f}{scoring:>9.3f}{PEER[name]:>7.2f}{ratio:>7.2f}{both:>9.3f}"
        f"{writing or '-':>6}{f'{(edit + both) / writing:.2f}' if writing else '-':>7}"
        f"{sum(w.passes for w in work.values()) / records:>8.1f}"
        f"{sum(w.pictures for w in work.values()) / records:>9.1f}"
        f"{work['edit'].tokens / records / 1000:>11.2f}{edit_least / records / 1000:>8.2f}"
        f"{work['scoring'].tokens / records / 1000:>9.2f}{scoring_least / records / 1000:>8.2f}"
        f"{f'{done / needed:.2f}' if needed else '-':>7}",
        flush=True,
    )


if __name__ == "__main__":
    main()
