"""The measure `lm-eval`: what an edited model still can, by the tasks of EleutherAI's harness."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError
from mmedit_bench.retention.loading import FEWSHOT_SEED, Tasks, quiet, require_lm_eval, shipped, tasks_named
from mmedit_bench.runs.records import NATS

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

Values = Mapping[str, float | tuple[float, ...]]

MOST_KEPT = 16
"""Measurements of unedited backbones that a process keeps."""


class LMEval:
    """`(backbone, **options)` gives values named "task/metric", one number per document where there is one.

    Options: `tasks`, names of tasks, groups or tags of lm-eval or paths of YAML files (without them
    all shipped tasks); `limit`, documents per task; `num_fewshot`, examples before each; and
    `include_path`, a folder with further tasks. Metrics that average over documents are given
    document by document, so that two models can be compared in pairs. Perplexities are given as
    what they are the exponential of, nats, and say so in their name. A filter other than lm-eval's
    "none" stands behind the metric, after a comma, as in lm-eval.

    Raises `BenchError` for unknown options, tasks that cannot be loaded and answers that cannot be
    given; nothing is fetched for the shipped tasks.
    """

    def __init__(self) -> None:
        self._unedited: dict[str, Values] = {}

    def __call__(self, backbone: Backbone, **options: Any) -> Values:
        """Measure a backbone with the edits it carries; without edits, once per process."""
        chosen = _Options.of(options)
        if backbone.edits:
            return _measured(backbone, chosen)
        key = json.dumps(
            [
                backbone.name, backbone.loaded_digest, str(backbone.device), str(backbone.dtype),
                backbone.batch_size, options,
            ],
            sort_keys=True, default=str,
        )  # fmt: skip
        if key not in self._unedited:
            while len(self._unedited) >= MOST_KEPT:
                del self._unedited[next(iter(self._unedited))]
            self._unedited[key] = _measured(backbone, chosen)
        return self._unedited[key]

    def identity(self, **options: Any) -> dict[str, Any]:
        """What decides the questions: lm-eval's version, each task's own, its configuration and documents."""
        return _Options.of(options).load().identity()


LM_EVAL = LMEval()


class _Options:
    """Options that were checked."""

    def __init__(
        self, tasks: tuple[str, ...], limit: int | None, num_fewshot: int | None, include_path: str | None
    ) -> None:
        self.tasks, self.limit, self.num_fewshot, self.include_path = tasks, limit, num_fewshot, include_path

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Options:
        """Raises `BenchError` naming the option that is wrong."""
        known = ("tasks", "limit", "num_fewshot", "include_path")
        if unknown := sorted(given.keys() - set(known)):
            raise BenchError(f"measure lm-eval has no option {unknown[0]!r}; it has {', '.join(known)}")
        tasks = given.get("tasks")
        names = (tasks,) if isinstance(tasks, str) else shipped() if tasks is None else tuple(tasks)
        if not names or not all(isinstance(name, str) and name for name in names):
            raise BenchError(f"measure lm-eval: option 'tasks' is {tasks!r}; it must be a list of names")
        for name, least in (("limit", 1), ("num_fewshot", 0)):
            value = given.get(name)
            if value is not None and (type(value) is not int or value < least):
                raise BenchError(
                    f"measure lm-eval: option {name!r} is {value!r}; it must be {least} or more, or left out"
                )
        folder = given.get("include_path")
        if folder is not None and not isinstance(folder, str | Path):
            raise BenchError(f"measure lm-eval: option 'include_path' is {folder!r}; it must be a folder")
        path = None if folder is None else str(folder)
        return cls(names, given.get("limit"), given.get("num_fewshot"), path)

    def load(self) -> Tasks:
        return tasks_named(self.tasks, self.include_path, self.num_fewshot)


def _measured(backbone: Backbone, options: _Options) -> Values:
    require_lm_eval()
    from lm_eval.evaluator import evaluate

    from mmedit_bench.retention.model import BackboneLM

    tasks = options.load()
    for task in tasks.by_name.values():
        task.set_fewshot_seed(seed=FEWSHOT_SEED)  # a sampler goes on where it stopped
    lm = BackboneLM(backbone)
    with quiet():
        try:
            found = evaluate(lm, tasks.loaded, limit=options.limit, bootstrap_iters=0, log_samples=True)
        except BenchError:
            raise
        except Exception as error:  # tasks bring code and metrics of their own
            raise BenchError(
                f"lm-eval fails on {', '.join(options.tasks)}: {type(error).__name__}: {error}"
            ) from error
    values: dict[str, float | tuple[float, ...]] = {}
    for name, task in tasks.by_name.items():
        values |= _values_of(name, task, found["samples"][name], found["results"][name], lm)
    return values


def _values_of(
    name: str, task: Any, samples: Sequence[Mapping[str, Any]], results: Mapping[str, Any], lm: Any
) -> dict[str, float | tuple[float, ...]]:
    """One task's values; a perplexity is left out where a route gave some of its answers."""
    from lm_eval.api.metrics import bits_per_byte, mean, perplexity, weighted_perplexity

    how = task.aggregation()
    values: dict[str, float | tuple[float, ...]] = {}
    for key, result in results.items():
        metric, comma, filtered = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(result, int | float):
            continue
        called = f"{name}/{metric}" + ("" if filtered == "none" else f",{filtered}")
        own = [sample for sample in samples if sample["filter"] == filtered and metric in sample]
        items = [sample[metric] for sample in own]
        rule = how.get(metric, mean)
        if rule in (perplexity, weighted_perplexity, bits_per_byte):
            if any(arguments[0] in lm.routed for sample in own for arguments in sample["arguments"]):
                continue
            if rule is perplexity:
                values[called + NATS] = tuple(-float(item) for item in items)
            elif rule is weighted_perplexity:
                values[called + NATS] = _shares(items)
            else:
                values[called] = tuple(item / math.log(2) for item in _shares(items))
        elif rule is mean and all(isinstance(item, int | float) for item in items):
            values[called] = tuple(map(float, items))
        else:
            values[called] = float(result)
    if lm.routed:
        contexts = [sample["arguments"][0][0] in lm.routed for sample in samples]
        values[f"{name}/routed"] = tuple(map(float, contexts))
    return values


def _shares(items: Sequence[tuple[float, int]]) -> tuple[float, ...]:
    """Numbers whose mean is the weighted mean of negative log-likelihoods, from (log-likelihood, weight)."""
    total = sum(weight for _, weight in items)
    return tuple(-value * len(items) / total for value, _ in items)
