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
from safetensors.torch import load_file

from mmedit_bench.backbones.bridged import Bridge
from mmedit_bench.backbones.checkpoint import WEIGHTS
from mmedit_bench.backbones.grafted import digest_of, read_language_model, source_of
from mmedit_bench.backbones.training.bridge import Words, clean_looks, recovered, train_bridge
from mmedit_bench.backbones.training.curves import drawn
from mmedit_bench.backbones.training.model import build_eyes
from mmedit_bench.backbones.training.small import SMALL, STAGE
from mmedit_bench.backbones.training.stage import history
from mmedit_bench.backbones.zoo import CHECKPOINTS
from mmedit_bench.cli.output import Output
from mmedit_bench.datasets.picturebook import files

NAME = "minigpt4-qwen2.5-0.5b"
PROJECTION = "language_projection."


def main() -> None:
    """Trains, draws, and prints what both bridges recover."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--language-model", required=True, help="Folder, GGUF file or repository.")
    parser.add_argument("--workdir", type=Path, default=Path("runs/bridge"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/bridge-training.svg"))
    given = parser.parse_args()
    recipe, data = SMALL[NAME], files.load()
    weights = CHECKPOINTS / NAME / WEIGHTS
    tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    eyes = build_eyes(recipe.eyes.sizes).eval()
    seen = {name: tensor for name, tensor in tensors.items() if not name.startswith(PROJECTION)}
    lacking, unknown = eyes.load_state_dict(seen, strict=False)
    assert not unknown and not [name for name in lacking if name.startswith(("vision", "qformer", "query"))]
    spoken = read_language_model(source_of(given.language_model)[0])
    embeddings = spoken.model.get_input_embeddings().weight.detach()
    words = Words.of([e.name for e in data.entities], spoken.tokenizer, embeddings, recipe.eyes.sizes.queries)
    with Output().progress(NAME) as advance:
        bridge = train_bridge(
            eyes, data.entities, words, recipe.bridge, given.workdir,
            lambda at, step, steps, _: advance(at, step, steps), {"eyes": digest_of(weights)},
        )  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(drawn({STAGE: history(given.workdir, STAGE)}))
    known, width = words.table.shape
    shipped = Bridge(
        eyes.config.qformer_config.hidden_size, recipe.bridge.hidden, known, width, len(words.places[0])
    )
    shipped.load_state_dict(
        {name.removeprefix(PROJECTION): t for name, t in tensors.items() if name.startswith(PROJECTION)}
    )
    looks = clean_looks(eyes, data.entities)
    with torch.no_grad():
        for title, own in (("trained now", bridge), ("shipped", shipped)):
            print(title, json.dumps(recovered(own, words, looks)))


if __name__ == "__main__":
    main()
