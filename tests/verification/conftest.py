"""Submissions of a tiny backbone's edits, made by the commands that make them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ENTRY_POINTS, Call, program

PACKAGE = '''"""An editor that changes one weight a little, or answers itself."""

import torch

from mmedit_bench.editors import Edit, Route, WeightDelta


class Reader:
    def __init__(self, text):
        self.text = text

    def in_scope(self, backbone, queries):
        return [query.image is not None for query in queries]

    def answer(self, backbone, queries):
        return [self.text] * len(queries)

    def merged(self, other):
        return None

    nbytes = 0

    def tensors(self):
        return {}

    def shared(self):
        return {}


class Nudge:
    name = "nudge"
    version = "1"
    cost_class = "free"

    def __init__(self, size: float = 0.3, routes: bool = False):
        self.size, self.routes = size, routes

    def edit(self, backbone, request):
        if request.target.endswith(" 4"):
            raise ValueError("not this one")
        if self.routes:
            return Edit((Route(Reader(request.target)),))
        module = backbone.anatomy.ffn(backbone.layer_count - 1)[-1]
        weight = backbone.weight(module)
        return Edit((WeightDelta(module, self.size * torch.randn(weight.shape)),))
'''
PROJECT = """[project]
name = "nudge-editor"
version = "0.1"

[project.entry-points."mmedit_bench.editors"]
nudge = "nudge_editor:Nudge"
"""
FORM = """schema: 1
id: nudge
name: Nudge
editor: nudge
track: edits
family: fine-tuning
version: "0.1"
date: 2026-11-01
authors: [A. Author]
contact: "@author"
licence: MIT
paper: null
code: https://example.org/nudge
training_data: []
hyper_parameters: {}
description: Changes one weight a little.
deviations: []
"""
PARTS = ("--suite", "lab-suite", "--backbone", "lab-backbone")

Submit = Callable[..., Path]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The program in an empty folder, with a tiny backbone and a suite that has blind draws."""
    points = ENTRY_POINTS.replace("tests.cli.lab:Suite", "tests.verification.lab:Suite")
    return program(tmp_path, monkeypatch, "lab", points)


@pytest.fixture(scope="session")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[object, ...], Path]:
    """Submissions by how they were made; what is slow is done once."""
    return {}


@pytest.fixture
def submit(
    call: Call, made_before: dict[tuple[object, ...], Path], tmp_path_factory: pytest.TempPathFactory
) -> Submit:
    """Submit the package above; gives a copy of the submission's folder."""

    def made(*words: object, track: str = "edits") -> Path:
        place = Path("submissions/nudge")
        if (track, *words) not in made_before:
            kept = tmp_path_factory.mktemp("submitted") / "nudge"
            shutil.copytree(anew(*words, track=track), kept)
            made_before[track, *words] = kept
        else:
            shutil.copytree(made_before[track, *words], place)
        return place

    def anew(*words: object, track: str) -> Path:
        folder = Path("nudge")
        folder.mkdir(exist_ok=True)
        (folder / "nudge_editor.py").write_text(PACKAGE)
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "submission.yaml").write_text(FORM)
        more = ("--unsafe-no-sandbox",) if track == "code" else ()
        done = call("submit", folder, *PARTS, "--track", track, *more, *words)
        assert done.exit_code in (0, 3), done.output
        return Path("submissions/nudge")

    return made
