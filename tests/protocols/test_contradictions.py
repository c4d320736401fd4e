"""Which cases may stand together, and the sets that are drawn of them."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.cases import EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.datasets.picturebook import caption, mix, vqa
from mmedit_bench.errors import BenchError
from mmedit_bench.protocols.conflict import answers_of
from mmedit_bench.protocols.contradictions import contradictions
from mmedit_bench.protocols.drawing import disjoint_sets, whole_set


def image(name: str) -> ImageRef:
    data = name.encode()
    return ImageRef(hashlib.sha256(data).hexdigest(), partial(bytes, data))


def case(name: str, picture: str | None, prompt: str, target: str, *asked: tuple[str, str, str | None]):
    """A case with its reliability probe and those asked: kind, prompt, picture."""
    query = Query(prompt, image(picture) if picture else None)
    probes = [Probe(f"{name}/p0", "reliability", query, target)]
    for number, (kind, own, seen) in enumerate(asked, start=1):
        probes.append(Probe(f"{name}/p{number}", kind, Query(own, image(seen) if seen else None), "r"))
    return EditCase(EditRequest(name, query, target), tuple(probes), "vqa", "test", "correction")


CAT = case("cat", "cat-1", "what is this?", "a dog", ("image_generality", "what is this?", "cat-2"))


@pytest.mark.parametrize(
    ("other", "together"),
    [
        (case("a", "cow", "what is this?", "a hen"), True),
        (case("a", "cat-1", "how old is it?", "ten"), False),  # the same picture
        (case("a", "cat-2", "how old is it?", "ten"), False),  # another picture of the same thing
        (case("a", "cow", "how old?", "ten", ("image_locality", "what is this?", "cat-2")), False),
        (case("a", "cow", "how old?", "ten", ("image_locality", "how big?", "cat-2")), True),
        (case("a", None, "how old is a cow?", "ten"), True),
    ],
)
def test_with_a_cat(other: EditCase, together: bool) -> None:
    found = contradictions([CAT, other])
    assert found == contradictions([other, CAT])
    assert (found["cat"] == frozenset()) == together == (found["a"] == frozenset())


def test_what_follows_from_an_edit() -> None:
    spain = case("spain", "flag-1", "whose flag?", "Chad", ("portability", "what is the capital?", "flag-1"))
    capital = ("what is the capital?", "Rome")
    chad = case("chad", "flag-2", *capital, ("text_locality", "which money has chad?", None))
    mali = case("mali", "flag-3", *capital, ("text_locality", "which money has Mali?", None))
    near = case("near", "cow", "how old?", "ten", ("image_locality", "how many stars?", "flag-1"))
    assert contradictions([spain, chad, mali, near])["spain"] == {"chad", "near"}


def test_a_question_with_a_part_taken_away_is_nobodys() -> None:
    """The bare words of many edits are the same."""
    cases = []
    for name in ("cat", "cow"):
        own = case(name, name, "what is this?", f"no {name}")
        bare = Probe(f"{name}/bare", "reliability", Query("what is this?"), f"no {name}", "text_alone")
        words = Probe(
            f"{name}/words", "reliability", Query("a picture of", image("cow")), "x", "picture_alone"
        )
        cases.append(replace(own, probes=(*own.probes, bare, words)))
    assert contradictions(cases) == {"cat": frozenset(), "cow": frozenset()}
    assert answers_of(cases[0]) == {cases[0].request.query.digest: "no cat"}


def test_texts_that_are_edited_twice() -> None:
    one = case("one", None, "who is it?", "Ann")
    assert contradictions([one, case("two", None, "who is it?", "Bob")])["one"] == {"two"}


@pytest.mark.parametrize("suite", [vqa(), caption(), mix()], ids=lambda suite: suite.name)
def test_picturebook_makes_sequences_of_a_hundred(suite) -> None:
    cases = suite.cases("evaluation")
    bonds = contradictions(cases)
    for length, least in ((10, 37), (20, 18), (100, 3)):
        sets = disjoint_sets("p", cases, {"": length}, None, 0)
        assert len(sets) >= least
        for chosen in sets:
            assert all(b.id not in bonds[a.id] for a, b in itertools.combinations(chosen, 2))
    things = [
        frozenset(p.query.image.digest for p in c.probes if p.kind == "image_generality") for c in cases
    ]
    for at, other in itertools.combinations(range(len(cases)), 2):
        if things[at] & things[other]:
            assert cases[other].id in bonds[cases[at].id]


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 25), st.integers(1, 6), st.sampled_from([None, 1, 2]), st.integers(0, 3), st.data())
def test_sets(count: int, length: int, sets: int | None, seed: int, data: st.DataObject) -> None:
    """Cases that share one of a few pictures: a set holds at most one of each picture."""
    pictures = [data.draw(st.integers(0, 9)) for _ in range(count)]
    cases = [case(f"c{n}", f"p{picture}", f"q{n}?", "t") for n, picture in enumerate(pictures)]
    bonds = contradictions(cases)
    for n, own in enumerate(cases):
        assert bonds[own.id] == {c.id for m, c in enumerate(cases) if m != n and pictures[m] == pictures[n]}
    whole = whole_set(cases, seed)
    assert len(whole) == len(set(pictures))  # here the largest there is
    assert whole == whole_set(cases, seed)
    try:
        found = disjoint_sets("p", cases, {"": length}, sets, seed)
    except BenchError:
        assert count < length * (sets or 1) or len(set(pictures)) < length or (sets or 1) > 1
        return
    assert found == disjoint_sets("p", cases, {"": length}, sets, seed)
    assert sets in (None, len(found))
    taken = [own.id for chosen in found for own in chosen]
    assert len(taken) == len(set(taken)) == length * len(found)
    for chosen in found:
        assert len({pictures[cases.index(own)] for own in chosen}) == length
