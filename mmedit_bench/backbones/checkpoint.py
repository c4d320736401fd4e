"""Reading a checkpoint: safetensors and JSON only, from a folder or from the Hugging Face hub.

A checkpoint has config.json, its weights in model.safetensors or in the shards that
model.safetensors.index.json lists, tokenizer.json (with tokenizer_config.json, and
chat_template.jinja or chat_template.json for families that chat), preprocessor_config.json or a
processor_config.json that holds as much, and backbone.json with the
field "template" and, if an answer ends at more than the tokenizer's </s>, "ends": texts of one
token each, the first of which closes a target. Its field "text" may name a GGUF file of the folder
that holds the text model (extra `gguf`); the safetensors then hold the rest. A published checkpoint
has no backbone.json; the template is then the loader's. A config.json with a field `bridge_hidden` is
of a `backbones.bridged` model.

Nothing here runs code of a checkpoint or unpickles: what has no safetensors is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mmedit_bench.backbones.families import family_of
from mmedit_bench.backbones.placement import automatic, read_map, spread
from mmedit_bench.errors import BenchError, out_of_memory

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICTURES, PROCESSOR = "preprocessor_config.json", "processor_config.json"
FILES = ("config.json", WEIGHTS, "tokenizer.json", PICTURES, "backbone.json")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PATTERNS = ["*.safetensors", "*.json", "*.jinja"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a backbone, on their device and in their number type."""

    model: Any
    tokenizer: Any
    image_processor: Any
    template: str
    ends: tuple[str, ...] = ()
    devices: Mapping[str, str] = field(default_factory=dict)
    """By module path, of a model on several devices."""


def read_checkpoint(
    source: Path | str,
    *,
    device: str,
    dtype: str,
    template: str | None = None,
    ends: Sequence[str] = (),
    revision: str | None = None,
    device_map: str | None = None,
) -> Checkpoint:
    """Load all parts of a folder or of a hub repository ("owner/name", at a revision).

    `template` and `ends` are taken where there is no backbone.json. With a `device_map`, "auto" or the
    name of a JSON file, parts go where it says and the rest to `device`; see `backbones.placement`.
    Raises `BenchError` naming the missing file, field, or wrong setting.
    """
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, PreTrainedTokenizerFast

    if dtype not in DTYPES:
        raise BenchError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    _check_device(device)
    devices = read_map(device_map) if device_map else {}
    folder, _ = folder_of(source, revision)
    described = folder / "backbone.json"
    missing = missing_files(folder, template)
    if missing:
        raise BenchError(f"checkpoint {folder}: missing {', '.join(missing)}")
    if described.is_file():
        template, ends, text = _description(described)
    else:
        text = None
    assert template is not None
    kind: Any = AutoModelForImageTextToText
    if "bridge_hidden" in _json(folder / "config.json"):
        from mmedit_bench.backbones.bridged import Bridged

        kind = Bridged
    with _quiet(), _reading(folder, "config.json or the weights"):
        model, loading = kind.from_pretrained(
            folder, dtype=DTYPES[dtype], local_files_only=True, use_safetensors=True,
            trust_remote_code=False, output_loading_info=True,
        )  # fmt: skip
        absent = sorted(loading["missing_keys"])
        if text is not None:
            absent = family_of(model).take_text(model, _read_text(folder, text, DTYPES[dtype]), absent)
    if absent:
        # transformers would go on with random numbers in their place
        raise BenchError(
            f"checkpoint {folder}: no weights for {', '.join(absent[:3])} ({len(absent)} in all)"
        )
    with _reading(folder, "tokenizer.json"):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    # as a processor does it: its own template stands above the tokenizer's
    if not (folder / "chat_template.jinja").is_file() and (own := _json(folder / "chat_template.json")):
        tokenizer.chat_template = own.get("chat_template")
    with _reading(folder, "preprocessor_config.json"):
        image_processor = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, backend="pil", trust_remote_code=False
        )
    try:
        if device_map:
            devices = automatic(model) if devices is None else devices
            spread(model, devices, device)
        else:
            model = model.to(device)
    except BenchError:
        raise
    except Exception as error:  # what torch raises for a device that is not there differs by device
        if out_of_memory(error):
            raise
        raise BenchError(f"device {device_map or device!r} cannot be used: {error}") from None
    return Checkpoint(model, tokenizer, image_processor, template, tuple(ends), devices or {})


def missing_files(folder: Path, template: str | None = None) -> list[str]:
    """Files that a checkpoint lacks; with a `template` of the loader's it needs no backbone.json."""
    missing = [file for file in FILES if not (folder / file).is_file()]
    if template is not None and "backbone.json" in missing:
        missing.remove("backbone.json")
    if PICTURES in missing and "image_processor" in _json(folder / PROCESSOR):
        missing.remove(PICTURES)
    if WEIGHTS in missing and (folder / INDEX).is_file():
        missing.remove(WEIGHTS)
        missing += [file for file in _shards(folder / INDEX) if not (folder / file).is_file()]
    return missing


def _check_device(device: str) -> None:
    """Before anything is read. Raises `BenchError` for what is no device, or one that holds no numbers."""
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise BenchError(f"device {device!r} cannot be used: {error}; such as cpu or cuda:0") from None
    if kind == "meta":
        raise BenchError("device 'meta' cannot be used: it holds no numbers; such as cpu or cuda:0")


@contextmanager
def _reading(folder: Path, what: str) -> Iterator[None]:
    """Name what cannot be read: of a damaged file, libraries raise whatever they come upon."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        raise BenchError(
            f"checkpoint {folder}: {what} cannot be read ({type(error).__name__}: {error}); the files are "
            "damaged: reinstall, or fetch them again"
        ) from error


def folder_of(source: Path | str, revision: str | None) -> tuple[Path, str | None]:
    """The folder itself, or where a hub repository's files are in the local cache, and their commit.

    They are fetched if need be. Raises `BenchError` for what is neither, and for the revision of a folder.
    """
    if isinstance(source, Path) or Path(source).exists() or not _HUB_ID.fullmatch(source):
        if revision is not None:
            raise BenchError(
                f"checkpoint {source}: revision {revision!r} is of a hub repository; leave it out"
            )
        return Path(source), None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=PATTERNS))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise BenchError(
            f"checkpoint {source}: neither a folder nor to be had from the hub: {error}"
        ) from None
    return folder, folder.name  # the cache keeps files under the commit they are of


def _read_text(folder: Path, file: str, dtype: torch.dtype) -> Any:
    """A causal text model from a GGUF file, its tensors expanded to a number type."""
    from transformers import AutoModelForCausalLM

    if not (folder / file).is_file() or Path(file).name != file:
        raise BenchError(f"checkpoint {folder}: missing {file}, the 'text' of backbone.json")
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=file, dtype=dtype, local_files_only=True, trust_remote_code=False
        )
    except (ImportError, ValueError) as error:  # transformers raises either for a package that is not there
        raise BenchError(
            f"{folder / file}: cannot be read ({error}); "
            "what it takes comes with `pip install 'mmedit-bench[gguf]'`"
        ) from None


def _json(path: Path) -> Mapping[str, Any]:
    """The object in a file, empty if there is no such file. Raises `BenchError` for anything else in it."""
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise BenchError(f"{path}: not JSON ({error}); fetch it again") from None
    if not isinstance(found, dict):
        raise BenchError(f"{path}: holds a {type(found).__name__}, not an object; fetch it again")
    return found


def _shards(index: Path) -> list[str]:
    """Files that an index names."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{index}: no JSON object with a field 'weight_map' ({error!r})") from None


def _description(path: Path) -> tuple[str, tuple[str, ...], str | None]:
    """Fields "template", "ends" and "text" of a backbone.json."""
    try:
        described: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        template = described["template"]
        ends, text = described.get("ends", []), described.get("text")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{path}: no JSON object with a field 'template' ({error!r})") from None
    if not isinstance(template, str):
        raise BenchError(f"{path}: field 'template' is a {type(template).__name__}, not a text")
    if not isinstance(ends, list) or not all(isinstance(end, str) for end in ends):
        raise BenchError(f"{path}: field 'ends' is not a list of texts")
    if not isinstance(text, str | None):
        raise BenchError(f"{path}: field 'text' is a {type(text).__name__}, not a file name")
    return template, tuple(ends), text


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar for a load of a second; the setting is put back afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
