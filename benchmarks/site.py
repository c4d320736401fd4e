"""What a large board costs: synthetic submissions, their pages, and the bytes that a visitor loads first.

    python -m tests.site.synthetic /tmp/big --entries 200 --edits 2000 --kinds 10 --backbones 1
    /usr/bin/time -v python benchmarks/site.py /tmp/big /tmp/big-site --edits 2000

Prints the processor seconds of every part that runs in this process, the wall seconds of reading, which
is shared out, and the largest resident memory of any one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from leaderboard.site import build as building
from leaderboard.site.model import Site
from tests.site.synthetic import Suites

Timed = dict[str, dict[str, float]]


@contextmanager
def measured(found: Timed, name: str) -> Iterator[None]:
    """Note wall and processor seconds of a block, children included."""
    wall, used = time.perf_counter(), _used()
    yield
    found[name] = {"wall": round(time.perf_counter() - wall, 2), "cpu": round(_used() - used, 2)}


def _used() -> float:
    return sum(
        one.ru_utime + one.ru_stime
        for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def timed(found: Timed, name: str, write: Callable[[Site, Path], None]) -> Callable[[Site, Path], None]:
    """`write`, noting what it took."""

    def noted(site: Site, out: Path) -> None:
        with measured(found, name):
            write(site, out)

    return noted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("board", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--edits", type=int, required=True, help="edits that the board was made with")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    found: Timed = {}
    building.WRITERS = tuple((name, timed(found, name, write)) for name, write in building.WRITERS)
    with measured(found, "all"):
        building.build(options.board, options.out, suites=Suites(options.edits), workers=options.workers)
    parts = [own for name, own in found.items() if name != "all"]
    found["reading"] = {
        key: round(found["all"][key] - sum(own[key] for own in parts), 2) for key in ("wall", "cpu")
    }
    first = [
        options.out / "index.html",
        *(options.out / "static" / name for name in ("site.css", *building.SCRIPTS)),
    ]
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    facts = {
        "seconds": found,
        "workers": options.workers,
        "cores": os.cpu_count(),
        "peak_mib": round(max(peaks) / 1024),
        "first_page_bytes": sum(path.stat().st_size for path in first),
        "files": sum(len(names) for _, _, names in os.walk(options.out)),
        "bytes": sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file()),
    }
    print(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
