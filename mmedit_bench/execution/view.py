"""What a sandboxed editor is shown of this machine's files: code and weights, and no evaluation data."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution, distributions
from pathlib import Path

from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.presence import grafted_here
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES, Entry, Registry
from mmedit_bench.retention.picturebook import DOCUMENTS
from mmedit_bench.runs.files import read_regular

_INSTALLED = ("site-packages", "dist-packages")
_DATA = Registry("mmedit_bench.data", "data set")
_OURS = "mmedit-bench"
_HERE = Path(__file__).parents[2].resolve()
"""The folder that this very package is imported from, wherever its distribution says that it lies."""


@dataclass(frozen=True, slots=True)
class View:
    """Paths as `execution.sandbox.command` takes them, and where Python looks for modules."""

    readable: tuple[Path, ...]
    instead: Mapping[Path, Path]
    path: tuple[str, ...]


def view_of(order: Order, copies: Path, more: Sequence[Path] = ()) -> View:
    """What the editor of an order needs to see, and `more`.

    That is the interpreter, installed packages, and of a source tree on Python's path only packages
    of the distributions that lie in it and offer the order's editor, backbone and suite, and of this
    one. Of their data sets it sees the copies that these make, below `copies`. Raises `BenchError` for
    an unknown name, for a path of `more` that is not there, and for a suite whose files cannot be told.
    """
    suite = SUITES.entry(order.suite)
    entries = [EDITORS.entry(order.editor), BACKBONES.entry(order.backbone), suite]
    instead = {
        place.resolve(): copy for name in {_OURS, suite.distribution} for place, copy in _copies(name, copies)
    }
    nothing = copies / "nothing"
    nothing.write_bytes(b"")
    instead[DOCUMENTS.resolve()] = nothing
    path = tuple(str(Path(part or ".").resolve()) for part in sys.path)
    instead |= _elsewhere(instead, [Path(part) for part in path])
    prefixes = (sys.prefix, sys.base_prefix, sys.base_exec_prefix)
    shown = [Path(prefix).resolve() for prefix in prefixes]
    shown.append(Path(sys.executable).resolve())
    for part in map(Path, path):
        if part.is_file() or part.name in _INSTALLED or any(part.is_relative_to(one) for one in shown):
            shown.append(part)
        elif part.is_dir():
            shown += _needed(part, _packages(part, entries))
    shown += _weights(order)
    for other in more:
        if not other.exists():
            raise BenchError(f"{other}: there is no such file or folder to be read in the sandbox")
        shown.append(other.resolve())
    seen = [path for path in shown if path.exists()]
    hidden = {at: copy for at, copy in instead.items() if any(at.is_relative_to(one) for one in seen)}
    return View(tuple(seen), hidden, path)


def _copies(distribution: str, folder: Path) -> list[tuple[Path, Path]]:
    """Files of a distribution that hold evaluation data, each with what is shown instead.

    Data sets are trusted as suites are: their code is loaded here. Raises `BenchError` if no data set
    of it has a `for_editors`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = [name for name in _DATA.names() if _DATA.entry(name).distribution == distribution]
    sets = [made for name in own if (made := getattr(_DATA.load(name), "for_editors", None))]
    if not sets:
        raise BenchError(
            f"{distribution} offers a suite, but no data set that says which of its files a sandboxed editor "
            "must not see; register one with a method for_editors(folder) under mmedit_bench.data"
        )
    return [pair for made in sets for pair in made(folder).items()]


def _values(entry: Entry) -> Iterator[str]:
    """What an entry's distribution registers, as `module:attribute`."""
    yield entry.value
    if entry.location:
        yield from (
            point.value
            for point in distribution(entry.distribution).entry_points
            if point.group.startswith("mmedit_bench.")
        )


def _packages(tree: Path, entries: Sequence[Entry]) -> set[str]:
    """Top-level names in a source tree that are of these entries' distributions, or this package.

    A distribution may register any name. Of what stands under it in a tree of somebody else, such as a
    board in a checkout, nothing is its own.
    """
    own = {_top(value) for entry in entries if _lies_in(tree, entry) for value in _values(entry)}
    return own | ({_top(__name__)} if tree == _HERE else set())


def _lies_in(tree: Path, entry: Entry) -> bool:
    """Whether the distribution of an entry lies in a source tree: not by its own word alone.

    Either its metadata lies there, or the tree is of a project that registers the very entry, as where
    it was installed in place.
    """
    if tree == _HERE and entry.distribution == _OURS:
        return True
    return any(distributions(name=entry.distribution, path=[str(tree)])) or _registers(tree, entry)


def _registers(tree: Path, entry: Entry) -> bool:
    """Whether the nearest pyproject.toml of a tree bears the name of a distribution and has its entry."""
    nearest = (place / "pyproject.toml" for place in (tree, *tree.parents))
    path = next((path for path in nearest if path.is_file()), None)
    if path is None:
        return False
    try:
        project = tomllib.loads(read_regular(path).decode())["project"]
        values = {value for points in project["entry-points"].values() for value in points.values()}
        return _alike(project["name"], entry.distribution) and entry.value in values
    except (BadRecord, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False  # whatever it is, it does not say so


def _alike(one: str, other: str) -> bool:
    """Whether two spellings are of one distribution's name."""
    return re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", other).lower()


def _elsewhere(instead: Mapping[Path, Path], path: Sequence[Path]) -> dict[Path, Path]:
    """The same files of other copies of a package on Python's path, such as one that is shadowed."""
    found: dict[Path, Path] = {}
    for place, copy in instead.items():
        within = [place.relative_to(part) for part in path if place.is_relative_to(part)]
        found |= {part / name: copy for name in within for part in path if (part / name).exists()}
    return {place.resolve(): copy for place, copy in found.items()}


def _needed(tree: Path, packages: set[str]) -> Iterator[Path]:
    """Packages and modules of these names in a source tree, and what tells of its distributions."""
    for name in sorted(packages):
        for found in (tree / name, tree / f"{name}.py"):
            if found.is_symlink():  # it would be shown under a name that nothing is replaced under
                raise BenchError(f"{found} is a link, which is not shown in a sandbox; install the package")
            if found.exists():
                yield found
    for ending in ("dist-info", "egg-info"):
        yield from sorted(tree.glob(f"*.{ending}"))


def _weights(order: Order) -> Iterator[Path]:
    """Files of a backbone that does not ship whole, with the links of the hub's cache and their aims."""
    if (row := PUBLISHED.get(order.backbone)) is None:
        if own := grafted_here(order.backbone, order.loading):
            yield own.resolve()
            if (named := order.loading.get("language_model")) and Path(named).exists():
                yield Path(named).resolve()  # its digest says which folder that is
        return
    source = order.loading.get("weights", row.source)
    for named in (source, order.loading.get("device_map")):
        if named and Path(named).exists():
            yield Path(named).resolve()
    if source and not Path(source).exists():
        kept = hub_cache() / f"models--{source.replace('/', '--')}"
        if kept.is_dir():
            yield kept.resolve()


def hub_cache() -> Path:
    """Where the Hugging Face hub's files are kept, for an account whose home is not shown."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _top(value: str) -> str:
    return value.partition(":")[0].partition(".")[0].strip()
