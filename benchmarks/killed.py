"""A long sequence killed again and again: does it end in the bytes of an undisturbed one?

    python benchmarks/killed.py --edits 200 --kills 10

Runs `mmedit-bench run --protocol sequential` once undisturbed and once under SIGKILL at random
moments of its work, each time in a process of its own, and compares manifest and predictions.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = ("manifest.json", "predictions.jsonl")


def main() -> int:
    """Prints what happened; 0 if the bytes are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--editor", default="ft")
    parser.add_argument("--backbone", default="blip2-opt-mini")
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--seed", type=int, default=0, help="Of the moments of the kills.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm, wild = Path(folder) / "calm", Path(folder) / "wild"
        started = time.monotonic()
        _command(given, calm).wait()
        seconds = time.monotonic() - started
        print(f"undisturbed: {given.edits} edits in {seconds:.0f} s", flush=True)
        rng, kills, calls = random.Random(given.seed), 0, 0
        steps = 2 * given.edits  # an edit and an ask for each
        while True:
            calls += 1
            process = _command(given, wild)
            if kills < given.kills and _killed(process, wild, rng, steps // (given.kills + 1)):
                kills += 1
                print(f"killed {kills}: {_recorded(wild)} of {steps} steps recorded", flush=True)
                continue
            if process.wait():
                print(f"call {calls} ended with {process.returncode}; see what it says above")
                return 2
            break
        same = [_bytes(calm, name) == _bytes(wild, name) for name in FILES]
        print(f"{kills} kills, {calls} calls; bytes equal: {all(same)}")
        return 0 if all(same) else 1


def _killed(process: subprocess.Popen[bytes], out: Path, rng: random.Random, share: int) -> bool:
    """Kill once up to about two shares more are recorded, at any moment of what is done then.

    False if the process ended by itself before that.
    """
    wanted = _recorded(out) + rng.randrange(2 * share)
    while _recorded(out) < wanted:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    time.sleep(rng.uniform(0.0, 1.0))
    if process.poll() is not None:
        return False
    process.kill()
    process.wait()
    return True


def _command(given: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    own = ("--suite", given.suite, "--backbone", given.backbone, "--editor", given.editor)
    edits = str(given.edits)
    protocol = ("--protocol", "sequential", "--protocol-set", "orders=1")
    script = "from mmedit_bench.cli import main; main()"
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            script,
            "run",
            *own,
            *protocol,
            "--limit",
            edits,
            "--out",
            str(out),
            "--quiet",
        ],
        stdout=subprocess.DEVNULL,
    )


def _recorded(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.glob("*/predictions.jsonl"))


def _bytes(out: Path, name: str) -> bytes:
    (path,) = out.glob(f"*/{name}")
    return path.read_bytes()


if __name__ == "__main__":
    raise SystemExit(main())
