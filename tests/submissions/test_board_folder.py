"""A board's folder: the same bytes for the same runs, whole or not at all."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BadRecord, BenchError
from mmedit_bench.runs.files import write_whole
from mmedit_bench.submissions.board_file import alone
from mmedit_bench.submissions.board_folder import admit, agreeing, packed, read_board, unpacked
from mmedit_bench.submissions.problems import Problem
from mmedit_bench.submissions.verified import Sample, Verification, VerifiedRun
from tests.submissions.made import form

RUN = "fakes--fake--ft--one-step--0123456789ab"
PROBLEM = Problem("mismatch", "runs/x", "it answers otherwise", "submit what it does")


def verification(**changes: Any) -> Verification:
    run = VerifiedRun(
        folder=RUN, fingerprint="1" * 64, probes="public", sample=Sample(3, 3), commitment=None
    )  # fmt: skip
    values: dict[str, Any] = {
        "submission": "ours", "digest": "2" * 64, "date": "2026-11-25", "by": "mmedit-bench 0.1.0",
        "status": "verified", "problems": (), "runs": (run,),
    }  # fmt: skip
    return Verification(**(values | changes))


def run_folder(place: Path, said: str = "so") -> Path:
    folder = place / RUN
    folder.mkdir(parents=True)
    files = {"manifest.json": "{}", "scores.json": "{}", "predictions.jsonl": said, "timings.jsonl": ""}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def baseline(place: Path, lines: Mapping[str, str]) -> Path:
    path = place / f"{'0' * 32}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f'{{"answer":"{said}","case":"{case}"}}\n' for case, said in lines.items()))
    return path


def everything(board: Path) -> dict[str, bytes]:
    return {str(path.relative_to(board)): path.read_bytes() for path in board.rglob("*") if path.is_file()}


def test_an_entry_is_read_as_it_was_admitted(tmp_path: Path) -> None:
    board = tmp_path / "board"
    runs = [run_folder(tmp_path / "made", said="what was said\n" * 1000)]
    entry = admit(
        board, form(), verification(), runs, [baseline(tmp_path, {"a": "1"})], card="# <b>Ours</b>\n"
    )
    assert entry == board / "entries" / "ours"
    found = read_board(board)
    (one,) = found.entries
    assert (one.submission, one.verification) == (form(), verification())
    assert one.card is not None and one.card.read_text() == "# <b>Ours</b>\n"
    assert unpacked(one.runs[0].predictions) == b"what was said\n" * 1000
    assert unpacked(one.runs[0].timings) == b""
    assert one.runs[0].manifest.read_text() == one.runs[0].scores.read_text() == "{}"
    assert list(found.baselines) == ["0" * 32]
    assert found.title and found.url is None


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    boards = [tmp_path / "a", tmp_path / "b"]
    for board in boards:
        runs = [run_folder(board.with_name(f"{board.name}-made"))]
        admit(board, form(), verification(), runs, [baseline(tmp_path, {"a": "1", "b": "2"})])
    assert everything(boards[0]) == everything(boards[1])
    assert packed(b"x")[3] == 0 and packed(b"x")[4:8] == bytes(4)  # no name, no time


def test_an_entry_is_replaced_only_when_told(tmp_path: Path) -> None:
    board = tmp_path / "board"
    admit(board, form(), verification(), [run_folder(tmp_path / "1")], [])
    before = everything(board)
    with pytest.raises(BenchError, match="--replace"):
        admit(board, form(), verification(), [run_folder(tmp_path / "2", "else")], [])
    assert everything(board) == before
    admit(board, form(name="New"), verification(), [run_folder(tmp_path / "3", "else")], [], replace=True)
    (entry,) = read_board(board).entries
    assert entry.submission.name == "New" and unpacked(entry.runs[0].predictions) == b"else"
    assert [path.name for path in (board / "entries").iterdir()] == ["ours"]


@pytest.mark.parametrize(
    "changes",
    [{"problems": (PROBLEM,)}, {"status": "refused"}, {"submission": "theirs"}, {"runs": ()}],
)
def test_nothing_with_problems_is_admitted(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BenchError):
        admit(tmp_path / "board", form(), verification(**changes), [run_folder(tmp_path / "made")], [])
    assert not (tmp_path / "board").exists()


def test_a_failure_on_the_way_leaves_no_entry(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "made")
    (folder / "scores.json").unlink()
    with pytest.raises(BenchError):
        admit(tmp_path / "board", form(), verification(), [folder], [])
    assert list((tmp_path / "board" / "entries").iterdir()) == []
    assert read_board(tmp_path / "board").entries == ()


def test_baselines_grow_and_never_contradict(tmp_path: Path) -> None:
    board = tmp_path / "board"
    made = [run_folder(tmp_path / "made")]
    admit(board, form(), verification(), made, [baseline(tmp_path / "1", {"b": "2", "a": "1"})])
    more = baseline(tmp_path / "2", {"c": "3", "a": "1"})
    admit(board, form(), verification(), made, [more], replace=True)
    assert lines_of(board) == ["a", "b", "c"]
    other = baseline(tmp_path / "3", {"a": "another"})
    with pytest.raises(BenchError, match="says otherwise of case a"):
        admit(board, form(), verification(), made, [other], replace=True)


def lines_of(board: Path) -> list[str]:
    (path,) = read_board(board).baselines.values()
    return [line.split('"')[7] for line in unpacked(path).decode().splitlines()]


def test_two_that_admit_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has read the baseline before either writes, unless one waits for the other."""
    board, meeting = tmp_path / "board", threading.Barrier(2)

    def slow(data: bytes) -> bytes:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.5)
        return packed(data)

    def one(name: str) -> None:
        ran = verification(submission=name)
        runs = [run_folder(tmp_path / f"{name}-made")]
        admit(board, form(id=name), ran, runs, [baseline(tmp_path / name, {"a": "1", name: "2"})])

    monkeypatch.setattr("mmedit_bench.submissions.board_folder.packed", slow)
    with ThreadPoolExecutor() as pool:
        list(pool.map(one, ("b", "c")))
    assert lines_of(board) == ["a", "b", "c"]
    assert [entry.id for entry in read_board(board).entries] == ["b", "c"]
    assert sorted(path.name for path in board.iterdir()) == ["baselines", "board.yaml", "entries"]


def test_of_two_of_one_name_the_second_is_told(tmp_path: Path) -> None:
    """It was free when it asked, and is not when its turn comes."""
    board = tmp_path / "board"
    with ThreadPoolExecutor() as pool:
        with alone(board):
            waits = pool.submit(admit, board, form(), verification(), [run_folder(tmp_path / "1")], [])
            time.sleep(0.2)
            assert not waits.done()
            (board / "entries" / "ours").mkdir(parents=True)
        with pytest.raises(BenchError, match="is there already"):
            waits.result()


def test_a_board_is_begun_once_and_held_by_one(tmp_path: Path) -> None:
    inside: list[int] = []

    def held(number: int) -> None:
        with alone(tmp_path / "board"):
            inside.append(number)
            time.sleep(0.01)
            assert inside == [number]
            inside.clear()
            if number % 2:  # as an editor of texts saves it
                write_whole(tmp_path / "board" / "board.yaml", b"title: Ours\n")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(held, range(24)))
    assert read_board(tmp_path / "board").title == "Ours"


def test_a_board_file_without_a_byte_is_written(tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "board.yaml").touch()
    admit(tmp_path / "board", form(), verification(), [run_folder(tmp_path / "made")], [])
    assert read_board(tmp_path / "board").title == "mmedit-bench"


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "board.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BenchError, match=r"board\.yaml"):
        admit(tmp_path / "board", form(), verification(), [run_folder(tmp_path / "made")], [])
    assert not (tmp_path / "nowhere").exists()


def test_baselines_that_come_together_are_held_to_each_other(tmp_path: Path) -> None:
    board = tmp_path / "board"
    one, more = baseline(tmp_path / "1", {"a": "1"}), baseline(tmp_path / "2", {"a": "1", "b": "2"})
    agreeing(board, one, more)
    with pytest.raises(BenchError, match="says otherwise of case b"):
        agreeing(board, one, more, baseline(tmp_path / "3", {"b": "another"}))
    assert not board.exists()


def test_a_board_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="is no board"):
        read_board(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not YAML"),
        ("url: null", "'title'"),
        ("title: x\nurl: javascript:alert(1)", "'url'"),
        ("title: x\nrelease: 1.0", "'release'"),
        ("title: !!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_a_bad_board_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "board.yaml").write_text(text)
    with pytest.raises(BadRecord, match=said):
        read_board(tmp_path)


def spoilt(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("submission.yaml", b"id: ours"),
        ("submission.yaml", b"\xff"),
        ("submission.yaml", form(id="theirs").text().encode()),
        ("verification.json", b"{}"),
        ("verification.json", verification(submission="theirs").text().encode()),
        ("verification.json", verification(status="great").text().encode()),
        ("verification.json", verification().text().replace(RUN, "../../x").encode()),
        ("verification.json", verification().text().replace(RUN, "elsewhere").encode()),
        ("verification.json", verification().text().replace(f'"{RUN}"', "5").encode()),
        ("verification.json", verification().text().replace(f'"{RUN}"', "null").encode()),
        ("verification.json", verification().text().replace(": null", ": 0").encode()),
        ("verification.json", verification().text().replace("public", "other").encode()),
        ("verification.json", verification().text().replace("1" * 64, "x").encode()),
        ("verification.json", verification().text().replace('"equal": 3', '"equal": -3').encode()),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    entry = admit(tmp_path / "board", form(), verification(), [run_folder(tmp_path / "made")], [])
    spoilt(entry / name, data)
    with pytest.raises(BadRecord, match="ours"):
        read_board(tmp_path / "board")


def test_packed_data_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(packed(bytes(1 << 20)))
    assert len(unpacked(path)) == 1 << 20
    with pytest.raises(BadRecord, match="more than"):
        unpacked(path, most=1000)
    for data in (b"", b"nonsense", packed(b"x")[:-4], packed(b"x") + b"more"):
        path.write_bytes(data)
        with pytest.raises(BadRecord):
            unpacked(path)
    path.write_bytes(gzip.compress(b"x"))
    assert unpacked(path) == b"x"


def test_a_verification_is_read_as_it_was_written(tmp_path: Path) -> None:
    blind = replace(verification().runs[0], probes="blind", sample=None, commitment="3" * 64)
    made = verification(runs=(verification().runs[0], blind), digest=None, problems=(PROBLEM,))
    path = tmp_path / "verification.json"
    path.write_text(made.text(), encoding="utf-8")
    assert Verification.read(path) == made
