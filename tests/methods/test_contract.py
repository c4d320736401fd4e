"""What every shipped editor keeps to."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import methods
from methods.copy_target.editor import CopyTargetEditor
from methods.ft.editor import FTEditor
from methods.ike.editor import IKEEditor
from methods.null.editor import NullEditor
from mmedit_bench.editors import BenchError, Edit, Editor, Preparing
from tests.tiny import FAMILIES, tiny_backbone, tiny_cases

EDITORS: dict[str, type[Any]] = {
    "null": NullEditor,
    "copy-target": CopyTargetEditor,
    "ft": FTEditor,
    "ike": IKEEditor,
}
FOLDER = Path(methods.__path__[0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", EDITORS)
def test_an_edit_is_a_value_and_leaves_the_backbone_alone(name: str, family: str, tmp_path: Path) -> None:
    backbone, editor = tiny_backbone(family), EDITORS[name]()
    digest, versions = backbone.digest, backbone.versions()
    assert isinstance(editor, Editor)
    assert editor.name == name
    if isinstance(editor, Preparing):
        editor.prepare(backbone, tiny_cases(12))
    requests = [case.request for case in tiny_cases(2, "test")]
    edits = [editor.edit(backbone, request) for request in requests]
    asked = [request.query for request in requests]
    answers = backbone.edited(edits[0]).answer(asked, 6)
    assert (backbone.digest, backbone.versions()) == (digest, versions)
    assert backbone.edits == ()
    assert editor.edit(backbone, requests[0]) == edits[0]  # one edit leaves no trace in the next
    for number, edit in enumerate(edits):
        tensors = [tensor for item in edit.interventions for tensor in item.tensors().values()]
        assert not any(tensor.requires_grad or tensor.grad_fn for tensor in tensors)
        edit.save(tmp_path / f"{number}.safetensors")
    replayed = Edit.load(tmp_path / "0.safetensors")
    assert replayed == edits[0]
    assert backbone.edited(replayed).answer(asked, 6) == answers


@pytest.mark.parametrize("name", EDITORS)
def test_a_sequence_can_be_built_on_earlier_edits(name: str) -> None:
    backbone, editor = tiny_backbone("opt"), EDITORS[name]()
    if name == "copy-target":
        pytest.skip("answers everything already")
    if isinstance(editor, Preparing):
        editor.prepare(backbone, tiny_cases(3))
    for case in tiny_cases(2, "test"):
        backbone = backbone.edited(editor.edit(backbone, case.request))
    assert len(backbone.edits) == 2
    assert len(backbone.answer([case.request.query for case in tiny_cases(2, "test")], 4)) == 2


@pytest.mark.parametrize("name", EDITORS)
def test_unknown_options_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(BenchError, match=rf"{name}: unknown option 'speed' \(known: "):
        EDITORS[name](speed=3)


@pytest.mark.parametrize("name", EDITORS)
def test_a_method_imports_the_public_interface_only(name: str) -> None:
    folder = FOLDER / name.replace("-", "_")
    assert (folder / "README.md").is_file()
    own = f"methods.{folder.name}"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for module in names:
                if module.split(".")[0] in ("mmedit_bench", "methods", "leaderboard"):
                    assert module == "mmedit_bench.editors" or module.startswith(own), (
                        f"{path.name}: {module}"
                    )


@pytest.mark.parametrize("name", ["ft", "ike"])
def test_configurations_hold_known_options(name: str) -> None:
    from methods.ft.editor import FTSettings
    from methods.ike.editor import IKESettings
    from mmedit_bench.editors import settings_for

    settings: Any = {"ft": FTSettings, "ike": IKESettings}[name]
    config = FOLDER / name / "config"
    files = sorted(path.stem for path in config.glob("*.yaml"))
    assert files == ["blip2-opt-mini", "minigpt4-mini"]
    for backbone in files:
        shipped = settings_for(settings, config, backbone, {})
        search = json.loads((config / f"search-{backbone}.json").read_text())
        assert (search["editor"], search["backbone"], search["split"]) == (name, backbone, "validation")
        for option, best in search["best"].items():
            assert getattr(shipped, option) == best, "what ships is not what the search found"


def test_editing_needs_no_seed() -> None:
    """An edit may not depend on the state of the random generators."""
    backbone, request = tiny_backbone("opt"), tiny_cases(1, "test")[0].request
    edits = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        edits.append(FTEditor(steps=3).edit(backbone, request))
    assert edits[0] == edits[1]
