"""Commands times faults: each ends in one line that names the file and the fix, and loses nothing.

After every refusal the fault is lifted and the same command given again: it must end with the bytes of
a run that nothing disturbed, and leave no unfinished file behind.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from mmedit_bench.backbones import zoo
from mmedit_bench.datasets.picturebook import files
from tests.faults.conftest import READING, WRITING, Call

LAB = ("--suite", "fakes", "--backbone", "fake")
RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "embedded"
FILES_OF_A_CHECKPOINT = (
    "model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json", "backbone.json",
)  # fmt: skip
UNFINISHED = re.compile(r"\.(new|tmp|part|unfinished)$")


@dataclass(frozen=True)
class Command:
    """A command, what it needs done before, and where it writes and reads."""

    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    bystander: str = ""
    """What may be refused without harm: the command then says so and goes on."""


RUN = ("run", *LAB, "--editor", "plain", "--quiet")
PUPIL = ("run", *LAB, "--editor", "pupil", "--quiet")
COMMANDS = {
    "run": Command(RUN, writes=("runs",)),
    "run, baseline there": Command(RUN, ((*RUN, "--limit", "2"),), ("runs",)),
    "run, trained": Command(PUPIL, writes=("runs", "../home")),
    "prepare": Command(("prepare", *LAB, "--editor", "pupil", "--quiet"), writes=("../home",)),
    "score": Command(("score", "runs", "--quiet"), (RUN,), ("runs",), ("runs",), "scores.json"),
    "report": Command(("report", "runs", "--out", "tables/t.md"), (RUN,), ("tables",), ("runs",)),
    "report csv": Command(
        ("report", "runs", "--format", "csv", "--out", "t.csv"), (RUN,), ("t.csv", ".t.csv", "."), ("runs",)
    ),
    "reproduce": Command(("reproduce", "table1", "--render-only"), (), ("results",), ("results",)),
    "reproduce a figure": Command(("reproduce", "fig4b", "--render-only"), (), ("results",), ("results",)),
    "run again": Command(RUN, (RUN,), (), ("runs",)),
    "run again, trained": Command(PUPIL, (PUPIL,), (), ("runs", "../home")),
}


_BEFORE: dict[str, tuple[Path, dict[str, bytes]]] = {}
"""By command: a copy of what it needs done before, and what it leaves where nothing is wrong."""


@pytest.fixture
def begun(
    call: Call, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, bytes]]:
    """Brings about the state of things ahead of a command; gives what it would leave undisturbed."""

    def begin(name: str) -> dict[str, bytes]:
        command = COMMANDS[name]
        if name not in _BEFORE:
            kept = tmp_path_factory.mktemp("before")
            if "reproduce" in name:
                Path("results").mkdir()
                for document in ("table1.json", "fig4b.json"):
                    shutil.copy(RESULTS / document, "results")
            for words in command.before:
                assert call(*words).exit_code == 0
            _copy(tmp_path, kept)
            done = call(*command.words)
            assert done.exit_code == 0, done.output
            _BEFORE[name] = kept, contents(".", "../home")
        _copy(_BEFORE[name][0], tmp_path)
        return _BEFORE[name][1]

    return begin


def _copy(here: Path, there: Path) -> None:
    for folder in ("work", "home"):
        for path in (there / folder).iterdir() if (there / folder).exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if (here / folder).exists():
            shutil.copytree(here / folder, there / folder, dirs_exist_ok=True)


def refused(done: Result, *mentions: str, status: int = 2) -> None:
    """One line, the status, what it must mention, and a fix."""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError(f"TRACEBACK {done.exception!r}") from done.exception
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.exit_code == status, (done.exit_code, done.output)
    said = [line for line in lines if line.startswith("Error: ")]
    assert len(said) == 1 and lines[-1] == said[0], done.stderr
    assert len(lines) == 1 or lines[0].startswith("Usage: "), done.stderr
    for mention in mentions:
        assert mention in said[0]
    assert re.search(r"[;,:.] [\w`]", said[0].removeprefix("Error: ")), said[0]


def contents(*folders: str) -> dict[str, bytes]:
    """Everything below, by path; what differs between two runs of one thing is left out."""
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.name not in (".lock", "timings.jsonl", "artefact.json"):
                found[str(path)] = path.read_bytes()
    return found


def went_through(
    call: Call, name: str, whole: dict[str, bytes], fault: AbstractContextManager[None]
) -> Result:
    """The command under a fault; then without it, ending as if there had been none."""
    with fault:
        done = call(*COMMANDS[name].words)
    assert not [path for path in Path("..").rglob("*") if UNFINISHED.search(path.name)]
    again = call(*COMMANDS[name].words)
    assert again.exit_code == 0, again.output
    assert contents(".", "../home") == whole
    return done


FEW = ("read-only", "full", "nearly full", "broken disk")
"""What is tried with every command; all of it with the first."""


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (name, fault)
        for name, command in COMMANDS.items()
        for fault in (WRITING if name == "run" else FEW if name != "reproduce a figure" else FEW[2:3])
        if command.writes
    ],
)
def test_what_cannot_be_written(
    call: Call, begun: Callable[[str], dict[str, bytes]], tmp_path: Path, name: str, fault: str
) -> None:
    command, whole = COMMANDS[name], begun(name)
    done = went_through(call, name, whole, WRITING[fault](*command.writes))
    if command.bystander and fault == "read-only":
        assert done.exit_code == 0, done.output
        return
    refused(done)
    places = [str(tmp_path), *(part for part in command.writes if part != ".")]
    assert fault == "no descriptors" or any(place in done.stderr for place in places), done.stderr


@pytest.mark.parametrize("fault", READING)
@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.reads])
def test_what_cannot_be_read(
    call: Call, begun: Callable[[str], dict[str, bytes]], tmp_path: Path, name: str, fault: str
) -> None:
    command, whole = COMMANDS[name], begun(name)
    done = went_through(call, name, whole, READING[fault](*command.reads))
    refused(done)
    assert any(place in done.stderr for place in (str(tmp_path), *command.reads)), done.stderr


def below_a_file(place: Path) -> Path:
    place.write_text("a file")
    return place / "inside"


def a_file(place: Path) -> Path:
    place.write_text("a file")
    return place


def a_dangling_link(place: Path) -> Path:
    place.symlink_to("nowhere")
    return place


def below_a_dangling_link(place: Path) -> Path:
    return a_dangling_link(place) / "inside"


def a_circle_of_links(place: Path) -> Path:
    place.symlink_to(place.name)
    return place


def an_endless_name(place: Path) -> Path:
    return place / ("x" * 300)


PLACES: dict[str, Callable[[Path], Path]] = {
    made.__name__.replace("_", " "): made
    for made in (
        below_a_file, a_file, a_dangling_link, below_a_dangling_link, a_circle_of_links, an_endless_name
    )
}  # fmt: skip
OPTIONS = {
    "run --out": (*RUN, "--out"),
    "prepare --artefacts": ("prepare", *LAB, "--editor", "pupil", "--quiet", "--artefacts"),
    "reproduce --out": ("reproduce", "table1", "--render-only", "--out"),
    "run --isolate --out": (*RUN, "--isolate", "--out"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_folder_that_cannot_be_one(call: Call, option: str, place: str) -> None:
    refused(call(*OPTIONS[option], PLACES[place](Path("place"))), "place")


@pytest.mark.parametrize("place", ["below a file", "below a dangling link", "an endless name"])
def test_a_report_that_cannot_be_written_there(call: Call, place: str) -> None:
    call(*RUN)
    refused(call("report", "runs", "--out", PLACES[place](Path("place"))), "place")


def test_a_baseline_folder_that_is_a_file(call: Call) -> None:
    Path("runs").mkdir()
    Path("runs/baselines").write_text("a file")
    refused(call(*RUN), "runs/baselines")


@pytest.mark.parametrize(
    "setting",
    ["text=[1", "text=2020-01-01", "text=.nan", "text=!!set {a}", "text=!!binary aGk=", "text={1: &a *b}"],
)
def test_a_setting_that_is_none(call: Call, setting: str) -> None:
    refused(call(*RUN, "--set", setting), "text")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "no text": lambda data: b"\xff\xfe" + data,
    "line ends": lambda data: data.replace(b"\n", b"\r\n"),
}
FILES = {
    "manifest": "runs/fakes*/manifest.json",
    "predictions": "runs/fakes*/predictions.jsonl",
    "baseline": "runs/baselines/*.jsonl",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("words", [("score", "runs", "--quiet"), ("report", "runs"), RUN], ids=lambda w: w[0])
def test_a_damaged_run(call: Call, words: tuple[str, ...], file: str, damage: str) -> None:
    call(*RUN)
    (path,) = Path().glob(FILES[file])
    data = path.read_bytes()
    path.write_bytes(DAMAGE[damage](data))
    done = call(*words)
    torn = damage in ("empty", "cut", "zeros") and file != "manifest"
    if torn and words == RUN:  # what a killed writer leaves is mended, and the run ends as it would have
        assert done.exit_code == 0, done.output
        assert path.read_bytes() == data
    elif torn and file == "predictions":
        assert done.exit_code == 0, done.output  # scored as far as it goes
    else:
        refused(done, "baselines/" if file == "baseline" else path.name)


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "no text"])
@pytest.mark.parametrize("file", ["artefact.json", "artefact.safetensors"])
@pytest.mark.parametrize("command", ["prepare", "run"])
def test_a_damaged_artefact(call: Call, command: str, file: str, damage: str) -> None:
    words = (command, *LAB, "--editor", "pupil", "--quiet")
    call("prepare", *words[1:])
    (path,) = Path("../home/artefacts").glob(f"*/{file}")
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    refused(call(*words), path.parent.name)


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "no text"])
def test_a_damaged_document(call: Call, damage: str) -> None:
    path = Path("results/table1.json")
    path.parent.mkdir()
    path.write_bytes(DAMAGE[damage]((RESULTS / path.name).read_bytes()))
    refused(call("reproduce", "table1", "--render-only"), str(path))


def test_a_document_with_a_field_missing(call: Call) -> None:
    path = Path("results/table1.json")
    path.parent.mkdir()
    values = json.loads((RESULTS / path.name).read_bytes())
    del values["blocks"][0]["rows"][0]["label"]
    path.write_text(json.dumps(values))
    refused(call("reproduce", "table1", "--render-only"), str(path))


def test_a_folder_that_is_gone(call: Call, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    refused(call(*RUN))
    refused(call("report", "runs"))


def test_no_home(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MMEDIT_BENCH_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # a user whom the machine does not know
    refused(call("prepare", *LAB, "--editor", "pupil", "--quiet"), "MMEDIT_BENCH_HOME")


@pytest.mark.parametrize("home", ["below a file", "a dangling link"])
@pytest.mark.parametrize("name", ["MMEDIT_BENCH_HOME", "XDG_CACHE_HOME", "HOME"])
def test_a_home_that_cannot_be_written(
    call: Call, monkeypatch: pytest.MonkeyPatch, name: str, home: str
) -> None:
    for other in ("MMEDIT_BENCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(PLACES[home](Path("place").resolve())))
    refused(call("prepare", *LAB, "--editor", "pupil", "--quiet"), "place")
    refused(call(*PUPIL), "place")


@pytest.mark.parametrize("device", ["meta", "quantum", "cuda:99", "hpu", "cpu:x", ""])
def test_a_device_that_cannot_be_used(call: Call, device: str) -> None:
    refused(
        call("run", *LAB[:2], "--backbone", "blip2-opt-mini", "--editor", "plain", "--device", device),
        "device",
    )


def test_a_dtype_that_cannot_be_used(call: Call) -> None:
    refused(
        call("run", *LAB[:2], "--backbone", "blip2-opt-mini", "--editor", "plain", "--dtype", "int8"), "int8"
    )


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "no text"])
@pytest.mark.parametrize("file", FILES_OF_A_CHECKPOINT)
def test_a_damaged_checkpoint(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, damage: str
) -> None:
    folder = tmp_path / "checkpoints" / "blip2-opt-mini"
    folder.mkdir(parents=True)
    for path in (zoo.CHECKPOINTS / folder.name).iterdir():
        (folder / path.name).symlink_to(path)
    data = (folder / file).read_bytes()
    (folder / file).unlink()
    if damage != "gone":
        (folder / file).write_bytes(DAMAGE[damage](data))
    monkeypatch.setattr(zoo, "CHECKPOINTS", folder.parent)
    refused(call("run", *LAB[:2], "--backbone", "blip2-opt-mini", "--editor", "plain"), str(folder))


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "zeros"])
def test_damaged_data(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    path = tmp_path / files.PARQUET.name
    digests = files.PARQUET.with_suffix(".digest.json").name
    shutil.copy(files.PARQUET.with_name(digests), path.with_name(digests))
    if damage != "gone":
        path.write_bytes(DAMAGE[damage](files.PARQUET.read_bytes()))
    monkeypatch.setattr(files, "load", functools.partial(files.load.__wrapped__, path))
    words = ("run", "--suite", "picturebook-vqa", *LAB[2:], "--editor", "plain")
    refused(call(*words), str(path))
