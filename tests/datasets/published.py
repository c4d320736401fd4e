"""The published annotation files, which are no part of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"

needs_published = pytest.mark.skipif(
    not (FOLDER / "mmedit" / "vqa_train.json").is_file(),
    reason=f"NOT TESTED: the published annotation files of MMEdit and VLKEB are not in {FOLDER}",
)
"""For tests against the real files; a skip says loudly what was not tested."""
