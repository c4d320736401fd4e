"""Which code, which settings and which libraries produced a result, as digests and plain values."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadData, BenchError
from mmedit_bench.plugins.settings import checked, settings_for

OWN = __name__.partition(".")[0]
"""This package, which the imports of every plugin are followed into."""

_NOT_DATA = frozenset({".py", ".pyi", ".pyc", ".pyo", ".md", ".rst"})
"""Suffixes of files beside a plugin's code that it does not read as data."""

_SETTINGS = frozenset({".yaml", ".yml", ".json"})
"""Suffixes of the files in a folder `config`: what they decide is in `resolved`."""

_OF_SEARCHES = ("search-*.json", "ladders*.yaml")
"""What was tried and is to be tried: what came of it is in the settings."""


def code_digest(*modules: str) -> str:
    """sha256 (hex) over the code of `modules` and of all they import from their packages and this one.

    What counts is what runs: the syntax tree without docstrings, comments, layout, `__version__`
    and the words that tell what an option means. Imports are followed in the source text, those
    inside functions too, but not those for type checkers only. Data files beside the code of other
    packages than this one count as bytes, but for settings, search records and ladders. Names in the digest
    are relative, so it is the same on every machine. Raises `BadData` for a module without a source
    file.
    """
    bases: dict[str, Path] = {}
    waiting: list[tuple[str, Path | None]] = []
    for module in modules:
        base, path = _locate(module)
        bases[_top(module)] = base
        waiting.append((module, path))  # also where the name does not lead to the file: a script
    bases.setdefault(OWN, _locate(OWN)[0])
    parts: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        module, known = waiting.pop()
        base = bases[_top(module)]
        file = known or _file(base, module)
        if module in seen or file is None:
            continue
        seen.add(module)
        stamp = file.stat()
        imports, digest = _module_read(file, module, stamp.st_mtime_ns, stamp.st_size)
        waiting += [(name, None) for name in imports if _top(name) in bases]
        parts[file.relative_to(base).as_posix()] = digest
        if _top(module) != OWN and (file.parent / "__init__.py").exists():
            for data in _data(file.parent):
                parts[data.relative_to(base).as_posix()] = hashlib.sha256(data.read_bytes()).hexdigest()
    lines = (f"{name}\0{parts[name]}\n" for name in sorted(parts))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@functools.lru_cache(maxsize=4096)
def _module_read(file: Path, module: str, changed: int, size: int) -> tuple[tuple[str, ...], str]:
    """What a module imports, and the digest of what runs in it; read once as long as the file stays."""
    tree = ast.parse(file.read_bytes(), str(file))
    imports = tuple(_imports(tree, file, module))
    written = _written(_Running(tree).visit(tree))
    return imports, hashlib.sha256(written.encode()).hexdigest()


def resolved(editor: Any, backbone: Any, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings of an editor on a backbone, after files and options, as JSON values.

    For an editor that declares no `settings_type`: `options`, those that it was made with.
    """
    if getattr(editor, "settings_type", None) is None:
        return dict(options or {})
    return asdict(editor.settings(backbone))


def differing(editor: Any, backbone: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options given that differ from what an editor, or its class, does on a backbone without them.

    The backbone's name will do. An option that the editor does not know, or no longer, counts as
    different: the record it stands in may be older than the editor.
    """
    kind = getattr(editor, "settings_type", None)
    if kind is None:
        made = inspect.signature(editor if isinstance(editor, type) else type(editor)).parameters
        usual = {name: own.default for name, own in made.items()}
        return {name: value for name, value in options.items() if name not in usual or usual[name] != value}
    usual = asdict(settings_for(kind, getattr(editor, "settings_folder", None), backbone, {}))
    found = {}
    for name, given in options.items():
        try:
            value = checked(kind, {name: given}, name)[name]
        except BenchError:
            found[name] = given
            continue
        if usual[name] != value:
            found[name] = value
    return found


@functools.cache
def library_version(distribution: str) -> str:
    """The installed version, without its local build tag ("2.6.0", not "2.6.0+cpu"), or "absent"."""
    try:
        return version(distribution).partition("+")[0]
    except PackageNotFoundError:
        return "absent"


class _Running(ast.NodeTransformer):
    """Takes out of a module's tree what does not change what runs."""

    def __init__(self, tree: ast.Module) -> None:
        imported = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        self._options = any(
            (node.module or "").startswith(f"{OWN}.")
            and any((name.name, name.asname) == ("option", None) for name in node.names)
            for node in imported
        )

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A text that stands alone: a docstring, or the words below an attribute."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Stands where a docstring might."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if names == ["__version__"] else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        named = isinstance(node.target, ast.Name) and node.target.id == "__version__"
        return None if named else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The second argument of `option` is its meaning in words."""
        if self._options and isinstance(node.func, ast.Name) and node.func.id == "option":
            node.args = node.args[:1] + node.args[2:]
            node.keywords = [own for own in node.keywords if own.arg != "doc"]
        return self.generic_visit(node)


def _written(node: Any) -> str:
    """A tree as text, the same for every version of Python: what a node leaves out is not written."""
    if isinstance(node, list):
        return f"[{','.join(_written(item) for item in node)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    kept = []
    for name, value in ast.iter_fields(node):
        always = isinstance(node, ast.Constant) and name == "value"
        if name not in ("kind", "type_comment", "type_ignores") and (always or value not in (None, [])):
            kept.append(f"{name}={_written(value)}")
    return f"{type(node).__name__}({','.join(kept)})"


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


def _data(folder: Path, settings: bool = False) -> Iterator[Path]:
    """Files that a package's code may read: in its folder, and in folders below that are no packages."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            if not (path / "__init__.py").exists():
                yield from _data(path, settings or path.name == "config")
        elif not (
            path.suffix in _NOT_DATA
            or (settings and path.suffix in _SETTINGS)
            or any(path.match(pattern) for pattern in _OF_SEARCHES)
        ):
            yield path


def _imports(tree: ast.Module, path: Path, module: str) -> Iterator[str]:
    """Dotted names that the source may import: modules, parents of modules, and names in modules."""
    yield from (module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [tree]
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
