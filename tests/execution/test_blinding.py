"""Blind asking changes nothing that is recorded, and shows little to those that listen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.cases import EditCase, EditRequest, Probe, Query
from mmedit_bench.datasets.blind import blind_suite
from mmedit_bench.datasets.picturebook import vqa
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.blinding import Blinding, Mixture, Place, decoys_by_query, plain
from mmedit_bench.execution.engines.local import LocalEngine
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from tests.cli.lab import BlindSuite
from tests.execution.test_crew import contents

SECRET = bytes(range(16))


@pytest.fixture
def secret(lab: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a secret; what the listener hears lands in the folder `heard` beside it."""
    (lab / "heard").mkdir()
    monkeypatch.setenv("HEARD", str(lab / "heard"))
    path = lab / "somewhere" / "draw"
    path.parent.mkdir()
    path.write_text(SECRET.hex())
    return path


def order(secret: Path | None, **more: Any) -> Order:
    return Order(suite="lab-suite", backbone="lab-backbone", editor="listener", secret=secret, **more)


def heard(folder: Path) -> Iterator[list[list[str]]]:
    for line in (folder / "heard" / "heard").read_text().splitlines():
        yield json.loads(line)


# ---- mixtures

questions = st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=14)


def query(number: int) -> Query:
    return Query(f"question {number}?")


def says(places: Sequence[Place], asked: Query) -> str | None:
    """An honest route: what it says follows from the edit and from the question."""
    number = hash((*places, asked.prompt))
    return None if number % 5 == 0 else f"{places}: {asked.prompt}"


@given(
    asks=st.lists(st.tuples(st.integers(1, 6), questions), min_size=1, max_size=12), keep=st.integers(0, 4)
)
def test_an_honest_route_says_the_same_through_any_mixture(
    asks: list[tuple[int, list[int]]], keep: int
) -> None:
    near = {query(n).digest: [query(m) for m in range(n, n + 8)] for n in range(31)}
    blinding = Blinding(SECRET, keep=keep, decoys=near)
    for handle, numbers in asks:
        places, queries = ((handle, 0),), [query(n) for n in numbers]
        mixtures: tuple[Mixture[str | None], ...] = (plain(places, queries), blinding.mixed(places, queries))
        found = [one.unmixed([says(to, asked) for to, asked in one.asked]) for one in mixtures]
        assert found[0] == found[1] == [says(places, asked) for asked in queries]
        own = Counter(asked for to, asked in mixtures[1].asked if to == places)
        assert max(own.values()) == 1, "nothing is asked twice of one edit"
        assert set(queries) <= own.keys()
        assert len(blinding.handles) <= keep
        assert len(mixtures[1].asked) - len(queries) <= (len(queries) + 1) // 2 + keep


def test_earlier_edits_hear_what_they_have_not_heard() -> None:
    decoys = {query(n).digest: [query(100 * n + m) for m in range(1, 9)] for n in range(10)}
    blinding, told = Blinding(SECRET, keep=2, decoys=decoys), Counter[tuple[int, Query]]()
    for n in range(8):
        mixture: Mixture[str] = blinding.mixed(((n, 0),), [query(n)])
        told.update((to[0][0], asked) for to, asked in mixture.asked)
        assert {to[0][0] for to, _ in mixture.asked} == set(range(max(0, n - 2), n + 1))
        assert blinding.handles == set(range(max(0, n - 1), n + 1))
    assert max(told.values()) == 1


def test_edits_that_are_gone_are_not_asked() -> None:
    decoys = {query(n).digest: [query(100 * n + m) for m in range(1, 9)] for n in range(10)}
    blinding = Blinding(SECRET, decoys=decoys)
    for n in range(4):
        mixture: Mixture[str] = blinding.mixed(((n, 0),), [query(n)], there={n, 1})
        assert {to[0][0] for to, _ in mixture.asked} <= {n, 1}


def test_order_follows_from_the_secret_and_differs_from_ask_to_ask() -> None:
    queries = [query(n) for n in range(12)]

    def orders(secret: bytes) -> list[tuple[int, ...]]:
        blinding = Blinding(secret)
        mixtures: list[Mixture[str]] = [blinding.mixed(((1, 0),), queries) for _ in range(4)]
        return [mixture.own for mixture in mixtures]

    assert orders(SECRET) == orders(SECRET) != orders(b"another secret")
    assert len(set(orders(SECRET))) == 4
    firsts = Counter(orders(bytes([n]) * 16)[0].index(0) for n in range(120))
    assert len(firsts) == 12, "any question may come first"


def test_queries_of_several_cases_bring_no_decoys() -> None:
    def case(id: str, *asked: Query) -> EditCase:
        probes = tuple(Probe(f"{id}/{n}", "reliability", one, "") for n, one in enumerate(asked))
        return EditCase(EditRequest(id, query(0), ""), probes, "vqa", "evaluation", "correction")

    cases = [case("a", query(1), query(2)), case("b", query(2), query(3))]
    decoys = {"a": (query(8),), "b": (query(9),)}
    assert decoys_by_query(cases, decoys) == {query(1).digest: (query(8),), query(3).digest: (query(9),)}


def test_picturebooks_decoys_look_like_its_probes_and_are_none() -> None:
    suite: Any = blind_suite(vqa(), SECRET)
    cases, decoys = suite.cases("validation"), suite.decoys("validation")
    shown = {p.query.image.digest for case in cases for p in case.probes if p.query.image}
    beside = [query.image.digest for own in decoys.values() for query in own if query.image]
    worded, known = 0, sum(digest in shown for digest in beside)
    assert known > 0.9 * len(beside), "the same files of the same drawings"
    for case in cases:
        own = {probe.query for probe in case.probes}
        assert not own & set(decoys[case.id])
        assert len(decoys[case.id]) >= 8, "half as many as probes, and one for each of four later edits"
        prompts = [query.prompt for query in decoys[case.id] if query.image]
        worded += case.request.query.prompt in prompts
    assert worded > 0.9 * len(cases), "further things are asked about in the edit's words"


# ---- runs


@pytest.mark.parametrize("protocol", ["one-step", "sequential"])
def test_runs_record_the_same_whether_asked_blind_or_not(lab: Path, secret: Path, protocol: str) -> None:
    more: dict[str, Any] = {"protocol": protocol}
    if protocol == "sequential":
        more |= {"protocol_options": {"orders": 1, "length": 3, "checkpoints": [1]}}
    alone = Workshop().run(order(secret, **more), lab / "alone")
    plainly = len(list(heard(lab)))
    apart = Workshop().run(order(secret, **more), lab / "apart", isolation=Isolation())
    assert contents(apart.folder) == contents(alone.folder)
    assert (apart.failed, plainly > 0) == (0, True)
    asked = [len(one) for one in heard(lab)]
    assert (
        sum(asked[plainly:]) > sum(asked[:plainly]) / 2
    )  # a route without isolation is asked more than once


def test_what_is_heard_has_decoys_earlier_edits_and_no_order(lab: Path, secret: Path) -> None:
    Workshop().run(order(secret), lab / "runs", isolation=Isolation())
    suite = BlindSuite(SECRET)
    cases = {case.request.target: case for case in suite.cases("evaluation")}
    scored = {(t, p.query.prompt) for t, case in cases.items() for p in case.probes}
    told = [(target, prompt) for ask in heard(lab) for target, prompt, _ in ask]
    assert set(told) > scored
    assert max(Counter(told).values()) == 1
    kinds = {p.query.prompt: p.kind for case in cases.values() for p in case.probes}
    places = [[kinds.get(prompt, "decoy") for _, prompt, _ in ask] for ask in heard(lab)]
    firsts = {ask[0] for ask in places if len(ask) > 3}
    assert len(firsts) > 1
    asks_of = Counter(target for ask in heard(lab) for target in {target for target, _, _ in ask})
    assert sum(count > 1 for count in asks_of.values()) >= 3, "earlier edits are asked beside later ones"


def test_workers_draw_the_same_and_the_secret_does_not_reach_the_editors_process(
    lab: Path, secret: Path
) -> None:
    alone = Workshop().run(order(secret), lab / "alone")
    (lab / "heard" / "stands").unlink()
    together = Workshop().run(
        order(secret), lab / "together", engine=LocalEngine(2), isolation=Isolation()
    )  # fmt: skip
    assert contents(together.folder) == contents(alone.folder)
    text = b"".join(contents(alone.folder))
    assert SECRET.hex().encode() not in text and b"lab-suite-blind" in text
    told = (lab / "heard" / "stands").read_text()
    assert "lab-suite" in told, "orders are among what is told"
    for said in (SECRET.hex(), str(secret), secret.parent.name, "lab-suite-blind"):
        assert said not in told


def test_another_secret_is_another_run_and_none_the_public_one(lab: Path, secret: Path) -> None:
    made = Workshop()
    first, public = (made.run(order(s), lab / "runs").folder for s in (secret, None))
    secret.write_text(bytes(reversed(SECRET)).hex())
    other = made.run(order(secret), lab / "runs").folder
    assert len({first, public, other}) == 3
    assert len(list((lab / "runs" / "baselines").glob("*.jsonl"))) == 3


def test_the_training_split_is_not_drawn(lab: Path, secret: Path) -> None:
    with pytest.raises(BenchError, match="is what editors learn from"):
        Workshop().run(order(secret, split="train"), lab / "runs")
