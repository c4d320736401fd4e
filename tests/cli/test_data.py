"""`data` on the data set that ships."""

from __future__ import annotations

import json

import pytest

from mmedit_bench.datasets import picturebook
from tests.cli.conftest import Call


def test_describe(call: Call) -> None:
    done = call("data", "describe", "picturebook")
    assert done.exit_code == 0, done.stderr
    assert "picturebook" in done.stdout
    assert isinstance(json.loads(call("data", "describe", "picturebook", "--json").stdout), dict)


def test_check(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(picturebook.DATASET), "check", lambda self: [])
    assert call("data", "check", "picturebook").exit_code == 0
    monkeypatch.setattr(type(picturebook.DATASET), "check", lambda self: ["one thing", "another thing"])
    done = call("data", "check", "picturebook")
    assert done.exit_code == 2
    assert done.stdout == "one thing\nanother thing\n"


def test_an_unknown_data_set_is_refused_with_a_suggestion(call: Call) -> None:
    done = call("data", "describe", "picturebok")
    assert done.exit_code == 2
    assert "Did you mean 'picturebook'?" in done.stderr
