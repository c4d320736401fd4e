"""The small backbone's bridge, trained once more behind the eyes that ship, and how that goes.

    python benchmarks/bridge.py --language-model FILE

What ships was trained before its curve was kept. This trains a bridge by the same recipe, draws the
curve, and prints beside its end what the bridge that ships recovers. The eyes ship in float16, so the
two bridges are not the same bits. Minutes; a state in --workdir is gone on from.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from mmedit_bench.backbones.checkpoint import WEIGHTS
from mmedit_bench.backbones.grafted import digest_of
from mmedit_bench.backbones.training.bridge import Words, clean_looks, recovered, train_bridge
from mmedit_bench.backbones.training.curves import drawn
from mmedit_bench.backbones.training.small import SMALL, STAGE
from mmedit_bench.backbones.training.stage import history
from mmedit_bench.backbones.zoo import CHECKPOINTS
from mmedit_bench.cli.output import Output
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.plugins.registry import BACKBONES

NAME = "minigpt4-qwen2.5-0.5b"


def main() -> None:
    """Trains, draws, and prints what both bridges recover."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--language-model", required=True, help="Folder, GGUF file or repository.")
    parser.add_argument("--workdir", type=Path, default=Path("runs/bridge"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/bridge-training.svg"))
    given = parser.parse_args()
    recipe, data = SMALL[NAME], files.load()
    backbone = BACKBONES.load(NAME)(language_model=given.language_model)
    eyes, tokenizer = backbone.model, backbone.tokenizer
    embeddings = eyes.get_input_embeddings().weight.detach()
    words = Words.of([e.name for e in data.entities], tokenizer, embeddings, recipe.eyes.sizes.queries)
    seen = {"eyes": digest_of(CHECKPOINTS / NAME / WEIGHTS)}
    with Output().progress(NAME) as advance:
        bridge = train_bridge(
            eyes, data.entities, words, recipe.bridge, given.workdir,
            lambda at, step, steps, _: advance(at, step, steps), seen,
        )  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(drawn({STAGE: history(given.workdir, STAGE)}))
    looks = clean_looks(eyes, data.entities)
    with torch.no_grad():
        for title, own in (("trained now", bridge), ("shipped", eyes.language_projection)):
            print(title, json.dumps(recovered(own, words, looks)))


if __name__ == "__main__":
    main()
