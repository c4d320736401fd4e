"""Tensors that several edits refer to: held once, known by their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import WeakValueDictionary

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from mmedit_bench.errors import BadRecord, naming


@dataclass(frozen=True, eq=False)
class Shared:
    """Named tensors that no edit owns: a store of states, a trained network.

    Edits that refer to equal contents refer to one thing, whoever made the objects.
    """

    tensors: Mapping[str, Tensor]

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of names, number types, shapes and values."""
        return digest_of(self.tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def save(self, folder: Path) -> Path:
        """Write `<digest>.safetensors` in the folder, unless it is there."""
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
        path = _file(folder, self.digest)
        _HELD.setdefault(self.digest, self)
        if not path.exists():
            # copies of their own: safetensors refuses tensors that share storage
            own = {name: t.detach().cpu().clone().contiguous() for name, t in self.tensors.items()}
            # whole or not at all, also with several writers
            with naming(path), TemporaryDirectory(dir=folder) as aside:
                (Path(aside) / path.name).write_bytes(save(own))
                (Path(aside) / path.name).replace(path)
        return path

    @classmethod
    def load(cls, folder: Path, digest: str) -> Shared:
        """What `save` wrote; a process holds one copy. Raises `BadRecord` if the content is another."""
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise BadRecord(f"{folder}: {digest!r} is no digest of a shared part")
        held = _HELD.get(digest)
        if held is None:
            held = cls(_read(_file(folder, digest)))
            if held.digest != digest:
                raise BadRecord(
                    f"{_file(folder, digest)}: the content's digest is {held.digest}; get it anew"
                )
            _HELD[digest] = held
        return held


_HELD: WeakValueDictionary[str, Shared] = WeakValueDictionary()
"""Shared parts of this process that were saved or loaded, by digest, as long as someone uses them."""


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """sha256 (hex) of named tensors: names, number types, shapes and values."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.safetensors"


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise BadRecord(f"{path}: no such shared part; it travels with the edits that refer to it")
    try:
        # copies: a view into the file's bytes lies anywhere, and a sum's last bits follow from where
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise BadRecord(f"{path}: not a safetensors file ({error})") from None
