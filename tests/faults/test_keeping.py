"""What is recorded stays, once, whatever fails around it; what is read-only can be read."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from leaderboard.build import write_site
from mmedit_bench.backbones import zoo
from mmedit_bench.cli.edge import set_streams
from mmedit_bench.cli.output import Output, _bar, _block_bars
from mmedit_bench.errors import Unusable, naming, out_of_memory, refusal
from mmedit_bench.harness.run import run
from mmedit_bench.runs.files import append_all, write_whole
from mmedit_bench.runs.folder import RunFolder, read_run
from tests.fakes.experiment import contents, experiment
from tests.faults.conftest import Call, failing, full_after, refusing
from tests.faults.test_matrix import LAB, RUN, refused
from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run


def test_a_disk_that_fills_at_any_point_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    whole = contents(run(experiment(), tmp_path / "whole"))
    size = max(path.stat().st_size for path in (tmp_path / "whole").rglob("*") if path.is_file())
    out, kept = tmp_path / "out", 0
    for room in range(0, size, size // 14):
        with full_after(room), pytest.raises(Unusable, match="File too large; "):
            run(experiment(), out)
        assert not [path for path in out.rglob("*") if path.suffix in (".new", ".unfinished")]
        for folder in out.glob("fakes--*"):
            units = read_run(folder).finished_units if (folder / "manifest.json").exists() else ()
            assert len(units) >= kept  # what was recorded is never lost again
            kept = len(units)
            assert whole[1].startswith((folder / "predictions.jsonl").read_bytes() if units else b"")
    assert kept
    assert contents(run(experiment(), out)) == whole


def test_a_write_that_finds_no_room_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "records"
    append_all(path, b"one\n")
    with full_after(10), pytest.raises(Unusable, match=r"records: File too large; raise the limit"):
        append_all(path, b"two, which is longer\n")
    assert path.read_bytes() == b"one\n"
    with failing("fsync", errno.EIO), pytest.raises(Unusable, match="the disk or the way to it fails"):
        append_all(path, b"three\n")
    assert path.read_bytes() == b"one\n"


def test_a_line_that_could_not_be_taken_back_is_mended_by_the_next_call(tmp_path: Path) -> None:
    whole = contents(run(experiment(), tmp_path / "a"))
    real, cut, parts = os.write, os.ftruncate, []

    def half(descriptor: int, data: bytes) -> int:
        if len(parts) == 2:
            _refuses()
        parts.append(real(descriptor, data[: len(data) // 2 + 1]))
        return parts[-1]

    shutil.copytree(tmp_path / "a" / "baselines", tmp_path / "b" / "baselines")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", half)  # the lock's line, half of the records, nothing more
        patch.setattr(os, "ftruncate", lambda file, size: _refuses() if parts else cut(file, size))
        with pytest.raises(Unusable, match=r"predictions\.jsonl: Input/output error"):
            run(experiment(), tmp_path / "b")
    (folder,) = (tmp_path / "b").glob("fakes--*")
    torn = (folder / "predictions.jsonl").read_bytes()
    assert torn and not torn.endswith(b"\n")
    assert contents(run(experiment(), tmp_path / "b")) == whole


def _refuses(*args: Any) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_records_are_not_repeated_when_their_timings_cannot_be_written(tmp_path: Path) -> None:
    whole = contents(run(experiment(), tmp_path / "a"))
    real = RunFolder.append_timings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "append_timings", lambda self, rows: _refuses())
        with pytest.raises(OSError, match="Input/output"):
            run(experiment(), tmp_path / "b")
        patch.setattr(RunFolder, "append_timings", real)
        assert contents(run(experiment(), tmp_path / "b")) == whole


def test_a_file_is_written_whole_or_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    write_whole(path, b"old")
    for fault in (full_after(2), failing("fsync", errno.EDQUOT), refusing(errno.EROFS, str(path))):
        with fault, pytest.raises(Unusable, match=r"table\.md: .*; "):
            write_whole(path, b"new and longer")
        assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("table.md", b"old")]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_finished_run_in_a_read_only_folder_is_scored_reported_and_shown(
    call: Call, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    call(*RUN)
    suite = FakeSuite(count=4)
    drawn = fake_run(Path("drawn"), suite, EDITORS[0])
    with refusing(errno.EROFS, "runs", "drawn"):
        scored = call("score", "runs", "--json")
        reported = call("report", "runs", "--format", "markdown", "--out", "elsewhere/table.md")
        page = write_site([drawn], tmp_path / "site", suites=lambda name: suite)
    assert scored.exit_code == 0 and '"reliability/main"' in scored.stdout
    assert "scores.json is not written: the folder is read-only" in caplog.text
    assert reported.exit_code == 0 and "plain" in Path("elsewhere/table.md").read_text()
    assert EDITORS[0].name in page.read_text()
    assert not list(Path("runs").rglob("scores.json"))


def test_a_shipped_checkpoint_that_is_not_its_cards_is_said_so(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("prepare", *LAB[:2], "--backbone", "blip2-opt-mini", "--editor", "plain")
    assert call(*words).exit_code == 0
    assert not caplog.records
    folder = tmp_path / "checkpoints" / "blip2-opt-mini"
    shutil.copytree(zoo.CHECKPOINTS / folder.name, folder)
    card = folder / "backbone.json"
    made = zoo.blip2_opt_mini().loaded_digest
    card.write_text(card.read_text().replace(made, made[::-1]))
    monkeypatch.setattr(zoo, "CHECKPOINTS", folder.parent)
    zoo.blip2_opt_mini()
    (record,) = caplog.records
    assert str(folder) in record.getMessage() and made[:16] in record.getMessage()
    assert made[::-1][:16] in record.getMessage() and "reinstall" in record.getMessage()
    card.write_text("[")
    refused(call("run", *words[1:]), "backbone.json")


def test_names_of_files_reach_no_terminal_as_they_are(call: Call) -> None:
    folder = Path("runs\x1b[31m\u202e\udcff")
    assert call(*RUN, "--out", folder).exit_code == 0
    for done in (call("score", folder), call("report", folder), call("report", folder, "--json")):
        assert done.exit_code == 0, done.output
        assert not set("\x1b\u202e\udcff") & set(done.output)
    (folder / "baselines").rename("elsewhere")
    done = call("score", folder)
    refused(done, r"runs\x1b[31m\u202e\udcff")
    done = call("score", Path("no\x1b[2Jwhere"))
    assert done.exit_code == 2 and "\x1b" not in done.stderr and r"no\x1b[2Jwhere" in done.stderr


def test_warnings_are_lines_on_stderr_and_obeyed_by_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("mmedit_bench")
    before = log.handlers[:], log.propagate
    try:
        set_streams()
        logging.getLogger("mmedit_bench.runs").warning("%s: dropping\n\x1b[2J bytes", "a\u202eb")
        assert capsys.readouterr().err == "WARNING: a\\u202eb: dropping \\x1b[2J bytes\n"
    finally:
        log.handlers, log.propagate = before


def test_every_refusal_names_a_file_and_a_fix(tmp_path: Path) -> None:
    for number in (*range(1, 134), 9999):
        said = refusal(OSError(number, "no", "a/file"))
        assert said.startswith("a/file: no; ") and len(said) > 20
    assert refusal(OSError("the hub is away")).startswith("OSError: the hub is away; ")
    with pytest.raises(Unusable, match=r"^named: No such file") as caught, naming("named"):
        (tmp_path / "missing").read_bytes()
    assert caught.value.errno == errno.ENOENT
    assert not out_of_memory(RuntimeError("a defect")) and not out_of_memory(ValueError("CUDA out of memory"))


def test_bars_show_names_as_they_are_and_obey_none(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[2J[red]\u202eb"
    with _block_bars(Counter({name: 1})) as ended:
        ended(name, "12 s\x9b31m")
    with _bar(name) as advance:
        advance("edit", 1, 1)
    said = capsys.readouterr().err
    assert r"a\x1b[2J[red]\u202eb" in said and r"12 s\x9b31m" in said
    assert not set("\x9b\u202e") & set(said) and "\x1b[2J" not in said
    with Output().progress(name) as advance:  # where stderr is no terminal
        advance("edit", 1, 1)
    assert capsys.readouterr().err == "a\\x1b[2J[red]\\u202eb: edit 1/1\n"
