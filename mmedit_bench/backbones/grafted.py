"""A language model that nobody here trained, behind Picturebook's eyes and a bridge: a small MiniGPT-4.

What ships is a folder of eyes and bridge (a few megabytes). The language model is the user's: a folder
or hub repository of safetensors, or a GGUF file. Both are put together once, in this program's own
folder, and read from there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmedit_bench.backbones.checkpoint import WEIGHTS, folder_of
from mmedit_bench.errors import BenchError, out_of_memory
from mmedit_bench.runs.files import make_folder
from mmedit_bench.runs.home import home

log = logging.getLogger(__name__)

FOLDER = "language-models"
"""Where what was put together is kept, under this program's own folder."""
HALF = torch.float16
"""How the tensors of a GGUF file are kept once they are expanded."""
_OF_THE_FILE = frozenset({"_name_or_path", "quantization_config"})


@dataclass(frozen=True)
class Spoken:
    """A causal language model and its tokenizer."""

    model: Any
    tokenizer: Any


def grafted(scion: Path, language_model: str | None) -> Path:
    """A checkpoint folder of eyes, bridge and language model, made if need be.

    `scion` is the folder of eyes and bridge. Without `language_model` it is the one that was put
    together with this scion before. Raises `BenchError` that says how to get one if there is none,
    and one that asks which if there are several.
    """
    described = json.loads((scion / "backbone.json").read_bytes())
    name, own = str(described["name"]), digest_of(scion / WEIGHTS)
    kept = home() / FOLDER
    if language_model is None:
        found = sorted(
            folder for folder in kept.glob(f"{name}-*") if _made_of(folder).get("scion") == own
        )  # fmt: skip
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(str(_made_of(folder).get("language_model")) for folder in found)
            raise BenchError(
                f"{name} was put together with {len(found)} language models ({which}); "
                "say which with --language-model"
            )
        raise BenchError(f"{name} needs a language model: {described['language_model_from']}")
    source, read = source_of(language_model)
    folder = kept / f"{name}-{hashlib.sha256(f'{own} {read}'.encode()).hexdigest()[:12]}"
    if not _made_of(folder):
        log.info("%s is put together with %s, once", name, source)
        graft(scion, source, folder, {"scion": own, "language_model": str(source), "sha256": read})
    return folder


def graft(scion: Path, language_model: Path, out: Path, made_of: Mapping[str, str]) -> None:
    """Write the checkpoint folder `out` as a whole. Raises `BenchError` if the two do not fit."""
    from safetensors.torch import load_file, save_file
    from transformers import Blip2Config

    spoken = read_language_model(language_model)
    fields = json.loads((scion / "config.json").read_bytes())
    own = load_file(scion / WEIGHTS)
    width = spoken.model.get_input_embeddings().weight.shape[1]
    if (wanted := own["language_projection.table.weight"].shape[0]) != width:
        raise BenchError(
            f"{language_model}: embeddings of width {width}; the bridge in {scion} writes {wanted}; "
            "give the language model that it was trained for"
        )
    # where it lay, and how its file was packed, is not of what is written
    text = {k: v for k, v in spoken.model.config.to_dict().items() if k not in _OF_THE_FILE}
    config = Blip2Config(**{**fields, "text_config": text})
    make_folder(out.parent)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        tensors = own | {
            f"language_model.{name}": tensor.contiguous() for name, tensor in _tensors(spoken.model).items()
        }
        save_file(tensors, part / WEIGHTS, {"format": "pt"})
        config.save_pretrained(part)
        if (bos := spoken.tokenizer.bos_token) is not None and not spoken.tokenizer("")["input_ids"]:
            log.debug("the tokenizer names %s, but begins no text with it", bos)
            spoken.tokenizer.bos_token = None
        spoken.tokenizer.save_pretrained(part)
        shutil.copy(scion / "preprocessor_config.json", part)
        described = json.loads((scion / "backbone.json").read_bytes()) | {"made_of": dict(made_of)}
        (part / "backbone.json").write_text(json.dumps(described, indent=1, sort_keys=True) + "\n")
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_language_model(source: Path) -> Spoken:
    """A folder with safetensors, or a GGUF file (extra `gguf`), whose tensors are expanded.

    Raises `BenchError` naming what cannot be read.
    """
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf = {"gguf_file": source.name} if source.is_file() else {}
    folder = source.parent if gguf else source
    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, **gguf}
    packed: dict[str, Any] = {}
    if gguf and hasattr(transformers, "GgufConfig"):  # newer ones keep weights packed where they can
        packed["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=HALF if gguf else "auto", **own, **packed)
        tokenizer = AutoTokenizer.from_pretrained(folder, **own)
    except Exception as error:  # of a damaged file, libraries raise whatever they come upon
        if out_of_memory(error):
            raise
        needs = "; what GGUF files take comes with `pip install 'mmedit-bench[gguf]'`" if gguf else ""
        raise BenchError(f"{source}: no language model ({type(error).__name__}: {error}){needs}") from None
    return Spoken(model, tokenizer)


def digest_of(file: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_of(named: str) -> tuple[Path, str]:
    """Where a language model lies, and the digest of its weights."""
    path = Path(named)
    if path.is_file():
        if path.suffix != ".gguf":
            raise BenchError(f"{path} is neither a folder nor a .gguf file")
        return path.absolute(), digest_of(path)
    folder, _ = folder_of(named, None)
    if not folder.is_dir():
        raise BenchError(f"{named}: neither a folder, a .gguf file nor a repository of the hub")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BenchError(f"{folder}: no safetensors; nothing else is read")
    joined = "".join(digest_of(file) for file in files)
    return folder.absolute(), hashlib.sha256(joined.encode()).hexdigest()


def _tensors(model: Any) -> dict[str, Tensor]:
    """All tensors of a model, shared ones once."""
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            found[name] = tensor
    return found


def _made_of(folder: Path) -> Mapping[str, str]:
    """What a folder was put together from; empty if it is none or not whole."""
    try:
        made: Mapping[str, str] = json.loads((folder / "backbone.json").read_bytes())["made_of"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return made
