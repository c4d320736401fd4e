"""The shipped data keeps its promises."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from pathlib import Path

import pytest

from mmedit_bench.cases import KEEP_KINDS
from mmedit_bench.datasets.picturebook import DATASET, caption, files, mix, schema, vqa, wordings
from mmedit_bench.datasets.picturebook.build import make_edits
from mmedit_bench.datasets.picturebook.edits import SplitPool
from mmedit_bench.datasets.picturebook.entities import SPLITS, assign_splits, make_entity
from mmedit_bench.errors import BadData

SUITES = (vqa(), caption())
LEAST = {"train": 1000, "validation": 150, "evaluation": 300}


def test_check_finds_no_problem() -> None:
    assert DATASET.check() == []


def test_file_is_small_enough_to_ship() -> None:
    assert files.PARQUET.stat().st_size <= 6_000_000


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
@pytest.mark.parametrize("split", SPLITS)
def test_there_are_enough_candidates(suite: object, split: str) -> None:
    assert len(suite.cases(split)) >= LEAST[split]  # type: ignore[attr-defined]


def test_things_of_the_splits_are_disjoint() -> None:
    pictures = {
        split: {c.request.query.image.digest for s in SUITES for c in s.cases(split) if c.request.query.image}
        for split in SPLITS
    }
    for one, other in itertools.combinations(SPLITS, 2):
        assert not pictures[one] & pictures[other]


def test_locality_probes_of_the_splits_are_disjoint() -> None:
    asked = {
        split: {p.query for s in SUITES for c in s.cases(split) for p in c.probes if p.kind in KEEP_KINDS}
        for split in SPLITS
    }
    for one, other in itertools.combinations(SPLITS, 2):
        assert not asked[one] & asked[other]


def test_far_locality_asks_facts_that_no_edit_touches() -> None:
    data = files.load()
    for split in SPLITS:
        pool = SplitPool(data.entities, split)
        reserved = {(e.id, f.relation) for e, f in pool.reserved}
        edited = {(e.picture.split("/")[0], e.relation) for e in data.edits if e.id.split("-")[1] == split}
        assert reserved
        assert not reserved & edited
        assert not any(f.withheld for _, f in pool.reserved)


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
def test_probe_ids_do_not_tell_the_kind(suite: object) -> None:
    kinds: dict[str, set[str]] = {}
    for case in suite.cases("evaluation"):  # type: ignore[attr-defined]
        assert len({p.id for p in case.probes}) == len(case.probes)
        for probe in case.probes:
            kinds.setdefault(probe.id.rsplit("/", 1)[1], set()).add(probe.kind)
    first_nine = [k for i, k in kinds.items() if i <= "p08"]
    assert all(len(k) >= 5 for k in first_nine)


def test_no_wording_is_used_by_one_kind_of_locality_alone() -> None:
    """Edits, rephrases and far image probes differ in wording; both localities share templates."""
    templates = {w for r in wordings.QUESTIONS for w in wordings.trained(r)}
    text, image = Counter(), Counter()
    for case in SUITES[0].cases("evaluation"):
        for probe in case.probes:
            for template in templates:
                head, _, tail = template.partition("{x}")
                if probe.query.prompt.startswith(head) and probe.query.prompt.endswith(tail) and head:
                    (text if probe.kind == "text_locality" else image)[template] += 1
    slotted = [t for t in templates if "{x}" in t and not t.startswith("{x}")]
    assert sum(text[t] > 0 and image[t] > 0 for t in slotted) / len(slotted) > 0.8


def test_rephrases_are_never_trained() -> None:
    trained = {w for r in wordings.QUESTIONS for w in wordings.trained(r)}
    for relation in wordings.QUESTIONS:
        assert not set(wordings.held_out(relation)) & trained
        assert len(wordings.trained(relation)) >= 10
    prompts = wordings.CAPTION_PROMPTS
    for case in SUITES[1].cases("evaluation"):
        rephrase = next(p for p in case.probes if p.kind == "text_generality")
        assert rephrase.query.prompt in prompts[-wordings.HELD_OUT_CAPTION :]


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
def test_every_case_carries_the_main_probes(suite: object) -> None:
    for split in SPLITS:
        for case in suite.cases(split):  # type: ignore[attr-defined]
            have = {(p.kind, p.stratum) for p in case.probes}
            kinds = ("reliability", "text_generality", "image_generality", "text_locality", "image_locality")
            assert have >= {(k, "main") for k in kinds} | {("image_generality", "unseen_artist")}
            own = next(p for p in case.probes if p.kind == "reliability")
            assert own.query == case.request.query
            assert own.reference == case.request.target


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: s.name)
def test_halves_of_the_question_are_asked_last_and_of_no_training_case(suite: object) -> None:
    alone = ("text_alone", "picture_alone")[: 2 if suite is SUITES[0] else 1]
    for split in SPLITS:
        for case in suite.cases(split):  # type: ignore[attr-defined]
            stored = [probe for probe in case.probes if not probe.stratum.endswith("_alone")]
            halves = case.probes[len(stored) :]
            assert [probe.id for probe in case.probes] == [
                f"{case.id}/p{place:02d}" for place in range(len(case.probes))
            ]
            if split == "train":
                assert not halves
                continue
            assert tuple(probe.stratum for probe in halves) == alone
            assert {(probe.kind, probe.reference) for probe in halves} == {
                ("reliability", case.request.target)
            }
            asked = case.request.query
            assert (halves[0].query.prompt, halves[0].query.image) == (asked.prompt, None)
            for picture in halves[1:]:
                assert picture.query.image == asked.image and picture.query.prompt != asked.prompt
                assert picture.query.prompt in wordings.CAPTION_PROMPTS


def test_corrections_are_withheld_and_counterfactuals_false() -> None:
    data = files.load()
    by_id = {e.id: e for e in data.entities}
    for edit in data.edits:
        entity = by_id[edit.picture.split("/")[0]]
        if edit.relation == "caption":
            assert (edit.target == entity.caption) == (edit.sort == "correction")
            assert edit.sort == "counterfactual" or entity.caption_withheld
            continue
        fact = entity.fact(edit.relation)
        assert fact is not None
        assert (edit.sort == "correction") == fact.withheld == (edit.target == fact.value)


def test_a_told_caption_withholds_nothing_it_says() -> None:
    for entity in files.load().entities:
        if not entity.caption_withheld:
            told = wordings.CAPTION_RELATIONS[entity.group]
            assert not any(f.withheld for f in entity.facts if f.relation in told)


def test_edits_are_made_anew_equal_from_the_shipped_things() -> None:
    data = files.load()
    made = sorted(make_edits(list(data.entities)), key=lambda e: e.id)
    assert tuple(made) == data.edits


def test_adding_a_thing_moves_no_other_facts() -> None:
    one = make_entity("x", "x", "thing", "train", {"name": "x", "kind": "bird"}, {})
    again = make_entity("x", "x", "thing", "train", {"name": "x", "kind": "bird", "year": "2010"}, {})
    assert [f.withheld for f in one.facts] == [f.withheld for f in again.facts if f.relation != "year"]
    shares = Counter(assign_splits([(str(i), "flag" if i % 3 else "thing") for i in range(300)]).values())
    assert shares == {"train": 159, "validation": 45, "evaluation": 96}


def test_write_and_read_round_trip_with_equal_bytes(tmp_path: Path) -> None:
    data = files.load()
    schema.write(tmp_path / "a.parquet", data.entities, data.edits)
    schema.write(tmp_path / "b.parquet", data.entities, data.edits)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    entities, edits = schema.read(tmp_path / "a.parquet")
    assert schema.content_digest(entities, edits) == data.content


def test_other_content_than_pinned_is_refused(tmp_path: Path) -> None:
    data = files.load()
    path = tmp_path / "picturebook.parquet"
    last = data.entities[-1].id + "/"
    schema.write(path, data.entities[:-1], [e for e in data.edits if not e.picture.startswith(last)])
    shutil.copy(files.PARQUET.with_suffix(".digest.json"), path.with_suffix(".digest.json"))
    with pytest.raises(BadData, match="is not the pinned"):
        files.load(path)


def test_garbage_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "picturebook.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(BadData, match="not a readable Parquet file"):
        schema.read(path)


def test_unknown_split_names_the_splits() -> None:
    with pytest.raises(BadData, match="train, validation, evaluation"):
        vqa().cases("test")


def test_as_dataset_has_images() -> None:
    rows = caption().as_dataset("validation")
    assert rows.num_rows == len(caption().cases("validation"))
    assert rows[0]["image"].size == (64, 64)
    assert any(p["image"] is None for p in rows[0]["probes"])


@pytest.mark.parametrize("split", SPLITS)
def test_the_mix_is_the_cases_of_both_in_turn(split: str) -> None:
    cases = mix().cases(split)
    parts = [suite.cases(split) for suite in SUITES]
    assert {case.task for case in cases} == {"vqa", "caption"}
    for suite, part in zip(SUITES, parts, strict=True):
        assert tuple(case for case in cases if case.task == suite.task) == part
    assert len({case.id for case in cases}) == len(cases)
    begin = cases[: 2 * min(map(len, parts))]
    assert [case.task for case in begin] == ["vqa", "caption"] * (len(begin) // 2)
    assert len({mix().digest, *(suite.digest for suite in SUITES)}) == 3
