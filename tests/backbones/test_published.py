"""Backbones of full size: what can be held true of them without their weights."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mmedit_bench.backbones.published import PUBLISHED, Published
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import BACKBONES

NAMES = (
    "blip2-opt-2.7b", "minigpt4-7b", "llava-1.5-7b", "llava-onevision-7b", "qwen2.5-vl-7b", "qwen3-vl-8b",
    "smolvlm-2.2b", "internvl3-8b", "gemma3-4b",
)  # fmt: skip
ROWS = pytest.mark.parametrize("row", PUBLISHED.values(), ids=lambda row: str(row.name))


def test_all_are_known_and_registered() -> None:
    assert tuple(PUBLISHED) == NAMES
    for name, row in PUBLISHED.items():
        assert row.name == name
        assert BACKBONES.load(name) == row.load


def test_looking_at_the_rows_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from mmedit_bench.backbones.published import PUBLISHED; "
        "assert len(PUBLISHED) == 9; assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@ROWS
def test_the_full_size_has_as_many_parameters_as_told(row: Published) -> None:
    model = row.on_meta()
    assert {weight.device.type for weight in model.parameters()} == {"meta"}
    assert sum(weight.numel() for weight in model.parameters()) == row.parameters
    assert type(model).__name__ == row.config().architectures[0]


def test_what_is_published_in_parts_says_what_to_do() -> None:
    with pytest.raises(BenchError, match=r"minigpt4-7b is published in parts: .* `mmedit-bench assemble`"):
        PUBLISHED["minigpt4-7b"].load()
