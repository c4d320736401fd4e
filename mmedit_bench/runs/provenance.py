"""Which code and which libraries produced a result, as digests and plain values."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmedit_bench.errors import BadData

_NOT_CODE = frozenset({".pyc", ".pyo", ".md", ".rst"})
"""Suffixes of files beside a plugin's code that cannot change what it does."""


def source_digest(*modules: str, folder: bool = False) -> str:
    """sha256 (hex) over the source of `modules` and all they import from the same top-level packages.

    Imports are followed in the source text, those inside functions too, but not those for type
    checkers only. With `folder`, every file beside a module that sits in a
    package counts as well (configuration, tables), because imports do not show those. Names in the
    digest are relative, so it is the same on every machine. Raises `BadData` for a module without
    a source file.
    """
    bases: dict[str, Path] = {}
    files: dict[str, Path] = {}
    for module in modules:
        base, path = _locate(module)
        bases[_top(module)] = base
        files[path.relative_to(base).as_posix()] = path  # also where the name does not lead to it: a script
        if folder and (path.parent / "__init__.py").exists():
            files |= {file.relative_to(base).as_posix(): file for file in _beside(path.parent)}
    waiting, seen = list(modules), set[str]()
    while waiting:
        module = waiting.pop()
        path_or_none = _file(bases[_top(module)], module)
        if module in seen or path_or_none is None:
            continue
        seen.add(module)
        files[path_or_none.relative_to(bases[_top(module)]).as_posix()] = path_or_none
        waiting += [name for name in _imports(path_or_none, module) if _top(name) in bases]
    lines = (f"{name}\0{hashlib.sha256(files[name].read_bytes()).hexdigest()}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


code_digest = source_digest


@functools.cache
def library_version(distribution: str) -> str:
    """The installed version, without its local build tag ("2.6.0", not "2.6.0+cpu"), or "absent"."""
    try:
        return version(distribution).partition("+")[0]
    except PackageNotFoundError:
        return "absent"


def _top(module: str) -> str:
    return module.partition(".")[0]


def _locate(module: str) -> tuple[Path, Path]:
    """The folder that holds the module's top-level package, and the module's own file."""
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None and loaded is None:
        try:
            spec = importlib.util.find_spec(module)
        except ImportError:
            spec = None
        origin = spec.origin if spec and spec.has_location else None
    if origin is None or not origin.endswith(".py"):
        raise BadData(f"module {module!r} has no source file to take a digest of; put the code in a .py file")
    path = Path(origin)
    depth = module.count(".") + (path.name == "__init__.py")
    return path.parents[depth], path


def _file(base: Path, module: str) -> Path | None:
    """The file of a dotted module name, or None (a name in a module, a namespace package)."""
    stem = base.joinpath(*module.split("."))
    places = (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))
    return next((path for path in places if path.is_file()), None)


def _beside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix not in _NOT_CODE:
            yield path


def _imports(path: Path, module: str) -> Iterator[str]:
    """Dotted names that the source may import: modules, parents of modules, and names in modules."""
    yield from (module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [ast.parse(path.read_bytes(), str(path))]
    while waiting:
        node = waiting.pop()
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
            source = (start + (node.module or "")).strip(".")
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
