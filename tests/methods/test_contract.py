"""What every shipped editor keeps to."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

import methods
from mmedit_bench.backbones.zoo import CHECKPOINTS
from mmedit_bench.editors import Backbone, BenchError, Edit, Editor, Preparing, Trained
from mmedit_bench.execution.searching.ladders import read_ladders
from mmedit_bench.harness.training import Training
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES
from mmedit_bench.plugins.settings import (
    LAST_LAYER,
    LAYERS,
    SHARED,
    checked,
    options_of,
    settings_for,
    stored,
)
from mmedit_bench.runs.provenance import differing, resolved
from mmedit_bench.runs.spec import canonical
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

FOLDER = Path(methods.__path__[0])
ROOT = Path(__file__).parents[2]

_SERAC: dict[str, Any] = {
    "scope_hidden": 8, "scope_code": 4, "size": 16, "layers": 1, "heads": 2, "steps": 2, "batch": 2,
}  # fmt: skip
_UNIKE: dict[str, Any] = {
    "layers": 2, "pairs": 3, "steps": 3, "store": 8, "quiet": 2, "encoder_width": 8, "encoder_steps": 2,
    "top_k": 3,
}  # fmt: skip
QUICK: dict[str, dict[str, Any]] = {
    "null": {},
    "copy-target": {},
    "ft": {"steps": 3},
    "ft-vision": {"steps": 3},
    "ft-l": {"steps": 3},
    "projector": {"steps": 3},
    "lora": {"steps": 3, "rank": 2},
    "grace": {"steps": 3},
    "ke": {"layers": 1, "lstm": 4, "condition": 6, "hidden": 5, "steps": 2, "held_out": 2},
    "t-patcher": {"steps": 3, "memory": 3},
    "mend": {"layers": 1, "rank": 4, "steps": 2},
    "serac": _SERAC | {"scope_steps": 2, "scope_batch": 4},
    "serac-legacy": _SERAC,
    "ike": {"demonstrations": 2},
    "ike-legacy": {"demonstrations": 2},
    "ike-memory": {"demonstrations": 2, "calibration": 6},
    "unike": _UNIKE,
    "unike-as-printed": _UNIKE,
    "wise": {"steps": 3, "kept": 2, "lr": 0.05},
}
"""Options that make an editor small. Its name must be here."""
CODE = ("serac", "serac-legacy", "ike-memory")
"""Editors whose edits are answered by a registered reader; all others replay without any method's code."""
LAYERED = ("ft", "ft-l", "lora", "grace", "ke", "mend", "t-patcher", "unike", "unike-as-printed", "wise")
"""Editors with one option that names or counts layers."""
TRAINED = ("ke", "mend", "serac", "serac-legacy", "unike", "unike-as-printed")


def editor_named(name: str, **options: Any) -> Any:
    return EDITORS.load(name)(**QUICK[name] | options)


def ready(name: str, backbone: Backbone, count: int = 12) -> Any:
    """The editor with all it needs before its first edit."""
    editor = editor_named(name)
    if isinstance(editor, Trained):
        editor.load(backbone, editor.train(backbone, tiny_cases(count), Training(seed=0)))
    if isinstance(editor, Preparing):
        editor.prepare(backbone, tiny_cases(count))
    return editor


def folder_of(name: str) -> Path:
    return FOLDER / EDITORS.load(name).__module__.split(".")[1]


def test_every_shipped_editor_is_held_to_this() -> None:
    shipped = {name for name in EDITORS.names() if EDITORS.entry(name).distribution == "mmedit-bench"}
    assert shipped == set(QUICK)


@pytest.mark.parametrize("name", QUICK)
def test_an_editor_says_who_it_is(name: str) -> None:
    editor = editor_named(name)
    assert isinstance(editor, Editor)
    assert editor.name == name
    assert editor.cost_class in ("free", "forward", "gradient", "trained")
    assert isinstance(editor, Trained) == (name in TRAINED) == (editor.cost_class == "trained")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", QUICK)
def test_an_edit_is_a_value_and_leaves_the_backbone_alone(name: str, family: str, tmp_path: Path) -> None:
    backbone = tiny_backbone(family, max_positions=1024)
    digest, versions = backbone.digest, backbone.versions()
    requests = [case.request for case in tiny_cases(2, "test")]
    asked = [request.query for request in requests]
    bare = backbone.answer(asked, 6)
    editor = ready(name, backbone)
    edits = [editor.edit(backbone, request) for request in requests]
    answers = backbone.edited(edits[0]).answer(asked, 6)
    assert (backbone.digest, backbone.versions(), backbone.edits) == (digest, versions, ())
    assert backbone.answer(asked, 6) == bare, "dropping the edit restores every answer"
    for edit in edits:
        tensors = [tensor for item in edit.interventions for tensor in item.tensors().values()]
        assert not any(tensor.requires_grad or tensor.grad_fn for tensor in tensors)
    again = editor.edit(backbone, requests[0])  # one edit leaves no trace in the next
    assert again == edits[0]
    for number, edit in enumerate((edits[0], again)):
        edit.save(tmp_path / f"{number}.safetensors")
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()
    replayed = Edit.load(tmp_path / "0.safetensors")
    assert replayed == edits[0]
    assert backbone.edited(replayed).answer(asked, 6) == answers


REPLAY = """
import json, sys

class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "methods":
            raise ImportError("methods are not to be had here")

if sys.argv[2] == "closed":
    sys.meta_path.insert(0, Closed())
from pathlib import Path
from mmedit_bench.editors import Edit
from tests.tiny import tiny_backbone, tiny_cases

folder = Path(sys.argv[1])
asked = [case.request.query for case in tiny_cases(4, "test")]
found = {}
backbones = {family: tiny_backbone(family, max_positions=1024) for family in ("opt", "llama")}
for first in sorted(folder.glob("*@0.safetensors")):
    name, family, _ = first.stem.split("@")
    edits = [Edit.load(path) for path in sorted(folder.glob(f"{name}@{family}@*.safetensors"))]
    found[f"{name}@{family}"] = [
        backbones[family].edited(*edits[:count]).answer(asked, 6) for count in range(1, len(edits) + 1)
    ]
imported = {name for name in sys.modules if name.partition(".")[0] == "methods"}
assert all(name.split(".")[-1] not in ("editor", "t_patcher", "unike") for name in imported), imported
print(json.dumps(found))
"""


@pytest.mark.parametrize("through", ["readers", "closed"])
def test_saved_edits_answer_the_same_in_another_process(tmp_path: Path, through: str) -> None:
    """One edit and a sequence of three, of every editor: in one process the registered readers are to
    be had, in the other nothing of the methods is."""
    asked = [case.request.query for case in tiny_cases(4, "test")]
    expected = {}
    for family in FAMILIES:
        for name in QUICK:
            if (name in CODE) != (through == "readers"):
                continue
            backbone = tiny_backbone(family, max_positions=1024)
            view, editor, answers = backbone, ready(name, backbone), []
            for number, case in enumerate(tiny_cases(3, "test")):
                edit = editor.edit(view, case.request)
                view = view.edited(edit)
                edit.save(tmp_path / f"{name}@{family}@{number}.safetensors")
                answers.append(view.answer(asked, 6))
            expected[f"{name}@{family}"] = answers
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, tmp_path, through],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_seed_learns_the_same_bytes(name: str) -> None:
    backbone = tiny_backbone("opt", max_positions=1024)
    first, second = (editor_named(name).train(backbone, tiny_cases(8), Training(seed=3)) for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", QUICK)
def test_a_sequence_can_be_built_on_earlier_edits(name: str) -> None:
    if name == "copy-target":
        pytest.skip("answers everything already")
    backbone = tiny_backbone("opt", max_positions=1024)
    editor = ready(name, backbone)
    for case in tiny_cases(2, "test"):
        backbone = backbone.edited(editor.edit(backbone, case.request))
    assert len(backbone.edits) == 2
    assert len(backbone.answer([case.request.query for case in tiny_cases(2, "test")], 4)) == 2


@pytest.mark.parametrize("name", QUICK)
def test_unknown_options_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BenchError, match=rf"{name}: unknown option 'speed' \(known: "):
        EDITORS.load(name)(speed=3)


@pytest.mark.parametrize("name", QUICK)
def test_editing_needs_no_seed(name: str) -> None:
    """An edit may not depend on the state of the random generators, nor a training on it."""
    backbone, request = tiny_backbone("opt", max_positions=1024), tiny_cases(1, "test")[0].request
    answers = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        edit = ready(name, backbone).edit(backbone, request)
        answers.append(edit)
    assert answers[0] == answers[1]


DEMAND = "mmedit_bench.backbones.demand"


@pytest.mark.parametrize("name", QUICK)
def test_a_method_imports_methods_and_the_public_interface_only(name: str) -> None:
    folder = folder_of(name)
    assert (folder / "README.md").is_file()
    for path in folder.glob("*.py"):
        # what an editor demands of a machine is no part of what it does
        public = {"mmedit_bench.editors"} | ({DEMAND} if path.name == "demand.py" else set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for module in names:
                if module.split(".")[0] in ("mmedit_bench", "leaderboard"):
                    assert module in public, f"{path.name}: {module}"


CARD = ("| Paper |", "| What is trained |", "| Cost of an edit |", "| Options |")


@pytest.mark.parametrize("name", QUICK)
def test_a_card_says_what_a_reader_must_know(name: str) -> None:
    text = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    assert all(line in text for line in CARD), f"lacks one of {CARD}"
    if name not in ("null", "copy-target"):
        assert "Deviations" in text
    if name in TRAINED:
        assert "| Cost of preparation |" in text


# ---- options


@pytest.mark.parametrize("name", QUICK)
def test_options_are_declared_with_meaning_and_fitting_defaults(name: str) -> None:
    made = EDITORS.load(name)
    assert is_dataclass(made.settings_type)
    for option in options_of(made.settings_type):
        assert option.meaning.doc, f"{option.name} says nothing"
        assert option.meaning.allows(option.default), option.name
        if option.type in ("int", "float"):
            assert option.meaning.range, f"{option.name} takes any number"


@pytest.mark.parametrize("name", QUICK)
def test_the_card_names_every_option(name: str) -> None:
    text = (folder_of(name) / "README.md").read_text(encoding="utf-8")
    assert [
        own.name for own in options_of(EDITORS.load(name).settings_type) if f"`{own.name}`" not in text
    ] == []


@pytest.mark.parametrize("name", QUICK)
def test_settings_fit_any_backbone(name: str) -> None:
    """A backbone that nothing is written for, smaller than any there is."""
    backbone = tiny_backbone("opt")
    made = EDITORS.load(name)
    settings = made().settings(backbone)
    assert isinstance(settings, made.settings_type)
    for option in options_of(made.settings_type):
        assert option.meaning.allows(getattr(settings, option.name), backbone), option.name
    given = {key: value for key, value in QUICK[name].items() if value != getattr(settings, key)}
    assert differing(made, backbone, QUICK[name]) == given
    assert resolved(editor_named(name), backbone) == asdict(settings) | given


WRONG: dict[str, Any] = {"steps": -1, "lr": -1.0, "demonstrations": -1, "retriever": "bert", "gate": "open"}


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        (name, option.name, WRONG[option.name])
        for name in QUICK
        for option in options_of(EDITORS.load(name).settings_type)
        if option.name in WRONG
    ],
)
def test_wrong_values_are_refused_when_given(name: str, option: str, value: Any) -> None:
    demand = r"it must be (at least|above) 0$|choose one of \w+, "
    with pytest.raises(BenchError, match=rf"^{name}: option '{option}' is {value!r}; ({demand})"):
        EDITORS.load(name)(**{option: value})


@pytest.mark.parametrize("name", QUICK)
def test_layers_that_a_backbone_lacks_are_refused_before_an_edit(name: str) -> None:
    made, backbone = EDITORS.load(name), tiny_backbone("opt")
    bounded = [own for own in options_of(made.settings_type) if own.meaning.high in (LAYERS, LAST_LAYER)]
    assert len(bounded) == (name in LAYERED)
    for option in bounded:
        with pytest.raises(
            BenchError, match=rf"^{name}: option '{option.name}' is 99; .* which on tiny-opt is -?\d to \d$"
        ):
            made(**{option.name: 99}).settings(backbone)


@pytest.mark.parametrize("name", ["serac", "serac-legacy"])
def test_heads_must_divide_the_width(name: str) -> None:
    with pytest.raises(BenchError, match=rf"^{name}: option 'size' is 97; it must be a multiple of heads, 4"):
        EDITORS.load(name)(size=97).settings(tiny_backbone("opt"))


# ---- configurations


def configurations() -> Iterator[tuple[str, Path]]:
    """Editors with files per backbone."""
    for name in QUICK:
        folder = getattr(EDITORS.load(name), "settings_folder", None)
        if folder is not None:
            yield name, folder


@pytest.mark.parametrize(
    ("name", "path"),
    [(name, path) for name, folder in configurations() for path in sorted(folder.glob("*.yaml"))],
    ids=lambda value: str(value).split("methods/")[-1],
)
def test_every_configuration_is_of_a_known_backbone_and_holds_known_options(name: str, path: Path) -> None:
    assert path.stem in {*BACKBONES.names(), SHARED}, "nothing would ever read it"
    assert stored(EDITORS.load(name).settings_type, path.parent, path.stem)


def shape(backbone: str) -> Any:
    """A backbone as far as settings look at it: an option that counts its layers has no more than these."""
    config = json.loads((CHECKPOINTS / backbone / "config.json").read_bytes())
    made = Mock(layer_count=config["text_config"]["num_hidden_layers"])
    made.name = backbone
    return made


@pytest.mark.parametrize(
    ("name", "folder"), list(configurations()), ids=lambda value: str(value).split("/")[-1]
)
def test_what_ships_is_what_the_recorded_search_found(name: str, folder: Path) -> None:
    if name == "unike-as-printed":
        assert not list(folder.glob("search-*")), "printed settings are not searched"
        return
    for backbone in ("blip2-opt-mini", "minigpt4-mini"):
        path = folder / f"search-{backbone}.json"
        if not path.exists():
            assert name == "serac-legacy", "only a port is kept as it was without a search"
            continue
        search = json.loads(path.read_text(encoding="utf-8"))
        assert (search["editor"], search["backbone"], search["split"]) == (name, backbone, "validation")
        shipped = settings_for(EDITORS.load(name).settings_type, folder, backbone, {})
        for option, best in search["best"].items():
            assert getattr(shipped, option) == best, f"{option} is not what the search found"
        assert search["limit"] >= 100 or "of" not in search
        for suite, of in search.get("of", {}).items():
            # all of what was measured is what is run today, options that were not searched among it
            made = EDITORS.load(name)().settings(shape(backbone))
            assert of["settings"] == json.loads(canonical(asdict(made))), suite
            assert of["version"] == EDITORS.load(name).version, "searched with another version"
            card = json.loads((CHECKPOINTS / backbone / "backbone.json").read_bytes())
            assert of["backbone_digest"] == card["digest"], "searched on another checkpoint"
            assert of["suite_digest"] == SUITES.load(suite)().digest, "searched on another suite"


@pytest.mark.parametrize(
    ("name", "folder"), list(configurations()), ids=lambda value: str(value).split("/")[-1]
)
def test_ladders_are_of_options_and_wide_enough_to_have_an_inside(name: str, folder: Path) -> None:
    path = folder.parent / "ladders.yaml"
    if not path.exists() or name == "unike-as-printed":
        assert name in ("serac-legacy", "unike-as-printed"), "every other editor is searched"
        return
    for ladder in (own for each in (path, *path.parent.glob("ladders-*.yaml")) for own in read_ladders(each)):
        for rung in ladder.rungs:
            assert checked(EDITORS.load(name).settings_type, {ladder.name: rung}, "") == {ladder.name: rung}
        assert len(ladder.rungs) >= 3 or not ladder.ordered
