"""A small experiment with fakes, and ways to look at what it leaves behind."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmedit_bench.harness.guard import ProofPolicy
from mmedit_bench.harness.plan import Experiment
from mmedit_bench.harness.run import RunResult
from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.runs.baseline import FOLDER, Baseline, path_of, read_baseline
from mmedit_bench.runs.folder import Manifest
from tests.fakes import editors
from tests.fakes.backbone import FakeBackbone
from tests.fakes.suite import FakeSuite

EACH = ProofPolicy(every=1)
SELDOM = ProofPolicy(share=1e-9)


def experiment(editor: Any = None, **changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "suite": FakeSuite(),
        "split": "test",
        "backbone": FakeBackbone({"what is test-3?": "The NEW three."}),
        "editor": editor or editors.CopyTarget(),
        "protocol": OneStep(),
    }
    return Experiment(**(values | changes))


def contents(result_or_folder: RunResult | Path) -> tuple[bytes, bytes]:
    folder = result_or_folder if isinstance(result_or_folder, Path) else result_or_folder.folder
    return (folder / "manifest.json").read_bytes(), (folder / "predictions.jsonl").read_bytes()


def baseline_of(out: Path, result: RunResult) -> Baseline:
    spec = Manifest.read(result.folder / "manifest.json").spec
    return read_baseline(path_of(out / FOLDER, spec), spec.evidence)


def reachable(*roots: object) -> Iterator[object]:
    """Everything that attributes, slots, containers, closures and bound methods lead to."""
    seen: dict[int, object] = {}
    waiting: list[object] = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, (type, types.ModuleType, str, bytes, int, float)):
            continue
        seen[id(item)] = item
        yield item
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set, frozenset)):
            waiting += item
        waiting += vars(item).values() if hasattr(item, "__dict__") else ()
        slots = (name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ()))
        waiting += [getattr(item, name) for name in slots if hasattr(item, name)]
        for name in ("__self__", "__func__", "__closure__", "__defaults__", "cell_contents", "func", "args"):
            waiting.append(getattr(item, name, None))
