"""What a run notes of its costs: lines of timings.jsonl, beside the records and never among them."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import EditCase
from mmedit_bench.errors import BenchError, WeightsChanged
from mmedit_bench.harness.asking import answered, sealed

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

log = logging.getLogger(__name__)

PACED = 3
"""Cases of a process whose questions are asked again, with and without edits, to compare the time."""

_SELF = Path("/proc/self")


def edit_cost(edit: Any, seconds: float) -> dict[str, Any]:
    """The cost of one edit, or of the attempt where `edit` is None.

    Raises `BenchError` for an edit that gives no sensible size.
    """
    size = None if edit is None else edit.nbytes
    if size is not None and (type(size) is not int or size < 0):
        raise BenchError(f"an edit says that it has {size!r} bytes")
    count = getattr(edit, "parameter_count", None)
    return {
        "seconds": round(seconds, 6),
        "edit_bytes": size,
        "edit_parameters": count if type(count) is int and count >= 0 else None,
    }


class Meter:
    """The pace and the memory of one process that walks units."""

    def __init__(self, base: Backbone) -> None:
        """Forgets the process's high-water mark so far, where the system lets it."""
        self._base = base
        self._left = PACED
        with suppress(OSError):
            (_SELF / "clear_refs").write_text("5", encoding="ascii")  # Linux: the mark of resident memory
        if (cuda := self._cuda()) is not None:
            cuda.reset_peak_memory_stats()

    def memory(self) -> dict[str, Any]:
        """The high-water mark since then: of the accelerator's memory if the model is there, else of the
        process. A system that cannot forget gives that of the process's whole life."""
        if (cuda := self._cuda()) is not None:
            return {"peak_bytes": int(cuda.max_memory_allocated()), "peak_of": "cuda"}
        return {"peak_bytes": resident_peak(), "peak_of": "process"}

    def pace(self, case: EditCase, edits: Sequence[Any]) -> list[dict[str, Any]]:
        """How long the case's answers take without and with these edits, in this order, for a few cases.

        The case was just asked, so whatever can be remembered of it is remembered for both. Nothing
        for a case without edits or probes, or once enough were compared. An answer that cannot be given
        again costs the run this note and nothing else.
        """
        if not self._left or not edits or not case.probes:
            return []
        self._left -= 1
        queries = [sealed(probe.query) for probe in case.probes]
        found = []
        try:
            for backbone in (self._base, self._base.edited(*edits)):
                started = time.perf_counter()
                answered(backbone, queries)
                found.append(round(time.perf_counter() - started, 6))
        except WeightsChanged:
            raise
        except (Exception, SystemExit) as problem:  # a third party's edit acts here
            log.warning("the pace of case %s is not known: %s: %s", case.id, type(problem).__name__, problem)
            return []
        return [{"answers": len(queries), "unedited_seconds": found[0], "edited_seconds": found[1]}]

    def _cuda(self) -> Any:
        torch = sys.modules.get("torch")
        there = torch is not None and str(self._base.device).startswith("cuda")
        return torch.cuda if torch is not None and there else None


def resident_peak() -> int:
    """Bytes of this process's memory that were resident at once, at most."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_SELF / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
