"""Routes that guess which questions should change: what they earn on the published probes, and asked blind.

A guess is right if the target is given to what should change and nothing to what should stay, so no
model is needed. Means are weighted as the headline is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mmedit_bench.cases import CHANGE_KINDS, EditCase, EditRequest, Query
from mmedit_bench.datasets.blind import blind_suite
from mmedit_bench.datasets.picturebook import vqa
from mmedit_bench.execution.blinding import Blinding, decoys_by_query
from tests.adversarial.answering import Chooses
from tests.adversarial.table import TABLE

WEIGHTS = {
    "reliability": 1 / 3, "text_generality": 1 / 6, "image_generality": 1 / 6,
    "text_locality": 1 / 6, "image_locality": 1 / 6,
}  # fmt: skip
SECRET = b"a secret of sixteen or more bytes"
CASES = 120
CHANGES_ALL = 200 / 3
"""What the target for everything earns: who guesses has no need to earn less."""
READERS = {
    "kind_detector": "ByWords", "order_detector": "ByPlace", "timing_detector": "ByTime",
    "probe_hash_lookup": "ByDigest", "known_seed": "ByDraw", "loop_recogniser": "ByRhythm",
}  # fmt: skip

Reader = Callable[[EditRequest], Chooses]
Asks = Callable[[int, Chooses, Sequence[Query]], list[bool]]
"""Number of the case, its reader, the questions of its probes -> what the reader takes for a change."""


@pytest.fixture(scope="module")
def public() -> tuple[EditCase, ...]:
    return vqa().cases("evaluation")[:CASES]


@pytest.fixture
def readers(public: tuple[EditCase, ...], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The cheats' readers, with what may be known of the published probes."""
    found = {
        name: getattr(importlib.import_module(f"tests.adversarial.cheats.{name}"), reader)
        for name, reader in READERS.items()
    }
    probes = [probe for case in public for probe in case.probes]
    table = frozenset(probe.query.digest for probe in probes if probe.kind in CHANGE_KINDS)
    places = {
        case.request.query.digest: tuple(probe.kind in CHANGE_KINDS for probe in case.probes)
        for case in public
    }
    monkeypatch.setattr(found["probe_hash_lookup"], "table", table)
    monkeypatch.setattr(found["known_seed"], "places", places)
    found["loop_recogniser"].lengths.clear()
    return found


def plainly(number: int, reader: Chooses, queries: Sequence[Query]) -> list[bool]:
    return reader.in_scope(None, queries)


def earned(cases: Sequence[EditCase], reader: Reader, asks: Asks) -> float:
    right: dict[str, list[bool]] = {kind: [] for kind in WEIGHTS}
    for number, case in enumerate(cases):
        said = asks(number, reader(case.request), [probe.query for probe in case.probes])
        for probe, changes in zip(case.probes, said, strict=True):
            if probe.stratum == "main" and probe.kind in WEIGHTS:
                right[probe.kind].append(changes == (probe.kind in CHANGE_KINDS))
    return 100 * sum(weight * sum(right[kind]) / len(right[kind]) for kind, weight in WEIGHTS.items())


def test_each_has_a_row() -> None:
    assert set(READERS) == {row.name for row in TABLE if row.where == "question"}


def test_what_was_published_can_be_replayed(public: tuple[EditCase, ...], readers: dict[str, Any]) -> None:
    for name in ("known_seed", "probe_hash_lookup"):
        assert earned(public, readers[name], plainly) > 99
    assert earned(public, readers["kind_detector"], plainly) > CHANGES_ALL
    assert earned(public, readers["order_detector"], plainly) < CHANGES_ALL


@pytest.fixture(scope="module")
def blind(public: tuple[EditCase, ...]) -> tuple[list[EditCase], Any]:
    """The same requests drawn by a secret, and decoys for them."""
    drawn = blind_suite(vqa(), SECRET)
    wanted = {case.id for case in public}
    cases = [case for case in drawn.cases("evaluation") if case.id in wanted]
    assert len(cases) == CASES
    return cases, decoys_by_query(cases, drawn.decoys("evaluation"))


@pytest.mark.parametrize("name", READERS)
def test_asked_blind_it_earns_no_more_than_the_target_for_everything(
    blind: tuple[list[EditCase], Any], public: tuple[EditCase, ...], readers: dict[str, Any], name: str
) -> None:
    cases, decoys = blind
    mixer = Blinding(SECRET, decoys=decoys)

    def blindly(number: int, reader: Chooses, queries: Sequence[Query]) -> list[bool]:
        place = (number, 0)
        mixture = mixer.mixed([place], queries)
        own = [query for places, query in mixture.asked if places == (place,)]
        said = iter(reader.in_scope(None, own))
        return list(mixture.unmixed([next(said) if p == (place,) else False for p, _ in mixture.asked]))

    earns, before = earned(cases, readers[name], blindly), earned(public, readers[name], plainly)
    print(f"{name}: {before:.1f} on the published probes, {earns:.1f} blind")
    if name == "kind_detector":  # the residual
        assert earns < before
    else:
        assert earns < CHANGES_ALL + 5
