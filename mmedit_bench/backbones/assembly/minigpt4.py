"""MiniGPT-4 from its published parts, as a BLIP-2 checkpoint with a Llama text model."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmedit_bench.backbones.assembly import names
from mmedit_bench.backbones.assembly.weights import Shards, sha256_of, tensors_of
from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.errors import BenchError
from mmedit_bench.runs.files import make_folder

NAME = "minigpt4-7b"
PICTURES = {
    "image_processor_type": "BlipImageProcessor",
    "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True,
    "resample": 3, "rescale_factor": 1 / 255,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip
"""As LAVIS shows pictures when it evaluates: squeezed to a square by cubic interpolation."""
TOKENIZER = "tokenizer.json"
_COPIED = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
"""Of the language model's folder."""


def assemble_minigpt4(
    out: Path,
    *,
    vision: Path,
    qformer: Path,
    projection: Path,
    language_model: Path,
    config: Path | None = None,
    digests: Mapping[str, str] | None = None,
    told: Callable[[str], object] = lambda text: None,
) -> dict[str, Any]:
    """Write a checkpoint folder and say what is in it.

    `vision` is EVA ViT-g and `qformer` a BLIP-2 checkpoint of stage two, in LAVIS' layout or transformers';
    `projection` is MiniGPT-4's own checkpoint, and `language_model` a folder with Vicuna, its tokenizer.json
    included. `config` is a BLIP-2 configuration in place of the published one; its text part is the
    language model's own either way. `digests` are sha256 (hex) of the files by parameter name. `told` is
    handed a line per part. Every weight of the model must come of one part, in its shape. Raises `BenchError`
    naming the part or file that does not fit; `out` is then not there.
    """
    sources = {
        "vision": vision, "qformer": qformer, "projection": projection, "language_model": language_model
    }  # fmt: skip
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BenchError(f"{out} is not empty; name a new folder with --out")
    checked = _checked(sources, digests or {})
    fields = _config(language_model, config)
    wanted = _shapes(fields)
    if not (language_model / TOKENIZER).is_file():
        raise BenchError(
            f"{language_model}: missing {TOKENIZER}; load the tokenizer with transformers once and "
            "save_pretrained() it there"
        )
    make_folder(out.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        shards = Shards(aside)
        _write(sources, fields["vision_config"]["num_hidden_layers"], wanted, shards, told)
        _describe(aside, language_model, fields, checked)
        out.mkdir(exist_ok=True)
        out.rmdir()  # empty, as was seen
        aside.chmod(0o755)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return {"folder": str(out), "tensors": len(wanted), "bytes": shards.total, "sha256": checked}


def _checked(sources: Mapping[str, Path], digests: Mapping[str, str]) -> dict[str, str]:
    """Digests of the single files. Raises `BenchError` for one that is not as told, or not to be had."""
    found = {part: sha256_of(source) for part, source in sources.items() if source.is_file()}
    for part, wanted in digests.items():
        if part not in sources:
            raise BenchError(f"sha256 of {part!r}: no such part; there are {', '.join(sources)}")
        if part not in found:
            raise BenchError(f"sha256 of {part}: {sources[part]} is no single file; leave it out")
        if found[part] != wanted.lower():
            raise BenchError(
                f"{sources[part]}: its sha256 is {found[part]}, not {wanted}; fetch it from its publisher"
            )
    return found


def _config(language_model: Path, given: Path | None) -> dict[str, Any]:
    """The fields of the assembled model's configuration."""
    own = _json(language_model / "config.json")
    if own.get("model_type") != "llama":
        raise BenchError(
            f"{language_model}/config.json: model_type is {own.get('model_type')!r}, not 'llama'"
        )
    if given:
        fields = _json(given)
        if fields.get("model_type") != "blip-2":
            raise BenchError(f"{given}: model_type is {fields.get('model_type')!r}, not 'blip-2'")
    else:
        fields = PUBLISHED[NAME].config().to_dict()
    return {**fields, "text_config": own, "tie_word_embeddings": own.get("tie_word_embeddings", False)}


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{file}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise BenchError(f"{file}: holds a {type(found).__name__}, not an object")
    return found


def _shapes(fields: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """All weights of the model that the configuration describes."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        config = AutoConfig.for_model(**fields)
        with torch.device("meta"):
            model = AutoModelForImageTextToText.from_config(config)
    except Exception as error:  # whatever a strange value leads to
        raise BenchError(f"the configuration describes no model: {type(error).__name__}: {error}") from None
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _write(
    sources: Mapping[str, Path],
    layers: int,
    wanted: Mapping[str, tuple[int, ...]],
    shards: Shards,
    told: Callable[[str], object],
) -> None:
    parts: dict[str, Iterator[tuple[str, Tensor]]] = {
        "vision": names.of_tower(tensors_of(sources["vision"]), layers),
        "qformer": names.of_qformer(tensors_of(sources["qformer"])),
        "projection": names.of_projection(tensors_of(sources["projection"])),
        "language_model": names.of_language_model(tensors_of(sources["language_model"])),
    }
    seen: dict[str, str] = {}
    for part, tensors in parts.items():
        for name, tensor in tensors:
            if name not in wanted or name in seen:
                why = "which the model has not" if name not in wanted else f"which {seen[name]} had before"
                raise BenchError(f"{sources[part]}: holds {name}, {why}")
            if tuple(tensor.shape) != wanted[name]:
                raise BenchError(
                    f"{sources[part]}: {name} has shape {tuple(tensor.shape)}, and the configuration says "
                    f"{wanted[name]}"
                )
            if not bool(tensor.isfinite().all()):
                raise BenchError(f"{sources[part]}: {name} holds numbers that are not finite; fetch it again")
            seen[name] = part
            shards.put(name, tensor)
        told(f"{part}: {sum(own == part for own in seen.values())} tensors of {sources[part]}")
    if missing := sorted(wanted.keys() - seen.keys()):
        raise BenchError(f"no part holds {', '.join(missing[:3])} ({len(missing)} in all)")
    shards.close()


def _describe(
    folder: Path, language_model: Path, fields: Mapping[str, Any], checked: Mapping[str, str]
) -> None:
    """The files beside the weights."""
    row, side = PUBLISHED[NAME], fields["vision_config"]["image_size"]
    described = {"name": row.name, "template": row.template, "ends": list(row.ends), "parts": dict(checked)}
    pictures = {**PICTURES, "size": {"height": side, "width": side}}
    for file, values in (
        ("config.json", fields), ("preprocessor_config.json", pictures), ("backbone.json", described)
    ):  # fmt: skip
        text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / file).write_text(f"{text}\n", encoding="utf-8")
    for file in _COPIED:
        if (language_model / file).is_file():
            shutil.copyfile(language_model / file, folder / file)
