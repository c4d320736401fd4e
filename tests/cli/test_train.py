"""`train-backbone` hands over what it was told; the training itself has tests of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.backbones import training
from tests.cli.conftest import Call


def test_options_and_progress(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}

    def train(**options: Any) -> Path:
        told.update(options)
        options["progress"]("text", 5, 10, {"loss": 1.25, "known": 0.5})
        out: Path = options["out"]
        return out

    monkeypatch.setattr(training, "train", train)
    done = call("train-backbone", "blip2-opt-mini", "--workdir", "w", "--threads", "1", "--no-resume")
    assert done.exit_code == 0, done.stderr
    del told["progress"]
    assert told == {
        "name": "blip2-opt-mini",
        "workdir": Path("w"),
        "out": Path("w/checkpoints/blip2-opt-mini"),
        "threads": 1,
        "resume": False,
        "stage": None,
    }
    assert "text 5/10: loss 1.25, known 0.5" in done.stderr
    assert done.stdout.strip() == "w/checkpoints/blip2-opt-mini"


@pytest.mark.parametrize("words", [("blip2-opt-mimi",), ("blip2-opt-mini", "--stage", "nose")])
def test_unknown_names_are_refused(call: Call, words: tuple[str, ...]) -> None:
    done = call("train-backbone", *words)
    assert done.exit_code == 2
    assert "there are" in done.stderr
