"""What crosses between the two processes, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from mmedit_bench.editors import (
    AttentionMemory,
    ConstantAnswer,
    Context,
    Edit,
    Intervention,
    NotSavable,
    Query,
    Route,
    Shared,
    WeightDelta,
)
from mmedit_bench.execution.crossing import DATA, Far, NoData, packed, unpacked
from mmedit_bench.execution.remote import RemoteReader
from mmedit_bench.interventions.base import _TYPES, type_named


def bank(value: float) -> Shared:
    return Shared({"index": torch.full((2, 4), value), "states": torch.ones(2, 4)})


def memory(*banks: Shared) -> AttentionMemory:
    return AttentionMemory(0, torch.ones(1, 4), torch.ones(1, 4), 1, banks=banks)


def test_every_kind_that_may_cross_is_this_packages() -> None:
    assert {type_named(kind).__module__.rpartition(".")[0] for kind in DATA} == {"mmedit_bench.interventions"}


def test_a_shared_part_crosses_once() -> None:
    here: dict[str, Shared] = {}
    there: dict[str, Shared] = {}
    first, second = Edit((memory(bank(1)),)), Edit((memory(bank(1), bank(2)), Context("so ")))
    sizes = []
    for edit in (first, second, second):
        head, body = packed(edit, here)
        crossed = unpacked(json.loads(json.dumps(head)), body, there)
        assert Edit(crossed.items) == edit  # type: ignore[arg-type]
        assert crossed.whole == edit.to_bytes()
        sizes.append(len(head["new"]))
    assert sizes == [1, 1, 0]
    assert there.keys() == second.shared().keys()


def test_a_shared_part_of_another_content_is_refused() -> None:
    head, body = packed(Edit((memory(bank(1)),)), {})
    other, forged = packed(Edit((memory(bank(2)),)), {})
    assert len(body) == len(forged)
    head["sizes"], head["shared"], head["new"] = other["sizes"], other["shared"], head["new"]
    with pytest.raises(NoData, match="has the content of"):
        unpacked(head, forged, {})


class Scoped:
    """A scope that is code."""

    def __call__(self, query: Query) -> bool:
        return False


def test_a_route_through_code_stays_behind() -> None:
    edit = Edit(
        (Route(ConstantAnswer("a"), "k"), Route(ConstantAnswer("bcd", Scoped()), "l"), Context("so "))
    )
    head, body = packed(edit, {})
    crossed = unpacked(head, body, {})
    assert crossed.items[1] == Far("l", nbytes=3, parameters=0)
    assert (crossed.items[0], crossed.items[2]) == (edit.interventions[0], edit.interventions[2])
    assert crossed.whole is None, "a scope that is code cannot be saved"


@pytest.mark.parametrize("name", ["nbytes", "parameters"])
@pytest.mark.parametrize("told", [[1 << 53], [int("9" * 4300)] * 2, [1 << 52, 1 << 52], [-1], [True], [1.0]])
def test_a_route_that_claims_more_than_can_be_noted_fails(name: str, told: list[int]) -> None:
    head, body = packed(Edit((Context("so "),)), {})
    far = [{"key": "k", "nbytes": 1, "parameters": 1} | {name: size} for size in told]
    alone = len(told) == 1 or told[0] > 1 << 53
    with pytest.raises(NoData, match="the key 'k'" if alone else "its routes have"):
        unpacked(head | {"items": [None, *far]}, body, {})


def test_a_route_may_claim_as_much_as_can_be_noted() -> None:
    head, body = packed(Edit((Context("so "),)), {})
    far = {"key": "k", "nbytes": (1 << 53) - 1, "parameters": 0}
    assert unpacked(head | {"items": [None, far]}, body, {}).items[1] == Far("k", (1 << 53) - 1, 0)


def test_a_type_of_its_own_cannot_leave() -> None:
    class Own(Intervention):
        """Somebody's."""

    with pytest.raises(NotSavable, match="Own is code and cannot leave"):
        packed(Edit((Own(),)), {})


def kind(item: dict[str, Any]) -> None:
    item["kind"] = "somebodys"


def reader(item: dict[str, Any]) -> None:
    item["kind"], item["plain"] = "route", {"reader": "serac", "fields": {}, "key": ""}


def emptied(item: dict[str, Any]) -> None:
    item.clear()


@pytest.mark.parametrize(
    ("forge", "fault"), [(kind, "is not this package's"), (reader, "is code"), (emptied, "KeyError")]
)
def test_forged_edits_are_refused(forge: Callable[[dict[str, Any]], None], fault: str) -> None:
    edit = Edit((WeightDelta("a", torch.ones(2, 2)),))
    head, body = packed(edit, {})
    body = body[: head["sizes"][0]]
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    described = json.loads(header["__metadata__"]["edit"])
    forge(described["interventions"][0])
    forged = save(load(body), {"edit": json.dumps(described)})
    with pytest.raises(NoData, match=fault):
        unpacked(head | {"sizes": [len(forged), None]}, forged, {})


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": [9, 9]}, {"sizes": [-1, None]}, {"sizes": [True, None]}, {"sizes": [10**4000, -(10**4000)]},
        {"items": []}, {"items": [None] * 3}, {"new": [["a", 9]]}, {"new": [["a", 10**4000]]},
    ],
)  # fmt: skip
def test_heads_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    head, body = packed(Edit((Context("so "),)), {})
    with pytest.raises(NoData):
        unpacked(head | change, body, {})


def test_one_question_answers_both_and_places_add_up() -> None:
    asked: list[tuple[Any, int]] = []

    def asking(places: Any, queries: Any) -> list[str | None]:
        asked.append((tuple(places), len(queries)))
        return ["yes" if query.prompt == "in" else None for query in queries]

    queries = [Query("in"), Query("out"), Query("in")]
    both = RemoteReader(asking, ((1, 0),), 5, 2).merged(RemoteReader(asking, ((2, 1),), 6, 3))
    assert both is not None
    assert (both.nbytes, both.parameter_count) == (11, 5)
    assert Route(both).answers(None, queries) == {0: "yes", 2: "yes"}
    assert Route(both).in_scope(None, queries) == [True, False, True]
    assert asked == [(((1, 0), (2, 1)), 3)]
    assert both.merged(ConstantAnswer("x")) is None


def test_all_interventions_of_this_package_are_data() -> None:
    own = {kind for kind, cls in _TYPES.items() if cls.__module__.startswith("mmedit_bench.interventions.")}
    assert own == DATA
