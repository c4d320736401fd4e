"""How much a sandbox uses, counted from outside of it, and its end where that is too much.

The kernel's own limits are for one process, or not in force for root; these are for all processes of
a sandbox together.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

EVERY = 0.1
"""Seconds between two looks."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """A thread that looks at a process and all below it, until `over()` or they are gone."""

    def __init__(self, process: int, *, processes: int, memory: int) -> None:
        """`processes` is the most threads of all of them, `memory` the most bytes that they hold."""
        self.reason: str | None = None
        """Why they were ended; None if they were not."""
        self._process, self._processes, self._memory = process, processes, memory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="editor.watch")
        self._thread.start()

    def over(self) -> None:
        """Look no more: the processes may be gone, and their ids be others' after that."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            found = below(self._process)
            if (count := sum(map(_threads, found))) > self._processes:
                self.reason = f"more than {self._processes} processes and threads ({count})"
            elif sum(map(_resident, found)) > self._memory and sum(map(_proportional, found)) > self._memory:
                self.reason = f"more than {self._memory >> 20} MiB of memory"
            else:
                continue
            for process in (*found[:1], self._process):  # its first process takes all others with it
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return


def below(process: int) -> list[int]:
    """Ids of the processes that a process has started, and those that they have; its own first."""
    found: list[int] = []
    waiting = [process]
    while waiting:
        for task in _listed(Path(f"/proc/{waiting.pop()}/task")):
            children = [int(word) for word in _read(task / "children").split()]
            found += children
            waiting += children
    return found


def _threads(process: int) -> int:
    return len(_listed(Path(f"/proc/{process}/task")))


def _resident(process: int) -> int:
    words = _read(Path(f"/proc/{process}/statm")).split()
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def _proportional(process: int) -> int:
    """Resident bytes, of pages that several processes share each one's share: forks share most."""
    for line in _read(Path(f"/proc/{process}/smaps_rollup")).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return _resident(process)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # it ended meanwhile
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
