"""The house has floors: a room imports only from rooms below it, so there is no circle."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mmedit_bench", "methods", "leaderboard")

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"version", "errors"}),
    frozenset({"cases", "plugins"}),
    frozenset({"runs", "protocols", "datasets", "interventions", "scaffold"}),
    frozenset({"scoring"}),
    frozenset({"backbones", "rendering", "submissions"}),
    frozenset({"editors", "leaderboard", "retention"}),
    frozenset({"harness", "methods"}),
    frozenset({"execution"}),
    frozenset({"reproduce", "submitting", "verification"}),
    frozenset({"cli"}),
)
"""Lowest first. Rooms on one floor do not import each other."""

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    """The room of a dotted module name."""
    top, _, rest = module.partition(".")
    if top != "mmedit_bench":
        return top
    return rest.partition(".")[0] or "version"


def imports(path: Path) -> Iterator[str]:
    """Modules of this repository that a file imports, anywhere in it and also for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module in PACKAGES:  # from mmedit_bench import registry
                names = [
                    f"{node.module}.{alias.name}"
                    for alias in node.names
                    if (ROOT / node.module / f"{alias.name}.py").exists()
                    or (ROOT / node.module / alias.name).is_dir()
                ]
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_room_has_a_floor() -> None:
    assert {room(module_of(path)) for path in FILES} <= FLOOR_OF.keys()


def test_the_concepts_page_has_the_same_floors() -> None:
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").partition("## Rooms")[2]
    rows = [line.split("|")[1:3] for line in text.splitlines() if re.match(r"\| \d", line)]
    told = {int(number): set(re.findall(r"`(\w+)(?:/\*?|\.py)`", rooms)) for number, rooms in rows}
    # the ground floor of the page holds two of the test's: errors, and what knows nothing but them
    ground = (FLOORS[0] | FLOORS[1]) - {"version"}
    assert told == {1: ground} | {number: set(FLOORS[number]) for number in range(2, len(FLOORS))}


def test_few_things_stand_directly_in_the_package() -> None:
    marks = ("__init__.py", "__pycache__", "py.typed")  # what any typed package has
    entries = [p for p in (ROOT / "mmedit_bench").iterdir() if p.name not in marks]
    assert len(entries) <= 20, sorted(p.name for p in entries)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_come_from_below(path: Path) -> None:
    mine = room(module_of(path))
    wrong = [name for name in imports(path) if room(name) != mine and FLOOR_OF[room(name)] >= FLOOR_OF[mine]]
    assert not wrong, f"{path} is on floor {FLOOR_OF[mine]} ({mine}) and imports {', '.join(wrong)}"


def test_the_benchmark_knows_no_method_and_no_leaderboard() -> None:
    inside = [path for path in FILES if module_of(path).startswith("mmedit_bench")]
    wrong = [(path, name) for path in inside for name in imports(path) if not name.startswith("mmedit_bench")]
    assert not wrong


def test_methods_use_each_other_and_the_public_interface_only() -> None:
    for path in FILES:
        if module_of(path).startswith("methods."):
            foreign = {name for name in imports(path) if not name.startswith("methods.")}
            # what an editor says of its memory is no part of its code, and has a module of its own
            told = {"mmedit_bench.backbones.demand"} if path.name == "demand.py" else set()
            assert foreign <= {"mmedit_bench.editors"} | told, path


def test_no_editor_imports_what_it_says_of_its_memory() -> None:
    for path in FILES:
        if module_of(path).startswith("methods.") and path.name != "demand.py":
            assert not any(name.endswith(".demand") for name in imports(path)), path


@pytest.mark.parametrize(
    "modules",
    [
        "mmedit_bench.scoring.score, mmedit_bench.rendering.report, leaderboard.build",
        "mmedit_bench.scoring, leaderboard",
        "mmedit_bench.datasets.picturebook",
        "mmedit_bench.plugins.registry, mmedit_bench.runs.records, mmedit_bench.runs.folder",
    ],
)
def test_no_torch_where_none_is_needed(modules: str) -> None:
    code = f"import sys, {modules}; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
