"""An edit on its way between two processes: data crosses as bytes, code stays where it is.

A route through a registered reader is code. Its place in the edit crosses, and the process that made
the edit is asked for what the route says. Shared parts cross once, ahead of what refers to them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from mmedit_bench.errors import BenchError, NotSavable
from mmedit_bench.interventions import ConstantAnswer, Edit, Everything, Intervention, Route, Shared

DATA = frozenset(
    {
        "attention_memory", "codebook", "context", "extra_neurons", "low_rank_delta", "matrix_delta", "route",
        "side_memory", "weight_delta",
    }
)  # fmt: skip
"""Kinds of interventions whose class belongs to this package."""
READER = "constant_answer"
"""The one reader that is data."""
MOST_TOLD = 1 << 53
"""What the bytes, and the numbers, of the routes of an edit stay below, all together: a whole number up to
here is the same in every JSON reader."""


class NoData(BenchError):
    """What came is not an edit as data."""


@dataclass(frozen=True, slots=True)
class Far:
    """A route that stays with its process."""

    key: str
    nbytes: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Crossed:
    """An edit as it came."""

    items: tuple[Intervention | Far, ...]
    """Its interventions, in order."""
    note: Mapping[str, str]
    whole: bytes | None
    """All of it as its process wrote it, to be given back and never read here.

    None if it cannot be written.
    """
    shared: tuple[str, ...]
    """Digests of the shared parts that `whole` refers to."""


def packed(edit: Edit, known: MutableMapping[str, Shared]) -> tuple[dict[str, Any], bytes]:
    """Head and body of an edit for the other side, which has the shared parts `known`; adds to these.

    Raises `NotSavable` for an intervention that is neither this package's nor a route.
    """
    near = [item for item in edit.interventions if is_data(item)]
    items: list[dict[str, Any] | None] = []
    for item in edit.interventions:
        if is_data(item):
            items.append(None)
        elif type(item) is Route:
            items.append({"key": item.key, "nbytes": item.nbytes, "parameters": item.parameter_count})
        else:
            raise NotSavable(
                f"{type(item).__qualname__} is code and cannot leave the editor's process; return "
                "interventions of this package or a Route, or run without --isolate"
            )
    data = Edit(tuple(near), edit.note).to_bytes()
    whole: bytes | None = data
    if len(near) < len(items):
        try:
            whole = edit.to_bytes()
        except (NotSavable, TypeError, ValueError):
            whole = None  # it serves as long as its process lives
    head, parts = packed_parts(edit.shared(), known)
    sizes = [len(data), None if whole is None else len(whole)]
    return head | {"items": items, "sizes": sizes}, data + (whole or b"") + parts


def packed_parts(
    parts: Mapping[str, Shared], known: MutableMapping[str, Shared]
) -> tuple[dict[str, Any], bytes]:
    """Head and body for shared parts: the names of all, and the bytes of those that are not `known`."""
    new: list[tuple[str, int]] = []
    body = []
    for digest, part in parts.items():
        if digest not in known:
            # copies of their own: safetensors refuses tensors that share storage
            data = save({name: t.detach().cpu().clone().contiguous() for name, t in part.tensors.items()})
            new.append((digest, len(data)))
            body.append(data)
            known[digest] = part
    return {"shared": list(parts), "new": new}, b"".join(body)


def unpacked_parts(head: Mapping[str, Any], body: memoryview, known: MutableMapping[str, Shared]) -> None:
    """Take the new shared parts. Raises `NoData` where a digest is not that of the content."""
    at = 0
    for digest, size in head["new"]:
        if type(size) is not int or not 0 <= size <= len(body) - at:
            raise NoData("a body is shorter than its head says")
        try:
            part = Shared(load(bytes(body[at : at + size])))
        except SafetensorError as error:
            raise NoData(f"shared part {digest!r:.80} is not a safetensors file ({error})") from None
        if part.digest != digest:
            raise NoData(f"shared part {digest!r:.80} has the content of {part.digest}")
        known.setdefault(digest, part)
        at += size


def unpacked(head: Mapping[str, Any], body: bytes, known: MutableMapping[str, Shared]) -> Crossed:
    """What `packed` sent, for the side that asks: no class outside of this package is looked up.

    Raises `NoData` for anything else.
    """
    try:
        own, opaque = head["sizes"]
        rest = _length(own, len(body))
        rest += 0 if opaque is None else _length(opaque, len(body) - rest)
        unpacked_parts(head, memoryview(body)[rest:], known)
        data = body[:own]
        _only_data(data)
        read = Edit.from_bytes(data, known)
        near = iter(read.interventions)
        items = tuple(next(near) if item is None else _far(item) for item in head["items"])
        if next(near, None) is not None:
            raise NoData("an edit has more interventions than it says")
        far = [item for item in items if isinstance(item, Far)]
        if max(sum(item.nbytes for item in far), sum(item.parameters for item in far)) >= MOST_TOLD:
            raise NoData(f"its routes have {MOST_TOLD} bytes or parameters and more")
        whole = None if opaque is None else body[own:rest]
        return Crossed(items, read.note, whole, tuple(map(str, head["shared"])))
    except (KeyError, TypeError, ValueError, StopIteration, RuntimeError, RecursionError) as error:
        raise NoData(f"what came is no edit ({type(error).__name__})") from None


def is_data(item: Intervention) -> bool:
    """Whether an intervention is data, so that no code but this package's is needed to apply it."""
    if type(item) is Route:
        return type(item.reader) is ConstantAnswer and type(item.reader.scope) is Everything
    return type(item).__module__.startswith("mmedit_bench.interventions.")


def _length(size: Any, left: int) -> int:
    """The bytes of a part of a body of which so many are left, as its head tells them."""
    if type(size) is not int or not 0 <= size <= left:
        raise NoData(f"a part of an edit has {size!r:.50} bytes of {left}")
    return size


def _far(item: Mapping[str, Any]) -> Far:
    key, sizes = item["key"], (item["nbytes"], item["parameters"])
    if not isinstance(key, str) or any(type(size) is not int or not 0 <= size < MOST_TOLD for size in sizes):
        raise NoData(f"a route has the key {key!r:.50} and {sizes!r:.50} bytes and parameters")
    return Far(key, *sizes)


def _only_data(data: bytes) -> None:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    for item in json.loads(header["__metadata__"]["edit"])["interventions"]:
        if item["kind"] not in DATA:
            raise NoData(f"an intervention of kind {item['kind']!r:.50} is not this package's")
        if item["kind"] == "route" and item["plain"]["reader"] != READER:
            raise NoData(f"reader {item['plain']['reader']!r:.50} is code, which is not loaded here")
