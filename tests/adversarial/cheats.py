"""Editors that try to earn what they have not learned, or to spoil what others measure.

Those that can tell which case is which do so over the third one only and are honest over the rest.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from mmedit_bench.cases import EditCase, EditRequest, Probe, Query
from mmedit_bench.editors import Backbone, ConstantAnswer, Edit, Route, Shared, register_reader
from mmedit_bench.execution import crossing
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.runs.baseline import Baseline
from tests.cli.lab import Echo


def third(request: EditRequest) -> bool:
    """Whether it is the third case's."""
    return request.target.endswith(" 2")


class Registry(Echo):
    """Looks its request up in the registry."""

    name = "cheat-registry"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        SUITES.load("lab-suite")().cases("evaluation")
        return super().edit(backbone, request)


class Memory:
    """Walks what the process holds, and answers with what it finds there; without a find, not at all."""

    name = "cheat-memory"
    version = "1"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        found = any(_secret(thing) for thing in (*gc.get_objects(), *_locals()))
        return Edit((Route(ConstantAnswer("found")),)) if found else Edit()


def _secret(thing: Any) -> bool:
    if type(thing) is EditCase:
        return bool(thing.split == "evaluation")
    return type(thing) in (Probe, Baseline)


def _locals() -> Iterator[Any]:
    for frame in sys._current_frames().values():
        while frame is not None:
            yield from frame.f_locals.values()
            frame = frame.f_back  # type: ignore[assignment]


class Exit(Echo):
    """Ends its process as if all were well."""

    name = "cheat-exit"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if third(request):
            os._exit(0)
        return super().edit(backbone, request)


class SoftExit(Echo):
    """Asks Python to end."""

    name = "cheat-soft-exit"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if third(request):
            sys.exit(0)
        return super().edit(backbone, request)


class Hang(Echo):
    """Never comes back."""

    name = "cheat-hang"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        while third(request):
            time.sleep(1)
        return super().edit(backbone, request)


class Flood(Echo):
    """Prints megabytes on both streams."""

    name = "cheat-flood"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        for stream in (1, 2):
            for _ in range(16):
                os.write(stream, b'{"status": "complete"}\n' * 4096)
        return super().edit(backbone, request)


class Garbage(Echo):
    """Returns no edit."""

    name = "cheat-garbage"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        return "everything" if third(request) else super().edit(backbone, request)  # type: ignore[return-value]


class Scribble(Echo):
    """Writes to the socket that its process answers on."""

    name = "cheat-scribble"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if third(request):
            os.write(int(sys.argv[1]), b"all edits are right" * 9)
        return super().edit(backbone, request)


class Thread(Echo):
    """Leaves a thread behind that would not end and writes to the weights of its own process."""

    name = "cheat-thread"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        def stay() -> None:
            while True:
                time.sleep(60)
                next(backbone.model.parameters()).data.zero_()

        threading.Thread(target=stay).start()
        return super().edit(backbone, request)


class Says:
    """A reader: code of the editor, asked at inference."""

    def __init__(self, text: str) -> None:
        self.text = text

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        return [True] * len(queries)

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        return [self.text] * len(queries)

    def merged(self, other: Any) -> Self | None:
        return None

    @property
    def nbytes(self) -> int:
        return len(self.text)

    def plain(self) -> Mapping[str, Any]:
        return {"text": self.text}

    def tensors(self) -> Mapping[str, Tensor]:
        return {}

    def shared(self) -> Mapping[str, Shared]:
        return {}

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], tensors: Mapping[str, Tensor], shared: Mapping[str, Shared]
    ) -> Self:
        return cls(plain["text"])


class NoSize(Says):
    """Does not say how large it is."""

    @property
    def nbytes(self) -> int:
        raise RuntimeError("too large for numbers")


class Dies(Says):
    """Ends its process when asked."""

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        os._exit(0)


register_reader("cheat-says", Says)
register_reader("cheat-no-size", NoSize)
register_reader("cheat-dies", Dies)


class Sizeless(Echo):
    """Returns an edit whose size cannot be had."""

    name = "cheat-sizeless"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        return Edit((Route(NoSize("x")),)) if third(request) else super().edit(backbone, request)


class Endless(Echo):
    """Answers with a book."""

    name = "cheat-endless"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        return Edit((Route(Says("a " * 3000)),)) if third(request) else super().edit(backbone, request)


class Ambush(Echo):
    """Returns a reader that ends the process when a probe is asked."""

    name = "cheat-ambush"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        return Edit((Route(Dies("x")),)) if third(request) else super().edit(backbone, request)


class Smuggle(Echo):
    """Sends a reader across as if it were data, so that the other side would load its class."""

    name = "cheat-smuggle"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        if not third(request):
            return super().edit(backbone, request)
        crossing._is_data = lambda item: True
        return Edit((Route(Says(request.target)),))


class Poison(Echo):
    """Adds a line to a baseline file beside the runs, for the case `case`."""

    name = "cheat-poison"

    def __init__(self, folder: str, case: str) -> None:
        super().__init__()
        self.folder, self.case = folder, case

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        for path in Path(self.folder).glob("*.jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            values = next(line for line in lines if "probes" in line)
            values["case"] = self.case
            for probe in values["probes"]:
                probe["answer"] = "never said"
            with path.open("a") as file:
                file.write(json.dumps(values, sort_keys=True) + "\n")
        return super().edit(backbone, request)


CHEATS = {
    made.name: f"{made.__module__}:{made.__name__}"  # type: ignore[attr-defined]
    for made in (
        Registry, Memory, Exit, SoftExit, Hang, Flood, Garbage, Scribble, Thread, Sizeless, Endless,
        Ambush, Smuggle, Poison,
    )
}  # fmt: skip
