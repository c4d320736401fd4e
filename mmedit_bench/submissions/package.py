"""The distribution that an editor comes from, in a folder of its own or installed, as source files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError, naming
from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.runs.files import read_regular
from mmedit_bench.submissions.digests import package_digest
from mmedit_bench.submissions.limits import MOST_FILE, MOST_FORM

OWN = "mmedit-bench"
"""The distribution of this benchmark, which nobody needs to submit."""

Source = Path | bytes

_SUFFIXES = frozenset({".py", ".toml", ".md", ".txt", ".yaml", ".yml", ".json", ".cfg", ".safetensors"})
_PLAIN = frozenset({"LICENSE", "LICENCE", "NOTICE", "COPYING"})
_NOT_SOURCE = frozenset({"__pycache__", "build", "dist", "runs", "submissions", "site", "node_modules"})
_MOST_SOURCES = 500

_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,58}[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,39}", re.ASCII)
_POINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", re.ASCII)
_VALUE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)

GROUP = EDITORS.group


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorPackage:
    """An editor, and the distribution it comes from."""

    editor: str
    """The name it is registered under."""
    distribution: str
    version: str
    groups: Mapping[str, Mapping[str, str]] = field(hash=False)
    """Entry points by group, as they are registered."""
    sources: Mapping[str, Source] = field(hash=False)
    """Source files by relative path."""
    left_out: tuple[str, ...] = ()
    """Files of its folder that are no source."""
    root: Path | None = None
    """What is to be on the path so that its modules can be imported; None for one that is installed."""

    @property
    def sha256(self) -> str:
        """Of all source files."""
        return package_digest({name: {"sha256": _sha256(own)} for name, own in self.sources.items()})


def in_folder(folder: Path, editor: str | None = None, apart: tuple[Path, ...] = ()) -> EditorPackage:
    """The package whose pyproject.toml stands in a folder; nothing of it is imported.

    `editor` tells which, where it registers several; what lies in folders `apart` is not part of it.
    Raises `BenchError` naming the file and the field that does not do.
    """
    path = folder / "pyproject.toml"
    project = _project(path)
    name = project.get("name")
    if not isinstance(name, str) or not _PROJECT.fullmatch(name):
        raise BenchError(f"{path}: field project.name is {name!r:.70}; name the distribution")
    groups = _groups(project.get("entry-points", {}), path)
    chosen = _chosen(groups.get(GROUP, {}), editor, str(path))
    root = _root(folder, groups[GROUP][chosen].partition(":")[0], path)
    sources, left_out = _sources(folder, "", apart)
    return EditorPackage(
        editor=chosen,
        distribution=name,
        version=_version(project, name, path),
        groups=groups,
        sources=sources,
        left_out=left_out,
        root=root,
    )


def installed(name: str, editor: str | None = None) -> EditorPackage:
    """The package of an installed editor, or of an installed distribution. Raises `BenchError`."""
    if name in EDITORS.names() and editor is None:
        entry = EDITORS.entry(name)
        name, editor = entry.distribution, name
    try:
        found = distribution(name)
    except (PackageNotFoundError, ValueError):
        raise BenchError(
            f"{name!r:.100} is neither a folder nor an installed distribution or editor; name the folder "
            "with the editor's pyproject.toml"
        ) from None
    groups: dict[str, dict[str, str]] = {}
    for point in found.entry_points:
        if point.group.startswith("mmedit_bench."):
            groups.setdefault(point.group, {})[point.name] = point.value
    chosen = _chosen(groups.get(GROUP, {}), editor, f"distribution {found.name}")
    top = groups[GROUP][chosen].partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.origin:
        raise BenchError(
            f"editor {chosen!r}: there is no module {top} with a file; install {found.name} anew"
        )
    sources: dict[str, Source]
    if spec.submodule_search_locations:
        sources, _ = _sources(Path(spec.origin).parent, f"{top}/", ())
    else:
        sources = {f"{top}.py": Path(spec.origin)}
    sources["pyproject.toml"] = _pyproject(found.name, found.version, groups)
    return EditorPackage(
        editor=chosen, distribution=found.name, version=found.version, groups=groups, sources=sources
    )


@contextmanager
def visible(package: EditorPackage, metadata: Path, *, last: bool = False) -> Iterator[None]:
    """Have a package that is not installed be found in this block, and in processes that take its path.

    What an installer would leave is written to the folder `metadata`. The package's own code is not
    touched, nor is anything imported. With `last` it takes no installed name's place.
    """
    if package.root is None:
        yield
        return
    info = metadata / f"{package.distribution.replace('-', '_')}-{package.version}.dist-info"
    lines = []
    for group, points in package.groups.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""]
    with naming(info):
        info.mkdir(parents=True, exist_ok=True)
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        head = f"Metadata-Version: 2.1\nName: {package.distribution}\nVersion: {package.version}\n"
        (info / "METADATA").write_text(head, encoding="utf-8")
    added = [str(metadata.resolve()), str(package.root.resolve())]
    if last:
        sys.path += added
    else:
        sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for place in added:
            sys.path.remove(place)
        importlib.invalidate_caches()


def _project(path: Path) -> Mapping[str, Any]:
    try:
        found = tomllib.loads(read_regular(path, MOST_FORM).decode("utf-8")).get("project")
    except FileNotFoundError:
        raise BenchError(
            f"{path.parent} holds no pyproject.toml; name an editor's folder, such as `new-editor` writes"
        ) from None
    except (ValueError, RecursionError) as error:  # also bytes that are no text, and brackets in brackets
        raise BenchError(f"{path}: not TOML ({error}); mend it") from None
    if not isinstance(found, dict):
        raise BenchError(f"{path}: it has no table [project]; add it")
    return found


def _groups(table: Any, path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    if not isinstance(table, dict):
        raise BenchError(f"{path}: field project.entry-points is no table; write one for each group")
    for group, points in table.items():
        if not group.startswith("mmedit_bench."):
            continue
        where = f"{path}: field project.entry-points.{group!r:.60}"
        if not isinstance(points, dict) or not re.fullmatch(r"mmedit_bench\.[a-z_]+", group):
            raise BenchError(f'{where} is no table of entry points; write `name = "module:Class"` lines')
        for name, value in points.items():
            if not _POINT.fullmatch(name) or not isinstance(value, str) or not _VALUE.fullmatch(value):
                raise BenchError(f'{where} holds {name!r:.60}; write it as `name = "module:Class"`')
        found[group] = dict(points)
    return found


def _chosen(points: Mapping[str, str], editor: str | None, where: str) -> str:
    if not points:
        raise BenchError(f'{where} registers no editor; add a table [project.entry-points."{GROUP}"]')
    names = ", ".join(sorted(points))
    if editor is None:
        if len(points) > 1:
            raise BenchError(f"{where} registers the editors {names}; choose one with --editor")
        return next(iter(points))
    if editor not in points:
        raise BenchError(f"{where} registers no editor {editor!r:.60}; it registers {names}")
    return editor


def _version(project: Mapping[str, Any], name: str, path: Path) -> str:
    version = project.get("version")
    dynamic = project.get("dynamic")
    if version is None and isinstance(dynamic, list) and "version" in dynamic:
        try:
            version = distribution(name).version
        except PackageNotFoundError:
            raise BenchError(
                f"{path}: field project.version is made by an installer; install {name}, or write it out"
            ) from None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise BenchError(f'{path}: field project.version is {version!r:.60}; write one such as "0.1.0"')
    return version


def _root(folder: Path, module: str, path: Path) -> Path:
    """Where the top of a module's name is found: in the folder, or below src/."""
    top = module.partition(".")[0]
    for root in (folder, folder / "src"):
        if (root / f"{top}.py").is_file() or (root / top / "__init__.py").is_file():
            return root
    raise BenchError(f"{path}: its editor's module {module} is neither in the folder nor below src/; mend it")


def _sources(folder: Path, prefix: str, apart: tuple[Path, ...]) -> tuple[dict[str, Source], tuple[str, ...]]:
    """Source files below a folder, and the names of the other files that are not hidden."""
    found: dict[str, Source] = {}
    other: list[str] = []
    away = {path.resolve() for path in apart}
    with naming(folder):
        for place, folders, names in os.walk(folder):
            here = Path(place)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and name not in _NOT_SOURCE
                and not name.endswith((".egg-info", ".dist-info", ".work"))
                and not (here / name / "pyvenv.cfg").exists()
                and (here / name).resolve() not in away
            )
            for name in sorted(names):
                path = here / name
                relative = prefix + path.relative_to(folder).as_posix()
                if name.startswith("."):
                    continue
                if path.suffix not in _SUFFIXES and path.stem not in _PLAIN:
                    other.append(relative)
                elif path.is_symlink() or not path.is_file() or not _PATH.fullmatch(relative):
                    raise BenchError(
                        f"{path} cannot be submitted; let it be a file, named with letters, digits, . _ and -"
                    )
                elif path.stat().st_size > MOST_FILE:
                    raise BenchError(f"{path} has more than {MOST_FILE >> 20} MiB; make it smaller")
                else:
                    found[relative] = path
    if len(found) > _MOST_SOURCES:
        raise BenchError(f"{folder} holds {len(found)} source files; at most {_MOST_SOURCES} are submitted")
    return found, tuple(other)


def _pyproject(name: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> bytes:
    """What says of an installed distribution what its pyproject.toml would."""
    lines = ["[project]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    for group, points in sorted(groups.items()):
        lines += ["", f"[project.entry-points.{json.dumps(group)}]"]
        lines += [f"{json.dumps(point)} = {json.dumps(value)}" for point, value in sorted(points.items())]
    return ("\n".join(lines) + "\n").encode()


def _sha256(source: Source) -> str:
    return hashlib.sha256(source if isinstance(source, bytes) else source.read_bytes()).hexdigest()
