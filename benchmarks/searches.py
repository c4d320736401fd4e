"""All searches of the shipped editors, each within the same budget, and the settings that ship.

    python benchmarks/searches.py                          # both mini backbones
    python benchmarks/searches.py --editor ft --backbone minigpt4-mini

Each is `mmedit-bench search` over the editor's ladders on 100 edits of each suite's validation split.
Writes methods/*/config/search-BACKBONE.json, and the best into methods/*/config/BACKBONE.yaml. What was
run before is not run again, so a call that was stopped goes on. The ladders are those of the backbone
(methods/*/ladders-BACKBONE.yaml) where it has any, else methods/*/ladders.yaml.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

METHODS = Path(__file__).parents[1] / "methods"
BACKBONES = ("minigpt4-mini", "blip2-opt-mini")
SUITES = ("picturebook-vqa", "picturebook-caption")
LAST = "unike"
"""Its text rows take as many demonstrations as `ike` has, which must be known by then."""


def main() -> None:
    """A line for each search, with its wall time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--editor", action="append", help="Repeatable; all with ladders by default.")
    parser.add_argument("--backbone", action="append", help="Repeatable.")
    parser.add_argument("--budget", type=int, default=10, help="Trials of each editor.")
    parser.add_argument("--limit", type=int, default=100, help="Edits of each suite.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/search"))
    parser.add_argument("--suite", action="append", choices=SUITES, help="Repeatable; both by default.")
    parser.add_argument("--load", default="", help="More options of `search`, such as '--dtype bfloat16'.")
    given = parser.parse_args()
    folders = sorted(path.parent for path in METHODS.glob("*/ladders.yaml"))
    by_name = {folder.name.replace("_", "-"): folder for folder in folders}
    chosen = given.editor or sorted(by_name, key=lambda name: (name == LAST, name))
    failed = []
    for backbone in given.backbone or BACKBONES:
        for editor in chosen:
            own = by_name[editor] / f"ladders-{backbone}.yaml"
            if backbone not in BACKBONES and not own.exists():
                continue  # those of the minis lie elsewhere
            began = time.monotonic()
            program = str(Path(sys.executable).with_name("mmedit-bench"))
            words = [
                program, "search", "--quiet", "--backbone", backbone, "--editor", editor,
                "--ladders", str(own if own.exists() else by_name[editor] / "ladders.yaml"),
                "--budget", str(given.budget), "--limit", str(given.limit),
                "--workers", str(given.workers), "--out", str(given.runs),
                "--record", str(by_name[editor] / "config" / f"search-{backbone}.json"),
                "--config", str(by_name[editor] / "config" / f"{backbone}.yaml"),
            ]  # fmt: skip
            words += [word for suite in given.suite or SUITES for word in ("--suite", suite)]
            words += shlex.split(given.load)
            done = subprocess.run(words, check=False, capture_output=True, text=True)
            spent = time.monotonic() - began
            best = next((line for line in done.stdout.splitlines() if line.endswith("<- best")), "")
            print(f"{editor} on {backbone}, {spent:.0f} s: {best or done.stderr.strip()}", flush=True)
            failed += [editor] if done.returncode else []
    if failed:
        raise SystemExit(f"not searched: {', '.join(failed)}")


if __name__ == "__main__":
    main()
