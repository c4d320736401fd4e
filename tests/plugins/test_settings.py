"""Options: defaults, files per backbone, overrides, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.settings import (
    FIRST_LAYER,
    LAST_LAYER,
    LAYERS,
    Meaning,
    checked,
    option,
    options_of,
    settings_for,
    stored,
)


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


@dataclass(frozen=True)
class Layered:
    layer: int = option(-1, "the layer", low=FIRST_LAYER, high=LAST_LAYER)
    layers: int = option(2, "layers", low=1, high=LAYERS)


class Small:
    """A backbone of full size by its name, with few layers."""

    name, layer_count = "gemma3-4b", 4


def test_backbones_of_full_size_share_a_file_that_is_lowered_to_their_layers(tmp_path: Path) -> None:
    (tmp_path / "published.yaml").write_text("layer: -5\nlayers: 32\n")
    assert settings_for(Layered, tmp_path, Small(), {}) == Layered(-4, 4)
    assert settings_for(Layered, tmp_path, "gemma3-4b", {}) == Layered(-5, 32)
    assert settings_for(Layered, tmp_path, "mini", {}) == Layered()
    with pytest.raises(BenchError, match=r"^options: option 'layers' is 9; .* on gemma3-4b is 1 to 4"):
        settings_for(Layered, tmp_path, Small(), {"layers": 9})
    (tmp_path / "gemma3-4b.yaml").write_text("layers: 3\n")
    assert settings_for(Layered, tmp_path, Small(), {}) == Layered(-1, 3), "its own stands in its place"
    (tmp_path / "gemma3-4b.yaml").write_text("layers: 5\n")
    with pytest.raises(BenchError, match=r"gemma3-4b\.yaml: option 'layers' is 5"):
        settings_for(Layered, tmp_path, Small(), {})


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
        ({"lr": "inf"}, "no float"),
        ({"lr": float("nan")}, "no float"),
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


@dataclass(frozen=True)
class Dials:
    """Every sort of range."""

    rate: float = option(0.5, "how fast", above=0)
    share: float = option(0.5, "how much of it", low=0, high=1)
    steps: int = option(3, "how often", low=0)
    mode: str = option("plain", "how", choices=("plain", "fancy"))
    loud: bool = option(False, "whether one hears it")
    layers: int = option(4, "how many", low=1, high=LAYERS)
    layer: int = option(-1, "which", low=FIRST_LAYER, high=LAST_LAYER)


@dataclass(frozen=True)
class Softer(Dials):
    """Another default and nothing else."""

    rate: float = 0.25


class Mini:
    """As much of a backbone as bounds look at."""

    def __init__(self, layer_count: int) -> None:
        self.name, self.layer_count = "mini", layer_count


def test_options_tell_default_range_and_meaning() -> None:
    told = [
        (own.name, own.type, own.default, own.meaning.range, own.meaning.doc) for own in options_of(Dials)
    ]
    assert told == [
        ("rate", "float", 0.5, "above 0", "how fast"),
        ("share", "float", 0.5, "0 to 1", "how much of it"),
        ("steps", "int", 3, "at least 0", "how often"),
        ("mode", "str", "plain", "one of plain, fancy", "how"),
        ("loud", "bool", False, "", "whether one hears it"),
        ("layers", "int", 4, "1 to layers", "how many"),
        ("layer", "int", -1, "-layers to layers - 1", "which"),
    ]
    assert options_of(Knobs)[0].meaning == Meaning()


def test_a_subclass_that_changes_a_default_keeps_the_meaning() -> None:
    softer, plain = options_of(Softer)[0], options_of(Dials)[0]
    assert (softer.default, softer.meaning) == (0.25, plain.meaning)
    with pytest.raises(BenchError, match=r"x: option 'rate' is -1\.0; it must be above 0"):
        checked(Softer, {"rate": -1}, "x")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"rate": 0}, "'rate' is 0.0; it must be above 0"),
        ({"share": 1.5}, "'share' is 1.5; it must be 0 to 1"),
        ({"share": "-1e-9"}, "'share' is -1e-09; it must be 0 to 1"),
        ({"steps": -1}, "'steps' is -1; it must be at least 0"),
        ({"mode": "odd"}, "'mode' is 'odd'; choose one of plain, fancy"),
        ({"layers": 0}, "'layers' is 0; it must be 1 to layers"),
    ],
)
def test_values_out_of_range_are_refused_when_given(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(BenchError) as caught:
        checked(Dials, given, "x")
    assert str(caught.value) == f"x: option {problem}"


def test_the_ends_of_a_range_belong_to_it() -> None:
    for share in (0, 1):
        assert checked(Dials, {"share": share, "steps": 0, "layers": 99, "layer": -99}, "x")["share"] == share
    for layer in (-2, 1):
        settings = settings_for(Dials, None, Mini(2), {"layers": 2, "layer": layer}, "x")
        assert (settings.layers, settings.layer) == (2, layer)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"layers": 3}, "'layers' is 3; it must be 1 to layers, which on mini is 1 to 2"),
        ({"layer": 2}, "'layer' is 2; it must be -layers to layers - 1, which on mini is -2 to 1"),
        ({"layer": -3}, "'layer' is -3; it must be -layers to layers - 1, which on mini is -2 to 1"),
    ],
)
def test_bounds_of_the_backbone_are_looked_at_with_the_backbone(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(BenchError) as caught:
        settings_for(Dials, None, Mini(2), given, "x")
    assert str(caught.value) == f"x: option {problem}"
    assert settings_for(Dials, None, "mini", given)  # a name has no layers


def test_defaults_fit_themselves_to_small_backbones_but_files_do_not(tmp_path: Path) -> None:
    assert [settings_for(Dials, tmp_path, Mini(n), {}).layers for n in (1, 2, 4, 9)] == [1, 2, 4, 4]
    (tmp_path / "mini.yaml").write_text("layers: 3\n")
    assert settings_for(Dials, tmp_path, Mini(3), {}).layers == 3
    with pytest.raises(BenchError, match=r"mini\.yaml: option 'layers' is 3; .* on mini is 1 to 2"):
        settings_for(Dials, tmp_path, Mini(2), {}, "x")


def test_files_are_optional_and_their_values_are_checked(tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").write_text("steps: 5\n")
    assert stored(Dials, tmp_path, "mini") == {"steps": 5}
    assert stored(Dials, tmp_path, "other") == stored(Dials, None, "mini") == {}
    (tmp_path / "mini.yaml").write_text("steps: -5\n")
    with pytest.raises(BenchError, match=r"mini\.yaml: option 'steps' is -5; it must be at least 0"):
        settings_for(Dials, tmp_path, "mini", {"steps": 1})
