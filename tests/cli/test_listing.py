"""`list` names plugins and whose they are; `run` helps with a name that is nearly right."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Call


def test_editors_with_their_source_and_cost(call: Call) -> None:
    done = call("list", "editors", "--json")
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["echo"]["source"] == "lab 1.0"
    assert (rows["echo"]["version"], rows["echo"]["cost"]) == ("1", "free")
    assert rows["echo"]["location"].endswith("installed")
    assert rows["ft"]["source"].startswith("mmedit-bench ")
    assert rows["ft"]["cost"] == "gradient"


def test_a_broken_plugin_is_listed_with_the_reason(call: Call) -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "editors", "--json").stdout)}
    assert "NotThere" in rows["broken"]["problem"]
    assert "lab" in rows["broken"]["problem"]
    assert "! editor 'broken'" in call("list", "editors").stdout


@pytest.mark.parametrize(
    ("kind", "name"),
    [("backbones", "lab-backbone"), ("suites", "picturebook-vqa"), ("protocols", "one-step")],
)
def test_other_kinds(call: Call, kind: str, name: str) -> None:
    assert name in call("list", kind).stdout
    assert name in [row["name"] for row in json.loads(call("list", kind, "--json").stdout)]


@pytest.mark.parametrize(
    ("option", "wrong", "right"),
    [
        ("--editor", "ecoh", "echo"),
        ("--backbone", "lab-backbon", "lab-backbone"),
        ("--suite", "lab-siute", "lab-suite"),
        ("--protocol", "onestep", "one-step"),
    ],
)
def test_a_nearly_right_name_is_suggested(call: Call, option: str, wrong: str, right: str) -> None:
    names = {"--suite": "lab-suite", "--backbone": "lab-backbone", "--editor": "echo", option: wrong}
    done = call("run", *(word for pair in names.items() for word in pair))
    assert done.exit_code == 2
    assert f"Did you mean '{right}'?" in done.stderr
    assert "Traceback" not in done.stderr
