"""The value an editor returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as deserialised
from safetensors.torch import save as serialised
from torch import Tensor

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.interventions.base import EMPTY, Intervention, Layout, kind_of, type_named
from mmedit_bench.interventions.shared import Shared

_FORMAT = "3"


@dataclass(frozen=True)
class Edit:
    """A bundle of interventions that act together, in their order; an empty one changes nothing.

    `note` is for people: it is saved and shown, and nothing reads it.
    """

    interventions: tuple[Intervention, ...] = ()
    note: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "interventions", tuple(self.interventions))
        object.__setattr__(self, "note", dict(self.note))
        for item in self.interventions:
            if not isinstance(item, Intervention):
                raise BenchError(f"an Edit holds interventions, not a {type(item).__name__}")

    @property
    def nbytes(self) -> int:
        """Bytes of all interventions: their own tensors, and texts that are part of an answer or a prompt."""
        return sum(item.nbytes for item in self.interventions)

    @property
    def parameter_count(self) -> int:
        """Numbers in all tensors of its own."""
        return sum(item.parameter_count for item in self.interventions)

    def first_layer(self, layout: Layout) -> int | None:
        """First decoder layer that is touched (`layer_count`: only the head); None if none is."""
        layers = [layer for item in self.interventions if (layer := item.first_layer(layout)) is not None]
        return min(layers, default=None)

    @property
    def shared_nbytes(self) -> int:
        """Bytes of what is referred to, each part once; `nbytes` does not count them."""
        return sum(part.nbytes for part in self.shared().values())

    def shared(self) -> dict[str, Shared]:
        """What the interventions refer to but do not own, by digest."""
        return {part.digest: part for item in self.interventions for part in item.shared().values()}

    def save(self, path: Path, shared: Path | None = None) -> None:
        """Write one safetensors file, and its shared parts in the folder `shared`, once each.

        Without an argument that is the folder `shared` beside the file. Raises `NotSavable` if an
        intervention holds code that is not registered.
        """
        data = self.to_bytes()
        for part in self.shared().values():
            part.save(_beside(path) if shared is None else shared)
        Path(path).write_bytes(data)

    def to_bytes(self) -> bytes:
        """What `save` writes in its own file: shared parts are named by digest. Raises `NotSavable`."""
        tensors: dict[str, Tensor] = {}
        described: list[dict[str, Any]] = []
        for number, item in enumerate(self.interventions):
            described.append(
                {
                    "kind": kind_of(item),
                    "plain": dict(item.plain()),
                    "tensors": sorted(item.tensors()),
                    "shared": {name: part.digest for name, part in item.shared().items()},
                }
            )
            for name, tensor in item.tensors().items():
                # a copy of its own: safetensors refuses tensors that share storage
                tensors[f"{number}.{name}"] = tensor.detach().cpu().clone().contiguous()
        description = {"format": _FORMAT, "interventions": described, "note": dict(self.note)}
        # one field: safetensors writes several in random order, and equal edits are to be equal files
        written: bytes = serialised(tensors, {"edit": json.dumps(description, sort_keys=True)})
        return written

    @classmethod
    def load(cls, path: Path, shared: Path | None = None) -> Edit:
        """Read what `save` wrote; a process holds one copy of each shared part.

        Raises `BadRecord` for other files and for shared parts that are missing or have another
        content, `UnknownName` for unknown types.
        """
        if not Path(path).is_file():
            raise BadRecord(f"{path}: no such edit file")
        folder = _beside(path) if shared is None else shared
        return _read(Path(path).read_bytes(), lambda digest: Shared.load(folder, digest), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, shared: Mapping[str, Shared] = EMPTY) -> Edit:
        """The edit that `to_bytes` wrote, given the shared parts by digest. Raises as `load` does."""

        def find(digest: str) -> Shared:
            if digest not in shared:
                raise BadRecord(f"an edit in bytes refers to shared part {digest}, which was not given")
            return shared[digest]

        return _read(data, find, "an edit in bytes")


def _beside(path: Path) -> Path:
    return Path(path).parent / "shared"


def _read(data: bytes, find: Callable[[str], Shared], where: str) -> Edit:
    try:
        # copies: a view into the file's bytes lies anywhere, and a sum's last bits follow from where
        tensors = {name: tensor.clone() for name, tensor in deserialised(data).items()}
    except SafetensorError as error:
        raise BadRecord(f"{where}: not a safetensors file ({error})") from None
    try:
        # the format: the length of a JSON header, the header, the tensors
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        description = json.loads(header["__metadata__"]["edit"])
        if description["format"] != _FORMAT:
            raise BadRecord(f"{where}: field 'format' is {description['format']!r}, not {_FORMAT!r}")
        items = enumerate(description["interventions"])
        return Edit(tuple(_restore(n, item, tensors, find) for n, item in items), description["note"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRecord(f"{where}: metadata field 'edit' does not describe an edit ({error!r})") from None


def _restore(
    number: int, item: Mapping[str, Any], tensors: Mapping[str, Tensor], find: Callable[[str], Shared]
) -> Intervention:
    cls = type_named(item["kind"])
    own = {name: tensors[f"{number}.{name}"] for name in item["tensors"]}
    if not item["shared"]:
        return cls.restore(item["plain"], own)
    return cls.restore(item["plain"], own, {name: find(digest) for name, digest in item["shared"].items()})
