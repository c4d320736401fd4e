"""What the beginning of processes takes: spawned, and as forks of one that has imported torch.

    python benchmarks/beginning.py [--processes 4]

Each process begins, imports what a worker imports, and ends, one after the other, both ways in turn.
"""

from __future__ import annotations

import argparse
import importlib
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkServerContext, SpawnContext

from mmedit_bench.execution import processes


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=4)
    number: int = parser.parse_args().processes
    spawned, forked = processes.context(accelerators=1), processes.context()
    if type(spawned) is type(forked):
        raise SystemExit("no process begins as a fork here")
    taken: list[tuple[float, float]] = [(_seconds(spawned), _seconds(forked)) for _ in range(number)]
    print("| process | spawned, s | as a fork, s |\n|---:|---:|---:|")
    for place, (slow, fast) in enumerate(taken, start=1):
        print(f"| {place} | {slow:.2f} | {fast:.2f} |")
    slow, fast = (sum(column) for column in zip(*taken, strict=True))
    print(
        f"\nAll {number}, the server among them: {slow:.1f} and {fast:.1f} s, a ratio of {slow / fast:.1f}."
    )


def _seconds(begins: ForkServerContext | SpawnContext) -> float:
    began = time.perf_counter()
    with ProcessPoolExecutor(1, begins) as pool:
        pool.submit(_import).result()
    return time.perf_counter() - began


def _import() -> None:
    importlib.import_module("mmedit_bench.execution.warm")


if __name__ == "__main__":
    main()
