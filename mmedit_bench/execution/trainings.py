"""What an editor learned in a sandbox, kept for the same editor's next sandbox.

A training is code of the editor, so its result is hostile data. It crosses as the bytes of two files,
is kept apart from the artefacts that trusted trainings leave, under a name that no editor chooses, and
goes back into a sandbox of the same editor only. Nothing of it is trusted but what is counted here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.channel import MOST_BODY
from mmedit_bench.execution.order import Order
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.runs.files import MOST_SMALL, make_folder, read_regular, write_whole
from mmedit_bench.runs.spec import canonical

FILES = ("artefact.json", "artefact.safetensors")
"""As `harness.artefacts` lays them down."""
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Kept = tuple[dict[str, Any], bytes]
"""Head and body of a training in a frame: its folder's name and the sizes of its files; their bytes."""


class Trainings:
    """The trainings of one order's editor, below a folder of this side."""

    def __init__(self, folder: Path, order: Order, code: str) -> None:
        """`code` is a digest of the editor's package as this side sees it; see `package_digest`."""
        what = asdict(order) | {"code": code, "source": EDITORS.entry(order.editor).source}
        for name in ("protocol", "protocol_options", "limit", "evidence", "split", "batch_size"):
            del what[name]
        if not order.loading:
            del what["loading"]  # as it was before there were options of loading
        self._place = folder / "sandboxed" / hashlib.sha256(canonical(what).encode()).hexdigest()[:32]

    def read(self) -> Kept | None:
        """What is kept, or None. Raises `BadRecord` for what is no regular file."""
        try:
            name = read_regular(self._place / "folder").decode()
            parts = [read_regular(self._place / file, MOST_BODY) for file in FILES]
        except FileNotFoundError:
            return None
        return {"folder": name, "sizes": [len(part) for part in parts]}, b"".join(parts)

    def write(self, kept: Kept) -> None:
        """Keep what came; it is what `checked` let pass."""
        make_folder(self._place)
        for file, data in zip(FILES, _cut(*kept), strict=True):
            write_whole(self._place / file, data)
        write_whole(self._place / "folder", kept[0]["folder"].encode())


def package_digest(order: Order) -> str:
    """sha256 (hex) of all files of the editor's top-level package, none of which is imported.

    Raises `BenchError` if it is not to be found.
    """
    entry = EDITORS.entry(order.editor)
    top = entry.value.partition(":")[0].partition(".")[0]
    found = hashlib.sha256()
    for path in sorted(_files(top)):
        found.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def checked(learned: Any, kept: Any, body: bytes) -> tuple[dict[str, Any], Kept]:
    """What is told of a training, counted anew, and the training as it came.

    Raises `BenchError` for a reply that is not what `Training` says or does not fit its files.
    """
    try:
        fingerprint, seconds = learned["fingerprint"], learned["seconds"]
        if not (_DIGEST.fullmatch(fingerprint) and 0 <= seconds < 1e9):
            raise BenchError("what it says of its training has no fingerprint or no time")
        if not _FOLDER.fullmatch(kept["folder"]):
            raise BenchError(f"its training has the folder {kept['folder']!r:.80}")
        data = _cut(kept, body)[1]
        told = {
            "fingerprint": fingerprint,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": sum(tensor.nbytes for tensor in load(data).values()),
            "seconds": float(seconds),
        }
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise BenchError(f"its training cannot be read ({type(error).__name__}: {error!s:.200})") from None
    if told["sha256"] != learned["sha256"]:
        raise BenchError("its training is another than it says")
    return told, ({"folder": kept["folder"], "sizes": kept["sizes"]}, body)


def laid_down(folder: Path, kept: Mapping[str, Any], body: bytes) -> None:
    """In the sandbox: lay a training where the harness looks for it."""
    place = folder / kept["folder"]
    make_folder(place)
    for file, data in zip(FILES, _cut(kept, body), strict=True):
        (place / file).write_bytes(data)


def picked_up(folder: Path, fingerprint: str) -> Kept:
    """In the sandbox: the training of a fingerprint, for the other side."""
    for described in folder.glob(f"*/{FILES[0]}"):
        if json.loads(described.read_bytes())["fingerprint"] == fingerprint:
            parts = [described.read_bytes(), (described.parent / FILES[1]).read_bytes()]
            return {"folder": described.parent.name, "sizes": [len(p) for p in parts]}, b"".join(parts)
    raise BadRecord(f"{folder} holds no training {fingerprint}")


def _cut(kept: Mapping[str, Any], body: bytes) -> tuple[bytes, bytes]:
    first, second = kept["sizes"]
    if type(first) is not int or not 0 <= first <= MOST_SMALL or first + second != len(body):
        raise ValueError("the sizes of its files are not those of what came")
    return body[:first], body[first:]


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)  # of a top-level name: nothing is imported
    if spec is None:
        raise BenchError(f"package {package} is not to be found; install it anew")
    for folder in spec.submodule_search_locations or ():
        for path in Path(folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    if not spec.submodule_search_locations and spec.origin:
        yield Path(spec.origin)
