"""`audit`, and `data` on data sets that have to be fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.datasets.published import FOLDER, needs_published


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests counts."""
    for name in ("DATA", "COCO", "REPHRASED", "VLKEB_IMAGES"):
        monkeypatch.delenv(f"MMEDIT_BENCH_{name}", raising=False)


def test_the_audit_of_what_ships(call: Call) -> None:
    done = call("audit", "picturebook", "--out", "audits", "--split", "evaluation", "--split", "validation")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("# Audit of picturebook-vqa\n")
    names = sorted(path.name for path in Path("audits").iterdir())
    assert names == [
        f"picturebook-{task}.{suffix}" for task in ("caption", "vqa") for suffix in ("json", "md")
    ]
    document = json.loads(Path("audits/picturebook-vqa.json").read_text())
    assert document.keys() == {"dataset", "findings"}
    assert {frozenset(own) for own in document["findings"]} == {
        frozenset({"finding", "numbers", "sentence", "command"})
    }
    text = Path("audits/picturebook-vqa.md").read_text()
    assert "$ mmedit-bench audit picturebook-vqa --split validation" in text
    assert "| questions of | questions | question\\_mark | capital |" in text


def test_a_board_gets_flat_numbers(call: Call) -> None:
    Path("board").mkdir()
    done = call("audit", "picturebook", "--board", "board", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in Path("board", "audit").iterdir()) == [
        "picturebook-caption.json", "picturebook-vqa.json",
    ]  # fmt: skip
    findings = json.loads(Path("board", "audit", "picturebook-vqa.json").read_text())
    for own in findings:
        assert list(own) == ["dataset", "finding", "numbers", "sentence", "command"]
        assert own["numbers"] and all(type(value) in (int, float) for value in own["numbers"].values())
    form = next(own for own in findings if own["finding"] == "form of questions")
    assert form["numbers"]["text locality question mark"] == 1029


def test_one_suite_is_one_document(call: Call) -> None:
    assert json.loads(call("audit", "picturebook-mix", "--json").stdout)["dataset"] == "picturebook-mix"
    several = json.loads(call("audit", "picturebook", "--json").stdout)
    assert [own["dataset"] for own in several["audits"]] == ["picturebook-vqa", "picturebook-caption"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("audit", "mmedit"), "mmedit is not part of this package: set MMEDIT_BENCH_DATA"),
        (("audit", "picturebok"), "Did you mean 'picturebook"),
        (("audit", "picturebook", "--split", "test"), "no split 'test'"),
        (("audit", "picturebook", "--root", "."), "lies where it was installed"),
        (("data", "check", "picturebook", "--root", "."), "lies where it was installed"),
        (("data", "check", "picturebook", "--decode"), "checked whole in any case"),
        (("data", "describe", "vlkeb", "--root", "."), "train.json: there is no such file"),
        (("data", "build", "mmedit", "--root", "."), "mmedit is published by others"),
        (("data", "fetch", "picturebook"), "there is nothing to fetch"),
        (("data", "fetch", "mmedit"), "set MMEDIT_BENCH_DATA"),
        (
            ("run", "--suite", "vlkeb", "--backbone", "lab-backbone", "--editor", "echo"),
            "set MMEDIT_BENCH_DATA",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(call: Call, words: tuple[str, ...], problem: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_instructions_are_printed_before_the_annotations_are_there(call: Call) -> None:
    done = call("data", "fetch", "mmedit", "--root", "somewhere")
    assert done.exit_code == 2
    assert "somewhere/mmedit/val2014_image_rephrase/" in done.stdout
    assert "export MMEDIT_BENCH_DATA=somewhere" in done.stdout
    assert "somewhere/mmedit/vqa_train.json: there is no such file" in done.stderr
    done = call("data", "fetch", "vlkeb", "--root", "somewhere", "--json")
    assert done.exit_code == 0
    assert "kaggle datasets download -d hymanh/vlkeb-data" in json.loads(done.stdout)["instructions"]


def test_check_without_any_files_names_them(call: Call) -> None:
    done = call("data", "check", "vlkeb", "--root", "somewhere", "--json", "--quiet")
    assert done.exit_code == 2
    assert [Path(own.partition(":")[0]).name for own in json.loads(done.stdout)["problems"]] == [
        "train.json", "eval.json", "eval_edit_onehop.json",
    ]  # fmt: skip


@needs_published
def test_check_with_pictures_absent_lists_all_of_them(call: Call) -> None:
    done = call("data", "check", "mmedit", "--root", FOLDER)
    assert done.exit_code == 2
    assert "24,143 of 24,143 pictures are missing or broken" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == 24143
    first = FOLDER / "mmedit" / "val2014" / "COCO_val2014_000000000042.jpg"
    assert lines[0] == f"{first}: missing (vqa_train.json record 340 and 5 more)"


@needs_published
def test_describe(call: Call) -> None:
    done = call("data", "describe", "vlkeb-clean", "--root", FOLDER)
    assert done.exit_code == 0, done.stderr
    assert "edits: train 3458, validation 368, evaluation 3174" in done.stdout
    assert "left out of train.json: picture_in_evaluation 1174" in done.stdout
    facts = json.loads(call("data", "describe", "mmedit", "--root", FOLDER, "--json").stdout)
    assert [own["name"] for own in facts["suites"]] == ["mmedit-vqa", "mmedit-caption"]
