"""How the runs of a submission are carried out. Nothing here changes an outcome."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.isolated import Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """As a user orders it."""

    engine: Engine | None = None
    """None: this process does it all."""
    isolate: bool = False
    """Whether the editor has a process to itself; in track code it always has."""
    edit_timeout: float | None = None
    """Seconds that one edit may take."""
    memory_limit: int | None = None
    """MiB of address space of the editor's process."""
    unboxed: bool = False
    """Whether an editor of track code is run without a sandbox."""

    def isolation(self, track: str) -> Isolation | None:
        """The process of the editor in a track; None for one that shares this one.

        Raises `BenchError` for what does not go together.
        """
        if self.unboxed and track != "code":
            raise BenchError(
                f"--unsafe-no-sandbox is for track code, and this is track {track}; leave it out"
            )
        if track == "edits" and self.engine is not None:
            raise BenchError("track edits keeps the edits of this process; use one worker of executor local")
        if track != "code" and not self.isolate:
            if self.memory_limit:
                raise BenchError("--memory-limit is for an editor in a process of its own; add --isolate")
            if self.edit_timeout and self.engine is not None:
                raise BenchError("--edit-timeout is for one process, or for --isolate; add that")
            return None
        allowed: dict[str, Any] = {"edit_timeout": self.edit_timeout or 600.0}
        if self.memory_limit:
            allowed["memory_limit"] = self.memory_limit << 20
        if track == "code":
            allowed |= _box(self.unboxed)
        return Isolation(**allowed)


def _box(unboxed: bool) -> dict[str, Any]:
    if "sandbox" in {own.name for own in fields(Isolation)}:
        return {"sandbox": "none" if unboxed else "bubblewrap"}
    if unboxed:
        return {}
    raise BenchError(
        "track code runs its editor in a sandbox, and this version has none; --unsafe-no-sandbox runs it "
        "without, and the submission says so"
    )
