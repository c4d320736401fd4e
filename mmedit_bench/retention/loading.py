"""Tasks of lm-eval by name or file, loaded once per process, and what identifies them."""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import io
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BenchError, UnknownName
from mmedit_bench.runs.provenance import library_version

SHIPPED = Path(__file__).parent / "tasks"
FEWSHOT_SEED = 1234
"""Draws the examples of a few-shot context, as in lm-eval's own command."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks ready to be evaluated."""

    loaded: dict[str, Any] = field(hash=False)
    """What lm-eval's `TaskManager.load` gives."""

    @property
    def by_name(self) -> dict[str, Any]:
        """The tasks that documents are asked of; groups are spread out."""
        found: dict[str, Any] = self.loaded["tasks"]
        return found

    def identity(self) -> dict[str, Any]:
        """lm-eval's version and, by task, the task's, and digests of its configuration and documents."""
        tasks = {name: _identity(task) for name, task in sorted(self.by_name.items())}
        return {"lm_eval": library_version("lm_eval"), "tasks": tasks}


@functools.lru_cache(maxsize=8)
def tasks_named(names: tuple[str, ...], include_path: str | None, num_fewshot: int | None) -> Tasks:
    """Load tasks by lm-eval's name, group or tag, or by path of a YAML file.

    Shipped tasks and those under `include_path` are found at once, without reading lm-eval's own
    thousands. Raises `UnknownName` for a name that nobody has, `BenchError` for a task that cannot
    be loaded or must not be run, and where lm-eval is not installed.
    """
    require_lm_eval()
    with quiet():
        specs = [_spec(name) for name in names]
        manager = _manager([spec for spec in specs if isinstance(spec, str)], include_path)
        try:
            loaded = manager.load(specs)
        except BenchError:
            raise
        except Exception as error:  # a task may run code of its own and fetch data
            raise BenchError(
                f"lm-eval cannot load {', '.join(names)}: {type(error).__name__}: {_line(error)}. Mend the "
                "task, or fetch its data where the network is within reach"
            ) from error
    for name, task in loaded["tasks"].items():
        _refuse(name, task)
        # as lm-eval's command does: a task that says 0 means it
        if num_fewshot is not None and task.get_config("num_fewshot") != 0:
            task.set_config("num_fewshot", num_fewshot)
        elif task.get_config("num_fewshot") is None:
            task.set_config("num_fewshot", 0)
    return Tasks(loaded)


def require_lm_eval() -> None:
    """Raise `BenchError` with the fix where lm-eval is not installed, or data may bring code along."""
    try:
        import datasets
        import lm_eval  # noqa: F401
    except ImportError as error:
        raise BenchError(
            f"measure lm-eval needs a package that is not installed ({error}); "
            "install it with: pip install 'mmedit-bench[retention]'"
        ) from None
    if int(datasets.__version__.partition(".")[0]) < 4:
        raise BenchError(
            f"measure lm-eval: datasets {datasets.__version__} can run code that comes with data; "
            "install one that cannot with: pip install 'datasets>=4'"
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep lm-eval's progress bars and hints off the terminal; errors are raised all the same."""
    log = logging.getLogger("lm_eval")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        log.setLevel(level)


def _manager(names: Sequence[str], include_path: str | None) -> Any:
    """A manager that knows these names, groups and files of groups."""
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._index import Kind

    if include_path is not None and not Path(include_path).is_dir():
        raise BenchError(f"measure lm-eval: include_path {include_path!r} is no folder; name one with tasks")
    folders = [SHIPPED, *([Path(include_path)] if include_path else [])]
    manager = TaskManager(include_path=folders, include_defaults=False)
    known = manager.task_index
    # lm-eval's own tasks take seconds to index; a group may be made of them
    if any(name not in known or known[name].kind is Kind.GROUP for name in names):
        manager = TaskManager(include_path=folders)
    for name in names:
        if name not in manager.task_index and not _is_file(name):
            close = difflib.get_close_matches(name, manager.all_tasks, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UnknownName(
                f"measure lm-eval: there is no task {name!r}.{hint} Name one of the shipped tasks "
                f"({', '.join(shipped())}), a task of lm-eval, a YAML file, or its folder as include_path."
            )
    return manager


def shipped() -> tuple[str, ...]:
    """Names of the tasks in the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _spec(name: str) -> Any:
    """A task file with absolute paths of data: relative ones would depend on the working directory."""
    if not _is_file(name):
        return name
    from lm_eval.tasks._yaml_loader import load_yaml

    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise BenchError(f"measure lm-eval: the task file {name} is not there; give its path")
    config = load_yaml(path)
    if not isinstance(config.get("task"), str):
        return str(path)  # a group
    given = config.get("dataset_kwargs") or {}
    if "data_files" in given:
        config["dataset_kwargs"] = {**given, "data_files": _absolute(given["data_files"], path.parent)}
    return config


def _absolute(files: Any, folder: Path) -> Any:
    if isinstance(files, dict):
        return {key: _absolute(value, folder) for key, value in files.items()}
    if isinstance(files, list):
        return [_absolute(value, folder) for value in files]
    beside = folder / str(files)
    return str(beside) if beside.exists() else files


def _refuse(name: str, task: Any) -> None:
    """Raise `BenchError` for a task that runs what the model writes, or that asks about pictures."""
    if getattr(task, "UNSAFE_CODE", False):
        raise BenchError(f"task {name} runs what the model writes; that is never done: leave it out")
    if getattr(task, "MULTIMODAL", False):
        raise BenchError(f"task {name} asks about pictures; this measure reads text alone: leave it out")


def _identity(task: Any) -> dict[str, Any]:
    config = dict(task.dump_config())
    # where a file lies is no part of what is asked
    config["metadata"] = {
        key: value for key, value in (config.get("metadata") or {}).items() if key != "config_source"
    }
    kwargs = dict(config.get("dataset_kwargs") or {})
    if kwargs.pop("data_files", None) is not None:
        config["dataset_kwargs"] = kwargs
    documents = hashlib.sha256()
    for document in task.eval_docs:
        documents.update(_json(document).encode() + b"\n")
    return {
        "version": str(getattr(task, "VERSION", "")),
        "config": hashlib.sha256(_json(config).encode()).hexdigest(),
        "documents": documents.hexdigest(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
