"""Tensors of a published file by name, and nothing else of it.

Safetensors are read as they are. A file of `torch.save` is a pickle: it is read by torch's own reader of
tensors and plain values, which runs nothing that the file asks for, and only by a version of torch in
which that reader holds (2.6: CVE-2025-32434).
"""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmedit_bench.errors import BenchError

OLDEST = (2, 6)
"""The first version of torch whose `weights_only` lets nothing through."""
WHOLE = ("model.safetensors", "pytorch_model.bin")
"""Weights of a folder in one file; in several, an index beside them names these."""
_HOLDERS = ("model", "state_dict")
"""Under which a training's checkpoint keeps the weights."""


def tensors_of(source: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of everything in a file, or in the files of a folder in transformers' layout.

    One by one: what is not held on to is not kept in memory. Raises `BenchError` naming the file that is
    not there, holds anything else than tensors and plain values, or is damaged.
    """
    if source.is_dir():
        for file in _files(source):
            yield from tensors_of(file)
    elif not source.is_file():
        raise BenchError(f"{source}: there is no such file or folder")
    elif source.suffix == ".safetensors":
        yield from _safe(source)
    else:
        yield from unpickled(source).items()


def unpickled(file: Path) -> Mapping[str, Tensor]:
    """The weights in a file of `torch.save`. Raises `BenchError` as `tensors_of` does."""
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if release < OLDEST:
        raise BenchError(
            f"{file}: a pickle is read with torch 2.6 or later only, and this is {torch.__version__}; update"
        )
    try:
        # what is mapped and not read in is fetched when a tensor is used
        read = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        said = str(error).splitlines()[0]
        raise BenchError(
            f"{file}: holds more than tensors and plain values, and none of it was run ({said:.200}); "
            "get the file from its publisher, or one in safetensors"
        ) from None
    except Exception as error:  # of a damaged file, torch raises whatever it comes upon
        raise BenchError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); fetch it again"
        ) from None
    for name in _HOLDERS:
        if isinstance(read, dict) and isinstance(read.get(name), dict):
            read = read[name]
            break
    if not isinstance(read, dict) or not all(isinstance(name, str) for name in read):
        raise BenchError(f"{file}: holds a {type(read).__name__}, not tensors by name")
    return {name: value for name, value in read.items() if isinstance(value, Tensor)}


def sha256_of(file: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _safe(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        opened: Any = safe_open(file, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        raise BenchError(f"{file}: cannot be read ({error}); fetch it again") from None
    with opened as held:
        for name in held.keys():  # noqa: SIM118 (no mapping)
            yield name, held.get_tensor(name)


def _files(folder: Path) -> list[Path]:
    for name in WHOLE:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                shards = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BenchError(f"{index}: no JSON object with a field 'weight_map' ({error!r})") from None
            if any(Path(shard).name != shard for shard in shards):
                raise BenchError(f"{index}: names a file outside of its folder")
            return [folder / shard for shard in shards]
    raise BenchError(f"{folder}: has no weights, neither {WHOLE[0]} nor {WHOLE[1]} nor an index of either")


class Shards:
    """Writes tensors as they come to safetensors files of bounded size, with an index."""

    def __init__(self, folder: Path, most: int = 4 << 30) -> None:
        """`most` bytes go into a file, unless one tensor is larger."""
        self._folder, self._most = folder, most
        self._held: dict[str, Tensor] = {}
        self._files: list[list[str]] = []
        self._bytes = 0
        self.total = 0

    def put(self, name: str, tensor: Tensor) -> None:
        """Add a tensor."""
        if self._held and self._bytes + tensor.nbytes > self._most:
            self._flush()
        self._held[name] = tensor.contiguous()
        self._bytes += tensor.nbytes
        self.total += tensor.nbytes

    def close(self) -> None:
        """Write what is left and name the files as transformers does."""
        self._flush()
        count = len(self._files)
        places: dict[str, str] = {}
        for number, names in enumerate(self._files, 1):
            name = WHOLE[0] if count == 1 else f"model-{number:05}-of-{count:05}.safetensors"
            (self._folder / f"part-{number}").rename(self._folder / name)
            places |= dict.fromkeys(names, name)
        if count > 1:
            index = {"metadata": {"total_size": self.total}, "weight_map": places}
            (self._folder / f"{WHOLE[0]}.index.json").write_text(json.dumps(index, indent=2, sort_keys=True))

    def _flush(self) -> None:
        from safetensors.torch import save_file

        if self._held:
            self._files.append(list(self._held))
            save_file(self._held, self._folder / f"part-{len(self._files)}", {"format": "pt"})
            self._held, self._bytes = {}, 0
