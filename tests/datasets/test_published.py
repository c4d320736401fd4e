"""The published files of MMEdit and VLKEB: counts, digests, and what the clean suites make of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets import mmedit, vlkeb
from mmedit_bench.datasets.annotated.dataset import AnnotatedDataset
from mmedit_bench.datasets.annotated.suite import SPLITS, AnnotatedSuite
from mmedit_bench.datasets.auditing.audit import audit
from tests.datasets.published import FOLDER, needs_published

pytestmark = needs_published

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")

SUITES = {
    suite.name: suite.at(FOLDER)
    for suite in (
        mmedit.vqa(), mmedit.caption(), mmedit.clean_vqa(), mmedit.clean_caption(), vlkeb.edits(),
        vlkeb.onehop(), vlkeb.clean(),
    )
}  # fmt: skip
EDITS = {
    "mmedit-vqa": (6345, 2093), "mmedit-caption": (2849, 1000), "vlkeb": (5000, 3174),
    "vlkeb-onehop": (5000, 1278), "mmedit-clean-vqa": (4595, 2044), "mmedit-clean-caption": (2705, 1000),
    "vlkeb-clean": (3826, 3174),
}  # fmt: skip
PICTURES = {"mmedit": 24143, "vlkeb": 18434}
"""Different pictures that the records name; VLKEB's is the number that its authors give."""


@pytest.mark.parametrize("name", SUITES)
def test_counts(name: str) -> None:
    suite = SUITES[name]
    train, validation, evaluation = (len(suite.cases(split)) for split in SPLITS)
    assert (train + validation, evaluation) == EDITS[name]
    assert 0.08 < validation / train < 0.13


@pytest.mark.parametrize("name", SUITES)
def test_every_case_is_whole(name: str) -> None:
    suite = SUITES[name]
    main = {"reliability", "text_generality", "image_generality", "text_image_generality", "text_locality",
            "image_locality"}  # fmt: skip
    ids = set()
    for split in SPLITS:
        for case in suite.cases(split):
            ids.add(case.id)
            kinds = [probe.kind for probe in case.probes if probe.stratum == "main"]
            more = ["portability"] if name == "vlkeb-onehop" and split == "evaluation" else []
            assert sorted(kinds) == sorted([*main, *more])
    assert len(ids) == sum(EDITS[name])


@pytest.mark.parametrize(
    "dataset", [mmedit.DATASET, mmedit.CLEAN, vlkeb.DATASET, vlkeb.CLEAN], ids=lambda d: d.name
)
def test_files_are_the_pinned_ones_and_only_pictures_are_missing(dataset: AnnotatedDataset) -> None:
    found = dataset.at(FOLDER).checked()
    assert found.annotations == []
    assert found.named == PICTURES[dataset.layouts[0].dataset]
    assert {one.what for one in found.pictures} == {"missing"}
    assert len(found.pictures) == len(found.problems) == found.named


@pytest.mark.parametrize("dataset", [mmedit.CLEAN, vlkeb.CLEAN], ids=lambda d: d.name)
def test_the_shipped_derivations_are_what_the_command_makes(
    dataset: AnnotatedDataset, tmp_path: Path
) -> None:
    assert dataset.derivation is not None
    made = dataset.at(FOLDER).build(tmp_path)
    assert made.read_bytes() == dataset.derivation.read_bytes()


@pytest.mark.parametrize("name", ["mmedit-clean-vqa", "mmedit-clean-caption", "vlkeb-clean"])
def test_clean_suites_have_none_of_the_leaks(name: str) -> None:
    found = {own["finding"]: own["numbers"] for own in audit(SUITES[name])["findings"]}
    for leak in ("text_locality_shared", "image_locality_shared"):
        assert found[leak]["shared"] == found[leak]["shared_but_for_answer"] == 0
    assert found["image_locality_shared"]["pictures_shared"] == 0
    assert found["edited_pictures_shared"]["shared"] == found["edited_pictures_shared"]["in_locality"] == 0
    assert found["other_pictures_shared"]["shared"] == 0
    assert found["questions_shared"]["question_and_picture"] == 0
    assert found["constant_prefix"]["text_locality"]["prefix"] is None
    assert found["form_of_questions"]["text_locality"]["question_mark"] == len(
        SUITES[name].cases("evaluation")
    )
    assert found["target_is_old_answer"]["equal_ignoring_case"] == 0
    assert found["rephrase_is_question"]["equal_ignoring_case"] == 0
    assert found["question_with_several_targets"]["same_picture_edits"] == 0
    assert found["question_with_several_targets"]["repeated_edits"] == 0
    assert found["targets"]["space_around"] == 0


def test_clean_training_of_one_task_has_nothing_of_the_other_tasks_evaluation() -> None:
    def shown(suite: AnnotatedSuite, *splits: str) -> set[str]:
        return {
            probe.query.image.name  # type: ignore[union-attr]
            for split in splits
            for case in suite.cases(split)
            for probe in case.probes
            if probe.query.image
        }

    vqa, caption = SUITES["mmedit-clean-vqa"], SUITES["mmedit-clean-caption"]
    for one, other in ((vqa, caption), (caption, vqa)):
        assert not shown(one, "train", "validation") & shown(other, "evaluation")


def test_a_picture_of_vlkeb_names_one_entity() -> None:
    """Why its edits are counterfactuals: what is recorded as old is the name of what the picture shows."""
    names: dict[str, set[str]] = {}
    suite = SUITES["vlkeb"]
    for split in SPLITS:
        old = suite.old_answers(split)
        for case in suite.cases(split):
            folder = case.request.query.image.name.partition("/")[0]  # type: ignore[union-attr]
            names.setdefault(folder, set()).add(old[case.id])
    assert len(names) > 5000 and all(len(own) == 1 for own in names.values())


def test_opening_and_iterating_takes_little_memory(record_property: pytest.RecordProperty) -> None:
    code = (
        "import json; from pathlib import Path; from mmedit_bench.datasets.mmedit import vqa\n"
        f"suite = vqa().at(Path({str(FOLDER)!r}))\n"
        "count = sum(len(case.probes) for split in ('train', 'validation') for case in suite.cases(split))\n"
        "rows = sum(1 for row in suite.as_stream('train', decode=False))\n"
        # not ru_maxrss, which a process begins with its parent's
        "peak = next(x for x in open('/proc/self/status') if x.startswith('VmHWM')).split()[1]\n"
        "print(json.dumps([count, rows, int(peak)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, rows, kibibytes = json.loads(done.stdout)
    record_property("peak_mb", kibibytes / 1000)
    assert (count, rows) == (6 * 6345, 5730)
    assert kibibytes < 500_000


def test_the_document_says_what_the_audit_finds() -> None:
    names = ("mmedit-vqa", "mmedit-caption", "vlkeb")
    audits = [{own["finding"]: own["numbers"] for own in audit(SUITES[name])["findings"]} for name in names]
    said = DOCUMENT.partition("What it finds in the evaluation splits")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith("| ")]
    found = {row[0]: [int(cell.partition(" (")[0].replace(",", "")) for cell in row[1:]] for row in rows[1:]}
    wanted = {
        "edits": ("edits", "evaluation"),
        "image-locality questions (picture": ("image_locality_shared", "shared"),
        "text-locality questions that are": ("text_locality_shared", "shared"),
        "edits about a picture": ("edited_pictures_shared", "shared"),
        "other pictures": ("other_pictures_shared", "shared"),
        "edits whose question and target": ("questions_shared", "question_and_target"),
        "edits whose recorded old answer": ("target_is_old_answer", "equal_ignoring_case"),
        "rephrases that are": ("rephrase_is_question", "equal"),
        "questions with several": ("question_with_several_targets", "questions"),
        "edits that share": ("pictures_shared_within", "sharing"),
        "different questions": ("wordings", "questions"),
    }
    for begin, (finding, number) in wanted.items():
        (row,) = [
            own
            for name, own in found.items()
            if name.startswith(begin) and (begin != "edits" or name == begin)
        ]
        assert row == [own[finding][number] for own in audits], begin
    assert found['text-locality questions that begin with "nq question:"'] == [
        own["constant_prefix"]["text_locality"]["have"] for own in audits
    ]


def test_the_code_in_the_document_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMEDIT_BENCH_DATA", str(FOLDER))
    code = re.search(
        r"^```python\n(from mmedit_bench.datasets.mmedit import vqa.*?)^```", DOCUMENT, re.DOTALL | re.M
    )
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert names["rows"].num_rows == 5730
    assert next(iter(names["stream"]))["id"] == names["rows"]["id"][0]


def test_the_document_counts_the_suites() -> None:
    for name, suite in SUITES.items():
        train, validation, evaluation = (f"{len(suite.cases(split)):,}" for split in SPLITS)
        assert f"| `{name}` | {train} + {validation} / {evaluation} |" in DOCUMENT
