"""`new-editor` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmedit_bench.cli import new_editor
from tests.cli.conftest import Call


def test_it_says_what_it_wrote_and_what_comes_next(call: Call) -> None:
    done = call("new-editor", "demo", "--author", "Ada Someone", "--contact", "@ada")
    assert done.exit_code == 0, done.output
    for name in (
        "pyproject.toml",
        "demo_editor.py",
        "tests/test_demo_editor.py",
        "card.md",
        "submission.yaml",
    ):
        assert Path("demo", name).is_file() and f"demo/{name}" in done.stdout
    assert "mmedit-bench submit demo" in done.stdout
    text = Path("demo/submission.yaml").read_text()
    assert '- "Ada Someone"' in text and 'contact: "@ada"' in text


def test_a_folder_and_json(call: Call) -> None:
    told = json.loads(call("new-editor", "demo", "--out", "deep/er", "--json").stdout)
    assert told["folder"] == "deep/er/demo"
    assert sorted(told["files"]) == told["files"] and all(Path(name).is_file() for name in told["files"])


def test_where_nobody_says_who_it_is_it_is_left_to_be_filled_in(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("uid 4711 has no name")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(new_editor.getpass, "getuser", nobody)
    assert call("new-editor", "demo").exit_code == 0
    text = Path("demo/submission.yaml").read_text()
    assert '- "TODO"' in text and 'contact: "TODO"' in text


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("Demo",), "is no name for an editor"),
        (("../demo",), "is no name for an editor"),
        (("echo",), "registered by lab 1.0 already"),
        (("taken",), "nothing is overwritten"),
        (("demo", "--out", "file"), "file"),
        ((), "NAME"),
    ],
)
def test_what_a_user_can_mend_exits_with_2(call: Call, words: tuple[str, ...], fault: str) -> None:
    Path("taken").mkdir()
    Path("file").write_text("")
    done = call("new-editor", *words)
    assert done.exit_code == 2
    assert fault in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in Path().iterdir()) == ["file", "taken"]
