"""Settings of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Under tox the same examples are tried every time, so that a red run is about the change; plain
# `pytest` draws new ones. Nor is it about how busy the machine was while one of them was tried.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("TOX_ENV_NAME"):
    settings.load_profile("repeatable")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small LLaVA as its row's own checkpoint is laid out: without backbone.json."""
    from tests.backbones.test_checkpoint import write  # torch, which most tests do without
    from tests.tiny import tiny_backbone

    folder = tmp_path / "small"
    write(tiny_backbone("llava"), folder)
    (folder / "backbone.json").unlink()
    return folder
