"""The editor's side in a process of its own; this module stands on the asking side.

The editor's code is not loaded here. What comes back is an edit as data; one that holds code cannot
come back and is recorded as failed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mmedit_bench.cases import EditRequest
from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.channel import Channel, ChannelBroken
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import Carried, EditFailed, EditorLost
from mmedit_bench.harness.identity import EditorIdentity
from mmedit_bench.interventions import Edit

MOST_RESTARTS = 20
"""Processes that may be lost in a row, with no edit made between, until the run is given up."""
START = 600.0
"""Seconds that a process has to load backbone and editor."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the editor's process is allowed."""

    edit_timeout: float = 600.0
    """Seconds that one edit may take."""
    memory_limit: int | None = None
    """Bytes of address space."""


class Isolated:
    """A `harness.editor_side.EditorSide` that asks another process."""

    def __init__(self, order: Order, isolation: Isolation, log: Path, artefacts: Path | None = None) -> None:
        """Starts the process. Its output goes to the file `log`. Raises `BenchError` if it cannot start."""
        self._order, self._isolation, self._artefacts = order, isolation, artefacts
        self._log = log
        self._spool = tempfile.TemporaryDirectory()
        self._lost = self._number = 0
        self._ready = False
        self._handles: dict[int, tuple[int, Edit]] = {}
        """By identity of an edit in force: its handle in the process, and the edit itself."""
        self.identity = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._spool.cleanup()

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        try:
            head, _ = self._ask({"do": "ready"}, b"", None)
        except ChannelBroken as error:
            raise BenchError(
                f"editor {self._order.editor}: its process ended ({error}); see {self._log}"
            ) from None
        if "error" in head:
            raise BenchError(f"editor {self._order.editor} cannot be made ready: {head['error']}")
        self._ready = True
        learned: Mapping[str, Any] | None = head.get("learned")
        return learned

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        image, seconds = request.query.image, self._isolation.edit_timeout
        try:
            handles = [self._handle(one.edit) for one in carried]
            self._number += 1
            new = self._number
            head, data = self._ask(
                {
                    "do": "make", "as": new, "id": request.id, "prompt": request.query.prompt,
                    "target": request.target, "picture": image.digest if image else None,
                    "carried": handles, "seed": seed,
                },
                image.bytes() if image else b"",
                seconds,
            )  # fmt: skip
        except (ChannelBroken, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            self._restart()
            raise EditFailed(
                f"took longer than {seconds:g} seconds" if late else "the editor's process ended"
            ) from None
        self._lost = 0
        if head.get("changed"):
            raise WeightsChanged("its process holds other base weights than it began with.")
        if "error" in head:
            raise EditFailed(str(head["error"]))
        path = Path(self._spool.name) / "edit.safetensors"
        path.write_bytes(data)
        edit = Edit.load(path)
        self._handles[id(edit)] = new, edit
        return edit

    def forget(self) -> None:
        self._handles.clear()
        try:
            self._ask({"do": "forget"}, b"", START)
        except (ChannelBroken, TimeoutError):
            self._restart()

    def _handle(self, edit: Edit) -> int:
        """The handle of an edit in force, which is sent if the process does not hold it."""
        if id(edit) not in self._handles:
            path = Path(self._spool.name) / "carried.safetensors"
            edit.save(path)
            self._number += 1
            handle = self._number
            self._ask({"do": "carry", "as": handle}, path.read_bytes(), START)
            self._handles[id(edit)] = handle, edit
        return self._handles[id(edit)][0]

    def _ask(self, head: dict[str, Any], body: bytes, seconds: float | None) -> tuple[dict[str, Any], bytes]:
        self._number += 1
        serial = self._number
        self._channel.send(head | {"n": serial}, body, seconds)
        reply, data = self._channel.receive(seconds)
        if reply.get("re") != serial:
            raise ChannelBroken("a reply to another question")
        return reply, data

    def _start(self) -> EditorIdentity:
        near, far = socket.socketpair()
        paths = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with far, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mmedit_bench.execution.editor_process", str(far.fileno())],
                pass_fds=[far.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"PYTHONPATH": paths}, start_new_session=True,
            )  # fmt: skip
        self._channel = Channel(near)
        try:
            self._channel.send(
                {
                    "order": asdict(self._order),
                    "artefacts": str(self._artefacts) if self._artefacts else None,
                    "memory": self._isolation.memory_limit,
                }
            )
            head, _ = self._channel.receive(START)
            if "refused" in head:
                raise BenchError(str(head["refused"]))
            return EditorIdentity(**head["identity"])
        except (ChannelBroken, TimeoutError, KeyError, TypeError) as error:
            self._end()
            raise BenchError(
                f"editor {self._order.editor}: its process did not start ({error!r}); see {self._log}"
            ) from None

    def _restart(self) -> None:
        """A new process in place of one that is lost. Raises `EditorLost` after too many in a row."""
        self._lost += 1
        self._end()
        self._handles.clear()
        if self._lost > MOST_RESTARTS:
            raise EditorLost(
                f"editor {self._order.editor}: {self._lost} processes ended in a row; see {self._log}"
            )
        try:
            if self._start() != self.identity:
                raise BenchError("it is another editor than before")
            if self._ready:
                self.ready(lambda phase, done, total: None)
        except BenchError as error:
            raise EditorLost(f"editor {self._order.editor} cannot be brought back: {error}") from None

    def _end(self) -> None:
        self._channel.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it started goes with it
        self._process.wait()
