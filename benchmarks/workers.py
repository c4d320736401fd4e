"""One worker against two on the same one-step work, one thread each.

    python benchmarks/workers.py [--editor lora] [--limit 300]

The baseline is made first and belongs to neither. Needs two idle cores; the ratio of wall seconds is
to be at least 1.7.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order


def main() -> None:
    """Print wall seconds of each and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--editor", default="lora")
    parser.add_argument("--backbone", default="blip2-opt-mini")
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--limit", type=int, default=300)
    options = parser.parse_args()
    order = Order(suite=options.suite, backbone=options.backbone, editor=options.editor, limit=options.limit)
    with tempfile.TemporaryDirectory() as name:
        seconds = {}
        Workshop().measured(order, Path(name))
        baselines = Path(name) / "baselines"
        for workers in (1, 2):
            out = Path(name) / str(workers)
            out.mkdir()
            if baselines.is_dir():
                (out / "baselines").symlink_to(baselines)
            started = time.perf_counter()
            Workshop().run(order, out, engine=LocalEngine(workers) if workers > 1 else None)
            seconds[workers] = time.perf_counter() - started
            print(f"{workers} worker{'s' * (workers > 1)}: {seconds[workers]:.1f} s", flush=True)
        print(f"ratio {seconds[1] / seconds[2]:.2f}")


if __name__ == "__main__":
    main()
