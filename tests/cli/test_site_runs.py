"""The runs of a board, laid out as they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from mmedit_bench.submissions.board_folder import packed, unpacked
from tests.cli.boards import MEND, call, run


def test_runs_of_a_board_come_back_as_they_were_made(board: Path) -> None:
    trained = run(MEND)
    (trained / "artefact.json").write_text('{"seconds": 90.5}')
    assert call("site", "admit", trained, "--date", "2026-11-25").exit_code == 0
    done = call("site", "runs", "--out", "again", "--json")
    assert done.exit_code == 0, done.output
    names = sorted(Path(path).name for path in json.loads(done.stdout)["runs"])
    assert names == sorted(path.name for path in Path("runs").glob("fake-*")) and len(names) == 3
    for name in names:
        for file in ("manifest.json", "predictions.jsonl", "timings.jsonl"):
            assert Path("again", name, file).read_bytes() == Path("runs", name, file).read_bytes(), file
    assert Path("again", trained.name, "artefact.json").read_text() == '{"seconds": 90.5}'
    reports = [call("report", folder, "--format", "csv").stdout for folder in ("runs", "again")]
    assert reports[0] == reports[1] and "unike" not in reports[0] and "mend" in reports[0]


def test_runs_that_are_there_stay_as_they_are(board: Path) -> None:
    assert call("site", "runs", "--out", "again", "--entry", "ft").exit_code == 0
    (one,) = Path("again").glob("fake-*")
    (one / "predictions.jsonl").write_text("begun")
    baselines = {path: path.read_bytes() for path in Path("again/baselines").iterdir()}
    done = call("site", "runs", "--out", "again", "--json")
    assert len(json.loads(done.stdout)["runs"]) == 1  # that of the other editor
    assert (one / "predictions.jsonl").read_text() == "begun"
    assert {path: path.read_bytes() for path in Path("again/baselines").iterdir()} == baselines


def test_runs_are_not_laid_beside_others_of_another_machine(board: Path) -> None:
    shutil.copytree("runs/baselines", "again/baselines")
    (path,) = Path("again/baselines").iterdir()
    path.write_text(path.read_text().replace('"answer":"', '"answer":"not ', 1))
    done = call("site", "runs", "--out", "again")
    assert done.exit_code == 2 and "says otherwise of case" in done.stderr
    assert "another folder" in done.stderr and not list(Path("again").glob("fake-*"))


def test_an_entry_that_a_board_lacks_is_named(board: Path) -> None:
    done = call("site", "runs", "--entry", "nobody")
    assert done.exit_code == 2 and "no entry 'nobody'; it has ft, ike" in done.stderr


def copied(entry: Path, id: str, track: str) -> Path:
    """An entry that holds another's run and says of it what it likes, first by its id."""
    copy = Path(shutil.copytree(entry, entry.with_name(id)))
    for name in ("submission.yaml", "verification.json"):
        text = (copy / name).read_text()
        for field in ("id: {}", '"submission": "{}"'):
            text = text.replace(field.format(entry.name), field.format(id))
        (copy / name).write_text(text.replace("track: edits", f"track: {track}"))
    path = next(copy.glob("runs/*/predictions.jsonl.gz"))
    path.write_bytes(packed(unpacked(path).replace(b"indeed", b"in all", 1)))
    return copy


def test_a_copy_of_a_run_never_takes_its_place(board: Path) -> None:
    copied(board / "entries" / "ft", "aaa-copy", "edits")
    done = call("site", "runs", "--out", "again")
    assert done.exit_code == 2 and "'aaa-copy' and 'ft'" in done.stderr and "--entry" in done.stderr
    assert not Path("again").exists()
    done = call("site", "runs", "--out", "again", "--entry", "ft", "--entry", "ike", "--entry", "ft")
    assert done.exit_code == 0, done.output
    (own,) = Path("again").glob("*--ft--*")
    said = (own / "predictions.jsonl").read_bytes()
    assert said == (Path("runs") / own.name / "predictions.jsonl").read_bytes()


def test_self_reported_runs_are_laid_out_where_they_are_named(board: Path) -> None:
    copied(board / "entries" / "ft", "aaa-copy", "self-reported")
    done = call("site", "runs", "--out", "again")
    assert done.exit_code == 0 and "self-reported: aaa-copy" in done.output, done.output
    (own,) = Path("again").glob("*--ft--*")
    said = (own / "predictions.jsonl").read_bytes()
    assert said == (Path("runs") / own.name / "predictions.jsonl").read_bytes()
    assert call("site", "runs", "--out", "copy", "--entry", "aaa-copy").exit_code == 0
    assert (Path("copy") / own.name / "predictions.jsonl").read_bytes() != said


def test_a_damaged_run_of_a_board_leaves_no_folder(board: Path) -> None:
    path = next(board.glob("entries/ft/runs/*/predictions.jsonl.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    done = call("site", "runs", "--out", "again", "--entry", "ft")
    assert done.exit_code == 2 and "predictions.jsonl.gz is cut short" in done.stderr
    assert [own.name for own in Path("again").iterdir()] == ["baselines"]
