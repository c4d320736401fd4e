"""Where this program keeps what it makes for later use."""

from __future__ import annotations

import os
from pathlib import Path

from mmedit_bench.errors import BenchError


def home() -> Path:
    """`$MMEDIT_BENCH_HOME`, or a folder in the user's cache. Raises `BenchError` for a user without one."""
    if named := os.environ.get("MMEDIT_BENCH_HOME"):
        return Path(named)
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # neither $HOME nor an entry for this user
        raise BenchError("this user has no home folder; set MMEDIT_BENCH_HOME to one") from None
    return cache / "mmedit-bench"
