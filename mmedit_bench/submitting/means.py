"""How the runs of a submission are carried out. Nothing here changes an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.child import Isolation
from mmedit_bench.execution.engine import Engine

PATIENCE = 4 * 3600.0
"""Seconds that a sandboxed editor may take to be made ready, its training included, as `run` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """As a user orders it."""

    engine: Engine | None = None
    """None: this process does it all."""
    isolate: bool = False
    """Whether the editor has a process to itself; in track code it always has."""
    sandbox: bool | None = None
    """Whether that process is in a sandbox; None: in track code it is. False is said by the user alone."""
    edit_timeout: float | None = None
    """Seconds that one edit may take."""
    ready_timeout: float | None = None
    """Seconds that an isolated editor may take to be made ready."""
    memory_limit: int | None = None
    """MiB of the editor's process."""
    processes: int | None = None
    """Processes and threads of a sandbox."""
    readable: tuple[Path, ...] = ()
    """What a sandboxed editor may read beside installed packages."""

    @property
    def unboxed(self) -> bool:
        """Whether the user has an editor run without a sandbox that would have one."""
        return self.sandbox is False

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
        boxed = self.sandbox or (track == "code" and not self.unboxed)
        if not boxed and (self.processes or self.readable):
            raise BenchError("--processes and --readable are for an editor in a sandbox; add --sandbox")
        if not (boxed or self.isolate or track == "code"):
            if self.memory_limit or self.ready_timeout:
                raise BenchError(
                    "--memory-limit and --ready-timeout are for an editor in a process of its own; add "
                    "--isolate"
                )
            if self.edit_timeout and self.engine is not None:
                raise BenchError("--edit-timeout is for one process, or for --isolate; add that")
            return None
        return Isolation(
            edit_timeout=self.edit_timeout or 600.0,
            memory_limit=self.memory_limit << 20 if self.memory_limit else None,
            sandbox="bubblewrap" if boxed else "none",
            processes=self.processes,
            ready_timeout=self.ready_timeout or (PATIENCE if boxed else None),
            readable=tuple(path.absolute() for path in self.readable),
        )
