"""Options: defaults, files per backbone, overrides, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.settings import checked, settings_for


@dataclass(frozen=True)
class Knobs:
    lr: float = 0.5
    steps: int = 3
    mode: str = "plain"
    loud: bool = False


def test_override_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").write_text("lr: 1e-3\nsteps: 7\n")
    assert settings_for(Knobs, tmp_path, "mini", {"steps": "9"}) == Knobs(lr=0.001, steps=9)
    assert settings_for(Knobs, tmp_path, "other", {}) == Knobs()


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"lr": "1e-3"}, 0.001),
        ({"lr": 2}, 2.0),
        ({"steps": "4"}, 4),
        ({"steps": 1e3}, 1000),
        ({"mode": 5}, "5"),
        ({"loud": "True"}, True),
        ({"loud": False}, False),
    ],
)
def test_values_are_converted(given: dict[str, Any], value: Any) -> None:
    (found,) = checked(Knobs, given, "x").values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"speed": 1}, r"x: unknown option 'speed' \(known: loud, lr, mode, steps\)"),
        ({"lr": "fast"}, "'lr' is 'fast', which is no float"),
        ({"steps": 1.5}, "'steps' is 1.5, which is no int"),
        ({"steps": "inf"}, "no int"),
        ({"steps": True}, "no int"),
        ({"lr": None}, "no float"),
        ({"loud": "perhaps"}, "no bool"),
    ],
)
def test_unfit_options_are_refused(given: dict[str, Any], word: str) -> None:
    with pytest.raises(BenchError, match=word):
        checked(Knobs, given, "x")


@pytest.mark.parametrize(
    ("text", "word"), [("- a\n", "a list"), ("{", "not YAML"), ("speed: 1\n", "mini.yaml: unknown")]
)
def test_bad_files_are_named(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "mini.yaml").write_text(text)
    with pytest.raises(BenchError, match=word):
        settings_for(Knobs, tmp_path, "mini", {})
