"""`list` names plugins and whose they are; `run` helps with a name that is nearly right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import methods
from tests.cli.conftest import Call

CONFIG = Path(methods.__file__).parent / "ft/config"


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


def test_the_options_of_an_editor(call: Call) -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONFIG.glob("*.yaml"))}
    rates = {name: values["lr"] for name, values in files.items() if values["lr"] != 0.001}
    assert {"blip2-opt-mini", "minigpt4-mini", "published"} <= rates.keys()
    rows = {row["name"]: row for row in json.loads(call("list", "editors", "ft", "--json").stdout)}
    assert list(rows) == ["lr", "steps", "threshold", "layer"]
    assert rows["lr"] == {
        "name": "lr",
        "type": "float",
        "default": 0.001,
        "backbones": rates,
        "range": "above 0",
        "meaning": "learning rate of AdamW",
    }
    assert (rows["layer"]["range"], rows["layer"]["backbones"]) == ("-layers to layers - 1", {})
    lines = call("list", "editors", "ft").stdout.splitlines()
    assert lines[0].split(None, 2) == ["lr", "0.001", lines[0].split(None, 2)[2]]
    assert lines[0].endswith("above 0                learning rate of AdamW")
    assert lines[1].strip().startswith(f"{rates['blip2-opt-mini']} on blip2-opt-mini")
    assert lines[1].endswith(f"{rates['published']} on published backbones")


def test_every_shipped_editor_can_be_asked(call: Call) -> None:
    for row in json.loads(call("list", "editors", "--json").stdout):
        if row.get("source", "").startswith("mmedit-bench "):
            done = call("list", "editors", row["name"], "--json")
            assert done.exit_code == 0
            assert all(own["meaning"] for own in json.loads(done.stdout)), row["name"]
    assert call("list", "editors", "null").stdout == "null has no options\n"
    assert "one of none, latent, context" in call("list", "editors", "unike").stdout


def test_an_editor_that_declares_nothing_is_listed_by_its_keywords(call: Call) -> None:
    (row,) = json.loads(call("list", "editors", "echo", "--json").stdout)
    assert (row["name"], row["type"], row["default"]) == ("shout", "bool", False)
    assert call("list", "editors", "echo").stdout.split() == ["shout", "false", "bool"]


def test_options_are_asked_of_editors_that_there_are(call: Call) -> None:
    done = call("list", "editors", "ecoh")
    assert (done.exit_code, "Did you mean 'echo'?" in done.stderr) == (2, True)
    done = call("list", "suites", "lab-suite")
    assert (done.exit_code, "only editors have options" in done.stderr) == (2, True)


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
