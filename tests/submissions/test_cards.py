"""Which file of an editor's package is its card."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmedit_bench.plugins.registry import EDITORS
from mmedit_bench.scaffold.package import write_package
from mmedit_bench.submissions.board_folder import MOST_CARD
from mmedit_bench.submissions.cards import card_of, installed_card, packed_card
from mmedit_bench.submissions.checks_files import card_of as card_in
from mmedit_bench.submissions.folder import Parts, assembled
from mmedit_bench.submissions.package import GROUP, in_folder
from tests.submissions.made import form, looked_at


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as `new-editor` writes it, on the path as an editable installation leaves it."""
    place = write_package("lonely", tmp_path, author="A. Author", contact="@author")
    (point,) = in_folder(place).groups[GROUP].values()
    monkeypatch.syspath_prepend(str(place))
    names = EDITORS.names()
    monkeypatch.setattr(EDITORS, "names", lambda: (*names, "lonely"))
    monkeypatch.setattr(EDITORS, "entry", lambda name: EntryPoint(name, point, GROUP))
    return place


def test_the_card_of_a_module_by_itself_lies_in_its_project(project: Path) -> None:
    written = (project / "card.md").read_text()
    assert installed_card("lonely") == packed_card(in_folder(project)) == written
    (project / "card.md").rename(project / "README.md")
    assert installed_card("lonely") == packed_card(in_folder(project)) == written


def test_a_card_that_may_be_another_editors_is_none(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project / "pyproject.toml"
    text = path.read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("lonely =")]
    path.write_text(text.replace(line, f"{line}\n{line.replace('lonely', 'second', 1)}"))
    assert installed_card("lonely") is packed_card(in_folder(project, "lonely")) is None
    path.unlink()  # a file beside the module that no project says is its
    assert installed_card("lonely") is None


def test_the_card_of_a_module_in_a_package_lies_beside_it() -> None:
    card = installed_card("ft")
    assert card is not None and card.startswith("# ")
    sources = {
        "methods/ft/README.md": b"its own",
        "README.md": b"the project's",
        "methods/card.md": b"of all",
    }
    package = SimpleNamespace(
        editor="ft", sources=sources, groups={GROUP: {"ft": "methods.ft.editor:FT", "other": "x:Y"}}
    )
    assert packed_card(package) == "its own"  # type: ignore[arg-type]


def test_a_card_is_cut_to_what_a_board_takes(project: Path) -> None:
    (project / "card.md").write_bytes(b"\0\xff" + "\u00e4".encode() * MOST_CARD)
    found = packed_card(in_folder(project))
    assert found is not None and found.startswith("\ufffd\u00e4") and "\0" not in found
    assert MOST_CARD - 4 < len(found.encode()) <= MOST_CARD


@pytest.mark.parametrize("track", ["edits", "code", "self-reported"])
def test_a_submission_has_the_card_of_its_package(project: Path, tmp_path: Path, track: str) -> None:
    package = in_folder(project)
    parts = Parts(
        submission=form(editor="lonely", track=track), package=package, ships_package=track == "code",
        environment="", runs=(), edits={}, scorer="mmedit-bench 0.1.0", suites={}, backbones={},
    )  # fmt: skip
    folder, _ = assembled(parts, tmp_path / "submissions")
    examined = looked_at(folder)
    assert not [one for one in examined.problems if "card.md" in one.where]
    assert card_in(examined.contents, parts.submission) == (project / "card.md").read_text()
    assert "card.md" in json.loads((folder / "digests.json").read_text())["files"]
    assert not assembled(parts, tmp_path / "submissions")[1]


def test_an_installed_module_brings_its_projects_card(project: Path) -> None:
    bare = replace(in_folder(project), root=None, sources={"lonely_editor.py": b""})
    assert card_of(bare) == (project / "card.md").read_text()
