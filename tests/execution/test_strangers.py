"""What an editor's process says of its editor and of its training is a stranger's word."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.introduction import introduced
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.trainings import Trainings, checked, laid_down, package_digest, picked_up
from mmedit_bench.plugins.registry import EDITORS

ORDER = Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="null")
DATA = save({"weight": torch.zeros(3)})
LEARNED = {"fingerprint": "a" * 64, "sha256": hashlib.sha256(DATA).hexdigest(), "bytes": 12, "seconds": 0.5}
BODY = b'{"fingerprint": "' + b"a" * 64 + b'"}' + DATA
KEPT = {"folder": "null--blip2-opt-mini--aaaa", "sizes": [len(BODY) - len(DATA), len(DATA)]}


def identity(**changes: Any) -> dict[str, Any]:
    return {
        "name": "null", "version": "1", "settings": {}, "options": {}, "code": "0" * 64, "artefact": None,
        "control": True, "source": EDITORS.entry("null").source, **changes,
    }  # fmt: skip


def test_an_identity_is_taken_as_told() -> None:
    assert introduced(identity(), ORDER).code == "0" * 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "ft"}, "a false name"),
        ({"source": "other 1.0"}, "a false source"),
        ({"version": "1" * 300}, "a false version"),
        ({"version": 1}, "a false version"),
        ({"code": "../../etc"}, "a false code"),
        ({"artefact": "../x"}, "a false code"),
        ({"settings": []}, "a false settings"),
        ({"control": "yes"}, "a false control"),
        ({"score": 100}, "does not say who it is"),
    ],
)
def test_what_is_no_identity_of_the_editor_is_refused(changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        introduced(identity(**changes), ORDER)


def test_a_training_is_counted_anew_and_goes_back_as_it_came(tmp_path: Path) -> None:
    told, kept = checked(LEARNED | {"bytes": 1}, KEPT | {"more": 1}, BODY)
    assert told == LEARNED
    store = Trainings(tmp_path / "kept", ORDER, package_digest(ORDER))
    assert store.read() is None
    store.write(kept)
    assert store.read() == (KEPT, BODY)
    assert Trainings(tmp_path / "kept", ORDER, "another package").read() is None
    laid_down(tmp_path / "there", KEPT, BODY)
    assert picked_up(tmp_path / "there", "a" * 64) == (KEPT, BODY)


@pytest.mark.parametrize(
    ("learned", "kept", "body"),
    [
        ({"fingerprint": "x"}, {}, BODY),
        ({"fingerprint": None}, {}, BODY),
        ({"seconds": float("inf")}, {}, BODY),
        ({"sha256": "b" * 64}, {}, BODY),
        ({}, {"folder": "../../outside"}, BODY),
        ({}, {"folder": ".lock"}, BODY),
        ({}, {"folder": 3}, BODY),
        ({}, {"sizes": [0, 1]}, BODY),
        ({}, {"sizes": [-4, len(BODY) + 4]}, BODY),
        ({}, {"sizes": "ab"}, BODY),
        ({}, {"sizes": [0, len(BODY)]}, BODY),
        ({}, None, BODY),
        (None, {}, BODY),
    ],
)
def test_what_is_no_training_is_refused(learned: Any, kept: Any, body: bytes) -> None:
    with pytest.raises(BenchError, match="training"):
        checked(None if learned is None else LEARNED | learned, None if kept is None else KEPT | kept, body)


def test_a_link_in_the_store_is_not_followed(tmp_path: Path) -> None:
    store = Trainings(tmp_path, ORDER, "a package")
    store.write((KEPT, BODY))
    (place,) = (tmp_path / "sandboxed").iterdir()
    (place / "artefact.safetensors").unlink()
    (place / "artefact.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(BenchError, match="a symbolic link"):
        store.read()
