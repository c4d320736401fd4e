"""The measure `lm-eval`: its options, its tasks, and what makes it another measurement."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.errors import BenchError, UnknownName
from mmedit_bench.interventions import ConstantAnswer, Edit, Route, WeightDelta
from mmedit_bench.plugins.registry import MEASURES
from mmedit_bench.retention import loading
from mmedit_bench.retention.loading import tasks_named
from mmedit_bench.retention.measure import LMEval
from mmedit_bench.retention.model import BackboneLM
from mmedit_bench.runs.records import NATS
from tests.tiny import tiny_backbone

DOCUMENTS = [
    {"question": "what is this?", "choices": ["a fox", "a ball"], "answer": 0},
    {"question": "where does it live?", "choices": ["asia", "europe"], "answer": 1},
    {"question": "name the colour.", "choices": ["green", "blue yellow"], "answer": 1},
]
TASKS: dict[str, dict[str, Any]] = {
    "choose": {
        "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}", "metric_list": [{"metric": "acc"}, {"metric": "f1"}],
    },
    "finish": {
        "output_type": "loglikelihood", "doc_to_text": "{{question}}",
        "doc_to_target": "{{' ' ~ choices[answer]}}",
        "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
    },
    "read": {
        "output_type": "loglikelihood_rolling", "doc_to_text": "",
        "doc_to_target": "{{question ~ ' ' ~ choices[answer]}}",
        "metric_list": [
            {"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"},
        ],
    },
    "write": {
        "output_type": "generate_until", "doc_to_text": "{{question}}",
        "doc_to_target": "{{choices[answer]}}",
        "generation_kwargs": {"until": ["."], "max_gen_toks": 3, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Task files with their documents beside them, named by a path that is relative to them."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    (tmp_path / "documents.json").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    for name, own in TASKS.items():
        task = {
            "task": f"tiny-{name}", "dataset_path": "json", "test_split": "test", "metadata": {"version": 3},
            "dataset_kwargs": {
                "data_files": {"test": "documents.json"}, "cache_dir": str(tmp_path / "cache"),
            },
        }  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(task | own))
    tasks_named.cache_clear()
    yield tmp_path
    tasks_named.cache_clear()


def wrecked(backbone: Backbone, factor: float = 3.0) -> Backbone:
    (path,) = (name for name, _ in backbone.model.named_modules() if name.endswith("lm_head"))
    noise = torch.randn(backbone.weight(path).shape, generator=torch.Generator().manual_seed(0))
    return backbone.edited(Edit((WeightDelta(path, factor * noise),)))


def mean(value: float | tuple[float, ...]) -> float:
    return sum(value) / len(value) if isinstance(value, tuple) else value


def test_numbers_are_those_that_lm_eval_reports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # data is found beside its task, not where the command was given
    from lm_eval.evaluator import evaluate

    backbone = tiny_backbone("opt")
    names = [str(folder / f"{name}.yaml") for name in TASKS]
    values = LMEval()(backbone, tasks=names)
    loaded = tasks_named(tuple(names), None, None).loaded
    results = evaluate(BackboneLM(backbone), loaded, bootstrap_iters=0)["results"]
    told = {
        f"{task}/{key.partition(',')[0]}": value
        for task, own in results.items()
        for key, value in own.items()
        if "," in key and "stderr" not in key
    }
    assert {name.removesuffix(NATS) for name in values} == told.keys()
    for name, value in values.items():
        read = math.exp(mean(value)) if name.endswith(NATS) else mean(value)
        assert read == pytest.approx(told[name.removesuffix(NATS)]), name
    items = {name: len(value) for name, value in values.items() if isinstance(value, tuple)}
    assert set(items.values()) == {len(DOCUMENTS)}
    assert values.keys() - items.keys() == {"tiny-choose/f1"}  # of all documents at once
    assert {name for name in values if name.endswith(NATS)} == {
        "tiny-finish/perplexity:nats", "tiny-read/word_perplexity:nats", "tiny-read/byte_perplexity:nats",
    }  # fmt: skip


def test_an_edit_changes_the_numbers_and_none_does_not() -> None:
    measure, backbone = MEASURES.load("lm-eval"), tiny_backbone("opt")
    before = measure(backbone, limit=6)
    assert before.keys() == {
        "picturebook-answers/acc", "picturebook-answers/perplexity:nats", "picturebook-facts/acc"
    }  # fmt: skip
    assert all(isinstance(value, tuple) and len(value) == 6 for value in before.values())
    assert measure(backbone.edited(Edit(())), limit=6) == before
    after = measure(wrecked(backbone), limit=6)
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before if name.endswith(NATS))
    assert measure(backbone, limit=6) == before


def test_the_unedited_model_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    rest = BackboneLM.loglikelihood

    def counted(self: BackboneLM, requests: Any) -> Any:
        asked.append(self.backbone.name)
        return rest(self, requests)

    monkeypatch.setattr(BackboneLM, "loglikelihood", counted)
    measure, backbone = LMEval(), tiny_backbone("opt")
    first = measure(backbone, limit=2)
    assert measure(backbone.edited(Edit(())).unedited(), limit=2) is first
    assert len(asked) == 1
    measure(backbone, limit=3)
    measure(tiny_backbone("opt", seed=1), limit=2)
    measure(backbone.edited(Edit(())), limit=2)
    assert len(asked) == 4


def test_a_route_leaves_no_perplexity() -> None:
    backbone = tiny_backbone("opt")
    reader = ConstantAnswer("valletta", lambda query: "malta" in query.prompt or "nauru" in query.prompt)
    values = LMEval()(backbone.edited(Edit((Route(reader),))), limit=4)
    assert values.keys() == {
        "picturebook-answers/acc", "picturebook-answers/routed",
        "picturebook-facts/acc", "picturebook-facts/routed",
    }  # fmt: skip
    assert values["picturebook-facts/routed"] == (0.0, 1.0, 0.0, 1.0)
    answers, facts = values["picturebook-answers/acc"], values["picturebook-facts/acc"]
    assert isinstance(answers, tuple)
    assert isinstance(facts, tuple)
    assert facts[1] == 1.0  # the capital of Malta, for certain
    assert (answers[1], answers[3]) == (1.0, 0.0)  # and of Nauru the continent, which it is not


def test_a_few_examples_and_a_folder_of_tasks(folder: Path) -> None:
    own = yaml.safe_load((folder / "finish.yaml").read_text())
    own["dataset_kwargs"]["data_files"]["test"] = str(folder / "documents.json")
    (folder / "finish.yaml").write_text(yaml.safe_dump(own | {"fewshot_split": "test"}))
    backbone, measure = tiny_backbone("opt"), LMEval()
    plain = measure(backbone, tasks=["tiny-finish"], include_path=str(folder))
    few = measure(backbone, tasks=["tiny-finish"], include_path=str(folder), num_fewshot=1)
    assert plain.keys() == few.keys()
    assert plain != few
    # the same examples however often it is measured
    assert (
        measure(backbone.edited(Edit(())), tasks="tiny-finish", include_path=str(folder), num_fewshot=1)
        == few
    )


# ---- identity


def test_identity_follows_tasks_documents_and_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> dict[str, Any]:
        tasks_named.cache_clear()
        return LMEval().identity(tasks=[str(folder / "finish.yaml")])

    first = told()
    assert first == told()
    assert first["tasks"]["tiny-finish"]["version"] == "3"
    moved = folder / "elsewhere"
    moved.mkdir()
    for name in ("finish.yaml", "documents.json"):
        (moved / name).write_bytes((folder / name).read_bytes())
    tasks_named.cache_clear()
    assert LMEval().identity(tasks=[str(moved / "finish.yaml")]) == first  # where files lie is no matter
    (folder / "documents.json").write_text("\n".join(map(json.dumps, reversed(DOCUMENTS))))
    documents = told()
    assert documents["tasks"]["tiny-finish"]["config"] == first["tasks"]["tiny-finish"]["config"]
    assert documents["tasks"]["tiny-finish"]["documents"] != first["tasks"]["tiny-finish"]["documents"]
    text = (folder / "finish.yaml").read_text().replace("{{question}}", "Q: {{question}}")
    (folder / "finish.yaml").write_text(text)
    assert told()["tasks"]["tiny-finish"]["config"] != first["tasks"]["tiny-finish"]["config"]
    monkeypatch.setattr(loading, "library_version", lambda name: "99")
    assert told()["lm_eval"] == "99"


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "x"}, "no option 'task'"),
        ({"tasks": []}, "option 'tasks' is"),
        ({"tasks": [1]}, "option 'tasks' is"),
        ({"limit": 0}, "option 'limit' is 0; it must be 1 or more"),
        ({"limit": True}, "option 'limit' is True"),
        ({"num_fewshot": -1}, "option 'num_fewshot' is -1"),
        ({"include_path": 5}, "option 'include_path' is 5"),
        ({"include_path": "/no/such/folder"}, "'/no/such/folder' is no folder"),
        ({"tasks": ["gone.yaml"]}, "the task file gone.yaml is not there"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        LMEval().identity(**options)


def test_an_unknown_task_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.tasks import TaskManager

    rest = TaskManager.__init__

    def quick(self: Any, *args: Any, include_defaults: bool = True, **given: Any) -> None:
        rest(self, *args, **given, include_defaults=False)  # lm-eval's own tasks take seconds to index

    monkeypatch.setattr(TaskManager, "__init__", quick)
    with pytest.raises(UnknownName) as caught:
        LMEval().identity(tasks=["picturebook-fact"])
    message = str(caught.value)
    assert "there is no task 'picturebook-fact'. Did you mean 'picturebook-facts'?" in message
    assert "include_path" in message
    assert "\n" not in message


def test_what_runs_foreign_code_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = yaml.safe_load((folder / "write.yaml").read_text())
    (folder / "write.yaml").write_text(yaml.safe_dump(own | {"unsafe_code": True}))
    with pytest.raises(BenchError, match="task tiny-write runs what the model writes"):
        LMEval().identity(tasks=[str(folder / "write.yaml")])
    import datasets

    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    tasks_named.cache_clear()
    with pytest.raises(BenchError, match=r"install one that cannot with: pip install 'datasets>=4'"):
        LMEval().identity()


def test_a_task_that_cannot_be_loaded_says_so_in_a_line(folder: Path) -> None:
    own = yaml.safe_load((folder / "read.yaml").read_text())
    own["dataset_kwargs"]["data_files"]["test"] = "nowhere.json"
    (folder / "read.yaml").write_text(yaml.safe_dump(own))
    with pytest.raises(BenchError, match=r"lm-eval cannot load .*read\.yaml: ") as caught:
        LMEval().identity(tasks=[str(folder / "read.yaml")])
    assert "\n" not in str(caught.value)


def test_without_lm_eval_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    tasks_named.cache_clear()
    measure = MEASURES.load("lm-eval")  # the name can be looked up all the same
    for ask in (measure.identity, lambda: measure(tiny_backbone("opt"), limit=7)):
        with pytest.raises(BenchError, match=r"pip install 'mmedit-bench\[retention\]'"):
            ask()


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    tasks_named.cache_clear()
    LMEval()(tiny_backbone("opt"), limit=2)
    assert capfd.readouterr() == ("", "")
