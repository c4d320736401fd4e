"""Blind draws keep what the public suites promise, and give away less."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.cases import KEEP_KINDS, EditCase
from mmedit_bench.datasets.blind import blind_suite, commitment, read_secret, suite_named
from mmedit_bench.datasets.picturebook import PicturebookSuite, caption, files, mix, vqa, wordings
from mmedit_bench.datasets.picturebook.blind import drawn_by, probes
from mmedit_bench.datasets.picturebook.edits import SplitPool
from mmedit_bench.datasets.picturebook.entities import SPLITS
from mmedit_bench.datasets.picturebook.schema import pixels
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BadData, BenchError
from mmedit_bench.protocols.contradictions import contradictions
from tests.fakes.suite import FakeSuite

SECRETS = (b"first secret of 2", b"second secret of 2")
PUBLIC = (vqa(), caption())


@cache
def drawn(public: PicturebookSuite, secret: bytes) -> Suite:
    return blind_suite(public, secret)


@pytest.fixture(params=[(s, k) for s in PUBLIC for k in SECRETS], ids=lambda x: f"{x[0].name} {x[1][:5]!r}")
def pair(request: pytest.FixtureRequest) -> tuple[tuple[EditCase, ...], tuple[EditCase, ...]]:
    """Public and blind cases of the evaluation split."""
    public, secret = request.param
    return public.cases("evaluation"), drawn(public, secret).cases("evaluation")


Pair = tuple[tuple[EditCase, ...], tuple[EditCase, ...]]


def test_requests_are_the_same_and_probes_are_not(pair: Pair) -> None:
    public, blind = pair
    assert [case.request for case in blind] == [case.request for case in public]
    assert [(c.task, c.split, c.sort) for c in blind] == [(c.task, c.split, c.sort) for c in public]
    for old, new in zip(public, blind, strict=True):
        assert not {p.id for p in old.probes} & {p.id for p in new.probes}


def test_no_picture_of_the_public_data_is_shown(pair: Pair) -> None:
    known = {hashlib.sha256(d).hexdigest() for e in files.load().entities for d in e.pictures.values()}
    shown = {p.query.image.digest: p.query.image for case in pair[1] for p in case.probes if p.query.image}
    assert len(shown) > 300
    assert not known & shown.keys()
    plain = {hashlib.sha256(pixels(d)).digest() for e in files.load().entities for d in e.pictures.values()}
    for image in list(shown.values())[::17]:
        assert image.open().size == (64, 64)
        assert hashlib.sha256(pixels(image.bytes())).digest() not in plain


def test_a_drawing_is_one_file_in_a_draw_so_that_contradictions_are_seen(pair: Pair) -> None:
    public, blind = pair
    old, new = contradictions(public), contradictions(blind)
    thing = {edit.id: edit.picture.split("/")[0] for edit in files.load().edits}
    for id, others in old.items():
        alike = {other for other in others if thing[other] == thing[id]}
        assert alike <= new[id], "edits of one thing are not made side by side"
    sizes = [sum(map(len, found.values())) for found in (old, new)]
    assert sizes[1] > 0.8 * sizes[0]


def test_ids_and_order_do_not_tell_the_kind(pair: Pair) -> None:
    first, last, ids = Counter(), Counter(), []
    for case in pair[1]:
        assert all(probe.id.startswith(f"{case.id}/") for probe in case.probes)
        ids += [probe.id for probe in case.probes]
        first[case.probes[0].kind] += 1
        last[case.probes[-1].kind] += 1
    assert len(set(ids)) == len(ids)
    assert len(first) >= 5 and len(last) >= 5
    by_id = sorted((probe.id.rsplit("/")[1], probe.kind) for case in pair[1] for probe in case.probes)
    assert len({kind for _, kind in by_id[:100]}) >= 5


def test_headline_locality_has_the_edits_own_form(pair: Pair) -> None:
    own = text = named = 0
    relations = {edit.id: edit.relation for edit in files.load().edits}
    for case in pair[1]:
        main = {probe.kind: probe for probe in case.probes if probe.stratum == "main"}
        image, words = main["image_locality"], main["text_locality"]
        own += image.query.prompt == case.request.query.prompt
        named += words.query.image is not None
        templates = wordings.QUESTIONS.get(relations[case.id], ())
        text += any(_fits(words.query.prompt, t) for t in (*templates[:1], *templates[-2:]))
    assert own == len(pair[1])
    assert 0.4 < named / len(pair[1]) < 0.6
    if pair[1][0].task == "vqa":
        assert text / len(pair[1]) > 0.7


def _fits(prompt: str, template: str) -> bool:
    head, slot, tail = template.partition("{x}")
    return bool(slot) and prompt.startswith(head) and prompt.endswith(tail)


def test_probes_are_of_the_kinds_and_strata_that_they_say(pair: Pair) -> None:
    main = {
        "reliability", "text_generality", "image_generality", "text_image_generality", "text_locality",
        "image_locality",
    }  # fmt: skip
    for case in pair[1]:
        found = Counter((p.kind, p.stratum) for p in case.probes)
        assert all(found[kind, "main"] == 1 for kind in main)
        assert found["reliability", "text_alone"] == 1
        assert found["image_generality", "unseen_artist"] == 1
        change = [p for p in case.probes if p.kind not in (*KEEP_KINDS, "portability")]
        assert {p.reference for p in change} == {case.request.target}
        asked = next(p for p in case.probes if (p.kind, p.stratum) == ("reliability", "main"))
        assert asked.query.prompt == case.request.query.prompt
        assert asked.query != case.request.query, "its own picture is another file too"


@settings(deadline=None, max_examples=8)
@given(secret=st.binary(min_size=16, max_size=40))
def test_locality_asks_what_no_edit_changes(secret: bytes) -> None:
    data, draw = files.load(), drawn_by(secret)
    for split in ("validation", "evaluation"):
        pool = SplitPool(data.entities, split)
        reserved = {(e.name, f.value) for e, f in pool.reserved} | {
            (e.name, e.caption) for e in pool.entities
        }
        told = {(e.name, f.value) for e in pool.entities for f in e.known}
        edits = [edit for edit in data.edits if edit.id.split("-")[1] == split]
        for edit in edits[::7]:
            rephrase = None
            for one in probes(pool, edit, draw):
                name = pool.by_id[one.picture.split("/")[0]].name if one.picture else None
                if one.kind == "text_generality":
                    rephrase = one.prompt
                if one.kind == "image_locality" and one.stratum in ("main", "far"):
                    assert (name, one.reference) in reserved
                    assert name != pool.by_id[edit.picture.split("/")[0]].name
                if one.kind == "image_locality" and one.stratum == "main":
                    assert one.reference != edit.target
                if one.kind == "text_locality":
                    about = {e for e, value in told if value == one.reference and e in one.prompt}
                    assert about, "the thing is named, and the backbone was told this of it"
                    assert name is None or name in about
            held = {w for r in wordings.QUESTIONS for w in wordings.held_out(r)}
            held |= set(wordings.CAPTION_PROMPTS[-wordings.HELD_OUT_CAPTION :])
            assert rephrase in held or any(_fits(str(rephrase), w) for w in held)


def test_draws_follow_from_the_secret() -> None:
    one, same, other = (blind_suite(vqa(), s) for s in (SECRETS[0], SECRETS[0], SECRETS[1]))
    assert one.name == "picturebook-vqa-blind"
    assert one.digest == same.digest and one.digest not in (other.digest, vqa().digest)
    assert one.cases("validation") == same.cases("validation")
    assert one.cases("validation") != other.cases("validation")
    assert len({blind_suite(suite, SECRETS[0]).digest for suite in (vqa(), caption(), mix())}) == 3


def test_editors_learn_from_the_public_training_split() -> None:
    assert drawn(PUBLIC[0], SECRETS[0]).cases("train") is PUBLIC[0].cases("train")


def test_the_mix_is_drawn_as_its_parts_are() -> None:
    mixed = blind_suite(mix(), SECRETS[0]).cases("validation")
    assert [case.id for case in mixed] == [case.id for case in mix().cases("validation")]
    parts = {case.id: case for s in PUBLIC for case in drawn(s, SECRETS[0]).cases("validation")}
    assert all(parts[case.id] == case for case in mixed)


def test_unknown_split_names_the_splits() -> None:
    with pytest.raises(BadData, match=", ".join(SPLITS)):
        drawn(PUBLIC[0], SECRETS[0]).cases("test")


def test_a_suite_without_a_draw_and_a_short_secret_are_refused() -> None:
    with pytest.raises(BenchError, match="has no blind draw"):
        blind_suite(FakeSuite(), SECRETS[0])
    with pytest.raises(BenchError, match="a secret of 15 bytes can be guessed"):
        blind_suite(vqa(), SECRETS[0][:15])
    with pytest.raises(BenchError, match="has no blind draw"):
        blind_suite(drawn(PUBLIC[0], SECRETS[0]), SECRETS[1])


def test_a_secret_is_read_and_never_said(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef" * 2 + "\n")
    assert read_secret(path) == bytes.fromhex("0123456789abcdef" * 2)
    for text in ("", "abcd", "not hexadecimal at all, is it", "ab" * 15, "é" * 40):
        path.write_text(text)
        with pytest.raises(BenchError, match="openssl rand -hex 16") as caught:
            read_secret(path)
        assert str(path) in str(caught.value)
        assert not text or text not in str(caught.value)
    with pytest.raises(BenchError, match=r"nowhere.*(No such file|does not exist|not there)"):
        read_secret(tmp_path / "nowhere")


def test_a_runs_suite_is_found_by_name_digest_and_secret() -> None:
    blind = drawn(PUBLIC[0], SECRETS[0])
    assert suite_named("picturebook-vqa", vqa().digest, None).digest == vqa().digest
    assert suite_named("picturebook-vqa", vqa().digest, SECRETS[0]).digest == vqa().digest
    assert suite_named(blind.name, blind.digest, SECRETS[0]).digest == blind.digest
    with pytest.raises(BenchError, match="--secret FILE"):
        suite_named(blind.name, blind.digest, None)
    with pytest.raises(BenchError, match="the file that the run was made with") as caught:
        suite_named(blind.name, blind.digest, SECRETS[1])
    for said in (SECRETS[1].hex(), str(SECRETS[1]), commitment(SECRETS[1])):
        assert said not in str(caught.value)
