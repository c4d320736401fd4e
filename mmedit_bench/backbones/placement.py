"""A model on several devices: parts moved where a map says, and what they are handed moved after them.

A map names modules by dotted path, "" for all that no other name covers, and the device of each. A
part named "cpu" is run by the processor; nothing is moved back and forth between calls, so weights
are where they are computed with, and edits, proofs and digests see them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmedit_bench.errors import BenchError

AUTO = "auto"


def read_map(given: str) -> Mapping[str, str] | None:
    """The devices of a JSON file by module path; None for "auto".

    Raises `BenchError` for a file that is not an object of such, and for devices that torch does not know.
    """
    if given == AUTO:
        return None
    path = Path(given)
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"device map {given}: neither {AUTO!r} nor a JSON file ({error})") from None
    if not isinstance(found, dict) or not found:
        raise BenchError(f"device map {given}: not a JSON object of module paths and their devices")
    devices = {str(name): f"cuda:{at}" if isinstance(at, int) else str(at) for name, at in found.items()}
    for name, device in devices.items():
        try:
            kind = torch.device(device).type
        except RuntimeError as error:
            raise BenchError(f"device map {given}: {name!r} is put on {device!r}: {error}") from None
        if kind == "meta":
            raise BenchError(f"device map {given}: {name!r} is put on 'meta', which holds no numbers")
    return devices


def automatic(model: nn.Module) -> dict[str, str]:
    """A map that fills this machine's accelerators evenly and gives the processor what is left over.

    Decoder layers and the like stay whole. Raises `BenchError` without accelerate, and for a model that
    does not fit.
    """
    try:
        from accelerate import infer_auto_device_map
        from accelerate.utils import get_balanced_memory
    except ImportError:
        raise BenchError("device map 'auto' needs accelerate: pip install 'mmedit-bench[maps]'") from None
    parts = (getattr(part, "_no_split_modules", None) for part in model.modules())
    whole = sorted({name for own in parts for name in own or ()})
    dtype = next(model.parameters()).dtype
    memory = get_balanced_memory(model, no_split_module_classes=whole, dtype=dtype)
    found = infer_auto_device_map(model, max_memory=memory, no_split_module_classes=whole, dtype=dtype)
    if "disk" in found.values():
        raise BenchError("device map 'auto': the model is larger than the memory of all devices together")
    return {name: f"cuda:{at}" if isinstance(at, int) else str(at) for name, at in found.items()}


def spread(model: nn.Module, devices: Mapping[str, str], rest: str) -> None:
    """Move parts of a model where a map says, and all others to `rest`; calls then cross by themselves.

    What a part is handed is moved to it before any other hook sees it. Raises `BenchError` for a name that
    is no module, and for weights that two parts on different devices share.
    """
    owner = {"": _numbered(devices.get("", rest))}
    for name in sorted(devices, key=len):
        try:
            model.get_submodule(name)
        except AttributeError:
            known = ", ".join(child for child, _ in model.named_children())
            raise BenchError(
                f"device map: the model has no module {name!r}; it has {known}, and theirs"
            ) from None
        owner[name] = _numbered(devices[name])
    _refuse_torn(model, owner)
    for name, module in model.named_modules():
        device = _device_of(name, owner)
        for weight in module.parameters(recurse=False):
            weight.data = weight.data.to(device)
        for key, buffer in module.named_buffers(recurse=False):
            module._buffers[key] = buffer.to(device)
    _cross(model, "", owner)


def _numbered(device: str) -> torch.device:
    """A device by one name: "cuda" is "cuda:0"."""
    return torch.device("cuda:0" if device == "cuda" else device)


def _cross(module: nn.Module, name: str, owner: Mapping[str, torch.device]) -> None:
    """Have each outermost part that is on one device fetch what it is handed."""
    inside = f"{name}." if name else ""
    spans = {_device_of(name, owner), *(at for part, at in owner.items() if part.startswith(inside) and part)}
    # a list of layers is never called: its layers are
    if len(spans) == 1 and not isinstance(module, nn.ModuleList | nn.ModuleDict):
        module.register_forward_pre_hook(Mover(spans.pop()), with_kwargs=True)
        return
    for child, below in module.named_children():
        _cross(below, f"{inside}{child}", owner)


class Mover:
    """A hook that brings a module's inputs to its device. It changes no number."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return _moved(args, self._device), _moved(kwargs, self._device)


def altered(module: nn.Module) -> bool:
    """Whether a hook has a say in what a module computes."""
    before = module._forward_pre_hooks.values()
    return bool(module._forward_hooks) or not all(isinstance(hook, Mover) for hook in before)


def _device_of(name: str, owner: Mapping[str, torch.device]) -> torch.device:
    """The device of the nearest named part around a module."""
    while name not in owner:
        name = name.rpartition(".")[0]
    return owner[name]


def _refuse_torn(model: nn.Module, owner: Mapping[str, torch.device]) -> None:
    held: dict[int, tuple[str, torch.device]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        device = _device_of(name.rpartition(".")[0], owner)
        other, its = held.setdefault(id(weight), (name, device))
        if its != device:
            raise BenchError(
                f"device map: {other} and {name} are one weight, so {its} and {device} must be the same"
            )


def _moved(given: Any, device: torch.device) -> Any:
    """Tensors on a device, in tuples, lists and mappings; a cache keeps the devices of its layers."""
    if isinstance(given, Tensor):
        return given.to(device)
    if type(given) in (tuple, list):
        return type(given)(_moved(one, device) for one in given)
    if type(given) is dict:
        return {key: _moved(one, device) for key, one in given.items()}
    return given
