"""The value an editor returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.interventions.base import Intervention, Layout, kind_of, type_named

_FORMAT = "2"


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
        """Bytes of all interventions: tensors, and texts that are part of an answer or a prompt."""
        return sum(item.nbytes for item in self.interventions)

    @property
    def parameter_count(self) -> int:
        """Numbers in all tensors."""
        return sum(tensor.numel() for item in self.interventions for tensor in item.tensors().values())

    def first_layer(self, layout: Layout) -> int | None:
        """First decoder layer that is touched (`layer_count`: only the head); None if none is."""
        layers = [layer for item in self.interventions if (layer := item.first_layer(layout)) is not None]
        return min(layers, default=None)

    def save(self, path: Path) -> None:
        """Write one safetensors file. Raises `NotSavable` if an intervention holds code."""
        tensors: dict[str, Tensor] = {}
        described: list[dict[str, Any]] = []
        for number, item in enumerate(self.interventions):
            names = sorted(item.tensors())
            described.append({"kind": kind_of(item), "plain": dict(item.plain()), "tensors": names})
            for name, tensor in item.tensors().items():
                # a copy of its own: safetensors refuses tensors that share storage
                tensors[f"{number}.{name}"] = tensor.detach().cpu().clone().contiguous()
        description = {"format": _FORMAT, "interventions": described, "note": dict(self.note)}
        # one field: safetensors writes several in random order, and equal edits are to be equal files
        save_file(tensors, path, {"edit": json.dumps(description, sort_keys=True)})

    @classmethod
    def load(cls, path: Path) -> Edit:
        """Read what `save` wrote. Raises `BadRecord` for other files, `UnknownName` for unknown types."""
        if not Path(path).is_file():
            raise BadRecord(f"{path}: no such edit file")
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except SafetensorError as error:
            raise BadRecord(f"{path}: not a safetensors file ({error})") from None
        try:
            description = json.loads(metadata["edit"])
            if description["format"] != _FORMAT:
                raise BadRecord(f"{path}: field 'format' is {description['format']!r}, not {_FORMAT!r}")
            items = enumerate(description["interventions"])
            return cls(tuple(_restore(n, item, tensors) for n, item in items), description["note"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(f"{path}: metadata field 'edit' does not describe an edit ({error!r})") from None


def _restore(number: int, item: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Intervention:
    own = {name: tensors[f"{number}.{name}"] for name in item["tensors"]}
    return type_named(item["kind"]).restore(item["plain"], own)
