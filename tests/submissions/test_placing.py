"""A folder in the place of another: whatever ends it on the way, one of the two stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.submissions.board_folder import admit, read_board
from mmedit_bench.submissions.folder import Parts, assembled
from mmedit_bench.submissions.package import EditorPackage
from tests.submissions.made import form
from tests.submissions.test_board_folder import everything, run_folder, verification

ENDS = [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(5, "Input/output error"), BenchError)]


def ended_with(error: BaseException, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next move to `place` end with an error."""
    move, waiting = Path.replace, [error]

    def replace(self: Path, target: Path) -> Path:
        if Path(target) == place and waiting:
            raise waiting.pop()
        return move(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "rename", replace)


def parts(name: str) -> Parts:
    package = EditorPackage(
        editor="our-editor", distribution="ours", version="1.0", groups={}, sources={"a.py": b""}
    )  # fmt: skip
    return Parts(
        submission=form(name=name), package=package, ships_package=True, environment="", runs=(), edits={},
        scorer="mmedit-bench 0.1.0", suites={}, backbones={},
    )  # fmt: skip


@pytest.mark.parametrize(("error", "raised"), ENDS)
def test_the_old_entry_stays_when_the_new_one_cannot_be_placed(
    error: BaseException, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "board"
    entry = admit(board, form(), verification(), [run_folder(tmp_path / "1")], [])
    before = everything(board)
    ended_with(error, entry, monkeypatch)
    with pytest.raises(raised):
        admit(board, form(name="New"), verification(), [run_folder(tmp_path / "2")], [], replace=True)
    assert everything(board) == before
    assert [path.name for path in entry.parent.iterdir()] == ["ours"]
    admit(board, form(name="New"), verification(), [run_folder(tmp_path / "3")], [], replace=True)
    assert read_board(board).entries[0].submission.name == "New"
    assert [path.name for path in entry.parent.iterdir()] == ["ours"]


@pytest.mark.parametrize(("error", "raised"), ENDS)
def test_the_old_submission_stays_when_the_new_one_cannot_be_placed(
    error: BaseException, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, new = assembled(parts("Old"), tmp_path)
    assert new and not assembled(parts("Old"), tmp_path)[1]
    before = everything(tmp_path)
    ended_with(error, place, monkeypatch)
    with pytest.raises(raised):
        assembled(parts("New"), tmp_path)
    assert everything(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
    assert assembled(parts("New"), tmp_path) == (place, True)
    assert everything(tmp_path) != before
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]
