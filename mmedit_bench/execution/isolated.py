"""The editor's side in a process of its own; this module stands on the asking side.

The editor's code is not loaded here. What comes back of an edit is data. What its routes say is asked
of the process; an edit that holds other code is recorded as failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.execution.blinding import Blinding, Mixture, Place, plain
from mmedit_bench.execution.channel import ChannelBroken
from mmedit_bench.execution.child import START, Child, Isolation
from mmedit_bench.execution.crossing import Far, packed_parts, unpacked
from mmedit_bench.execution.introduction import introduced
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.remote import RemoteReader
from mmedit_bench.execution.trainings import Trainings, checked, package_digest
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.harness.baseline import Progress
from mmedit_bench.harness.editor_side import Carried, EditFailed, EditorLost
from mmedit_bench.harness.identity import EditorIdentity
from mmedit_bench.interventions import Edit, Route, Shared

__all__ = ["Isolated", "Isolation", "NotReady"]

MOST_RESTARTS = 20
"""Processes that may be lost in a row, with no question answered between, until the run is given up."""
MOST_ANSWER = 4096
"""Most characters of an answer that a route gives."""


class NotReady(BenchError):
    """An editor whose process came up and cannot be used, by what it did itself: no fault of this side."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """What another process needs to carry an edit on."""

    data: bytes | None
    shared: tuple[str, ...]


class Isolated:
    """A `harness.editor_side.EditorSide` that asks another process."""

    def __init__(
        self,
        order: Order,
        isolation: Isolation,
        log: Path,
        artefacts: Path | None = None,
        blinding: Blinding | None = None,
    ) -> None:
        """Starts the process; the first MiB of its output goes to the file `log`.

        With `blinding`, what its routes are asked is mixed with what does not count. Raises
        `BenchError` if it cannot start in the sandbox that is asked for, and `NotReady` if it ends, or
        says that it cannot load the editor, or is another.
        """
        order = replace(order, secret=None)  # whoever runs the editor's code is not told where it is
        self._order, self._isolation, self._artefacts = order, isolation, artefacts
        self._blinding = blinding
        self._log = log
        self._lost = self._number = 0
        self._why = ""
        """Why the latest process that was lost ended, where our side ended it."""
        self._ready = False
        self._trainings: Trainings | None = None
        if isolation.sandbox != "none":
            kept = artefacts or default_folder()
            self._trainings = Trainings(kept, order, package_digest(order))
        self._handles: dict[int, tuple[int, Edit]] = {}
        """By identity of an edit in force: its handle, and the edit itself."""
        self._wholes: dict[int, _Whole] = {}
        """By handle."""
        self._there: set[int] = set()
        """Handles of the edits that the present process holds."""
        self._shared: dict[str, Shared] = {}
        self._shared_there: dict[str, Shared] = {}
        """Shared parts that the present process knows."""
        self.identity = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    def ready(self, progress: Progress) -> Mapping[str, Any] | None:
        kept = self._trainings.read() if self._trainings else None
        question = {"do": "ready", "kept": kept[0] if kept else None}
        try:
            head, data = self._ask(question, kept[1] if kept else b"", self._isolation.ready_timeout)
        except (ChannelBroken, TimeoutError) as error:
            self._child.end()
            why = self._child.reason or f"its process ended ({error})"
            if isinstance(error, TimeoutError):
                why = f"it took longer than {self._isolation.ready_timeout:g} seconds"
            raise NotReady(
                f"editor {self._order.editor} was not made ready: {why}; {self._printed()}"
            ) from None
        if "error" in head:
            raise NotReady(f"editor {self._order.editor} cannot be made ready: {head['error']!s:.2000}")
        self._ready = True
        learned: Mapping[str, Any] | None = head.get("learned")
        if self._trainings and learned is not None:
            try:
                learned, found = checked(learned, head.get("kept"), data)
            except BenchError as error:
                raise NotReady(f"editor {self._order.editor} cannot be made ready: {error}") from None
            if found != kept:  # it may have been trained anew, with other code of this package
                self._trainings.write(found)
        return learned

    def make(self, request: EditRequest, carried: Sequence[Carried], seed: int) -> Edit:
        new, image = self._next(), request.query.image
        picture = image.bytes() if image else b""

        def asked() -> tuple[dict[str, Any], bytes]:
            handles = [self._handle(one.edit) for one in carried]
            self._carry(handles)
            return self._ask(
                {
                    "do": "make", "as": new, "id": request.id, "prompt": request.query.prompt,
                    "target": request.target, "picture": image.digest if image else None,
                    "carried": handles, "seed": seed,
                },
                picture,
                self._isolation.edit_timeout,
            )  # fmt: skip

        head, data = self._surviving(asked)
        if head.get("changed"):
            raise WeightsChanged("its process holds other base weights than it began with.")
        crossed = unpacked(head, data, self._shared)
        if unknown := set(crossed.shared) - self._shared.keys():
            raise EditFailed(f"an edit refers to shared part {min(unknown):.80}, which never came")
        self._shared_there |= {digest: self._shared[digest] for digest in crossed.shared}
        self._there.add(new)
        self._wholes[new] = _Whole(crossed.whole, crossed.shared)
        items = (
            Route(RemoteReader(self._answers, ((new, index),), item.nbytes, item.parameters), item.key)
            if isinstance(item, Far)
            else item
            for index, item in enumerate(crossed.items)
        )
        edit = Edit(tuple(items), crossed.note)
        self._handles[id(edit)] = new, edit
        return edit

    def forget(self) -> None:
        held = self._there & self._blinding.handles if self._blinding else set()
        # what this unit shared the next one may too; what it did not is not kept for ever
        used = {digest for handle in self._there for digest in self._wholes[handle].shared}
        for parts in (self._shared, self._shared_there):
            for digest in parts.keys() - used:
                del parts[digest]
        self._handles.clear()
        self._wholes = {handle: self._wholes[handle] for handle in held}
        self._there &= held
        try:
            self._ask({"do": "forget", "keep": sorted(used), "held": sorted(held)}, b"", START)
        except (ChannelBroken, TimeoutError):
            self._restart()

    def _answers(self, places: Sequence[Place], queries: Sequence[Query]) -> list[str | None]:
        """What the routes at these places say to bare queries. Raises `EditFailed`."""
        blind = self._blinding
        mixture: Mixture[Any] = blind.mixed(places, queries, self._there) if blind else plain(places, queries)
        body = bytearray()
        cuts: dict[str, tuple[int, int]] = {}
        routes: dict[tuple[Place, ...], int] = {}
        told: list[tuple[int, str, str | None, int, int]] = []
        for asked_of, query in mixture.asked:
            picture = query.image.digest if query.image else None
            if query.image and picture and picture not in cuts:
                start = len(body)
                body += query.image.bytes()
                cuts[picture] = start, len(body)
            to = routes.setdefault(asked_of, len(routes))
            told.append((to, query.prompt, picture, *cuts.get(picture or "", (0, 0))))

        def asked() -> tuple[dict[str, Any], bytes]:
            self._carry(sorted({handle for handle, _ in places}))
            return self._ask(
                {"do": "answer", "routes": list(routes), "queries": told}, bytes(body),
                self._isolation.edit_timeout,
            )  # fmt: skip

        said = self._surviving(asked)[0].get("texts")
        if not isinstance(said, list) or len(said) != len(told):
            raise EditFailed(f"{len(told)} queries need as many answers")
        texts = mixture.unmixed(said)
        for text in texts:
            if text is not None and not (isinstance(text, str) and len(text) <= MOST_ANSWER):
                raise EditFailed(f"an answer is no text of at most {MOST_ANSWER} characters")
        return texts

    def _surviving(self, asked: Callable[[], tuple[dict[str, Any], bytes]]) -> tuple[dict[str, Any], bytes]:
        """The outcome of a question; whatever happens, a process is there afterwards. Raises `EditFailed`."""
        try:
            head, data = asked()
        except (ChannelBroken, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            self._restart()
            seconds = f"{self._isolation.edit_timeout:g} seconds"
            raise EditFailed(
                f"took longer than {seconds}" if late else f"the editor's process ended{self._why}"
            ) from None
        self._lost = 0
        if "error" in head:
            raise EditFailed(str(head["error"])[:2000])
        return head, data

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _handle(self, edit: Edit) -> int:
        """The handle of an edit in force."""
        if id(edit) not in self._handles:
            handle = self._next()
            self._shared |= edit.shared()
            self._wholes[handle] = _Whole(edit.to_bytes(), tuple(edit.shared()))
            self._handles[id(edit)] = handle, edit
        return self._handles[id(edit)][0]

    def _carry(self, handles: Sequence[int]) -> None:
        """Have the present process hold these edits. Raises `EditFailed` for one that it cannot."""
        for handle in handles:
            if handle in self._there:
                continue
            whole = self._wholes.get(handle)
            if whole is None or whole.data is None:
                raise EditFailed("an edit in force cannot be written, and went with the process that held it")
            head, parts = packed_parts(
                {digest: self._shared[digest] for digest in whole.shared}, self._shared_there
            )
            reply, _ = self._ask(
                head | {"do": "carry", "as": handle, "size": len(whole.data)}, whole.data + parts, START
            )
            if "error" in reply:
                raise EditFailed(str(reply["error"])[:2000])
            self._there.add(handle)

    def _ask(self, head: dict[str, Any], body: bytes, seconds: float | None) -> tuple[dict[str, Any], bytes]:
        return self._child.ask(head, body, seconds)

    def _printed(self) -> str:
        """Where to look for what its process wrote."""
        return f"see {self._log}" if self._log.exists() else "it wrote nothing"

    def _start(self) -> EditorIdentity:
        self._child = Child(self._order, self._isolation, self._log, self._artefacts)
        try:
            return introduced(self._child.hello(), self._order)
        except BenchError as error:
            self._child.end()
            raise NotReady(str(error)) from error
        except (ChannelBroken, TimeoutError) as error:
            self._child.end()
            why = self._child.reason or repr(error)
            raise NotReady(
                f"editor {self._order.editor}: its process did not start ({why}); {self._printed()}"
            ) from None

    def _restart(self) -> None:
        """A new process in place of one that is lost. Raises `EditorLost` after too many in a row."""
        self._lost += 1
        self._child.end()
        self._why = f": {self._child.reason}" if self._child.reason else ""
        self._there.clear()
        self._shared_there.clear()
        if self._lost > MOST_RESTARTS:
            raise EditorLost(
                f"editor {self._order.editor}: {self._lost} processes ended in a row; {self._printed()}"
            )
        try:
            if self._start() != self.identity:
                raise BenchError("it is another editor than before")
            if self._ready:
                self.ready(lambda phase, done, total: None)
        except BenchError as error:
            raise EditorLost(f"editor {self._order.editor} cannot be brought back: {error}") from None
