"""Cheats earn nothing: the run completes, and what they touch is failed or as an honest editor leaves it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import tests
from mmedit_bench.cases import CHANGE_KINDS, EditCase
from mmedit_bench.errors import BadRecord, WeightsChanged
from mmedit_bench.execution.child import MOST_LOG
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.sandbox import available
from tests.adversarial.conftest import NAMES
from tests.adversarial.table import TABLE

pytestmark = pytest.mark.xdist_group("cheats in one run")

Answers = dict[str, str]
"""By id of the probe."""
ROWS = {row.name: row for row in TABLE}
BOX = Isolation(
    edit_timeout=8.0, memory_limit=16 << 30, sandbox="bubblewrap", processes=40, ready_timeout=60.0,
    readable=(Path(tests.__file__).parent,),
)  # fmt: skip
"""The cheats are registered outside of the tree that they lie in, which thus does not show them."""

boxed = pytest.mark.skipif(
    available() is not None, reason=f"NO SANDBOX, so nothing is known of the cheats: {available()}"
)


def order(editor: str, **more: Any) -> Order:
    return Order(suite="rogue-suite", backbone="lab-backbone", editor=editor, **more)


class Told:
    """A run's records, by case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Answers] = {}
        self.errors: dict[str, list[tuple[str, str]]] = {}
        for line in (folder / "predictions.jsonl").read_text().splitlines():
            row = json.loads(line)
            self.errors.setdefault(row["unit"], [])
            if row.get("status") == "failed":
                self.errors[row["unit"]].append((row["kind"], row["error"]))
            if row["kind"] == "ask":
                self.answers[row["unit"]] = {probe["id"]: probe["answer"] for probe in row["probes"]}

    def marks(self, case: EditCase, bare: Answers) -> int:
        """How many of a case's probes are answered as they should be; `bare`: as the backbone does."""
        return sum(
            self.answers[case.id][probe.id]
            == (probe.reference if probe.kind in CHANGE_KINDS else bare[probe.id])
            for probe in case.probes
        )


@pytest.fixture(scope="module")
def cases(lab: Path) -> dict[str, EditCase]:
    found = Workshop().suite("rogue-suite").cases("evaluation")
    return dict(zip(NAMES, found, strict=True))


@pytest.fixture(scope="module")
def honest(lab: Path) -> dict[str, Told]:
    """Controls where nothing is apart."""
    shop = Workshop()
    return {
        name: Told(shop.run(order("rogue", options={"trick": name}), lab / "honest").folder)
        for name in ("null", "copy_target")
    }


@pytest.fixture(scope="module")
def cheated(lab: Path, port: int) -> tuple[Told, float]:
    """All cheats in one run with the sandbox on, and the seconds it took."""
    began = time.monotonic()
    options = {"port": port, "runs": str(lab / "runs")}
    result = Workshop().run(order("rogue", options=options), lab / "runs", isolation=BOX)
    assert (result.status, result.units) == ("complete", len(NAMES))
    assert result.failed == sum(bool(ROWS[name].failed) for name in NAMES)
    return Told(result.folder), time.monotonic() - began


@boxed
@pytest.mark.parametrize("name", NAMES)
def test_a_cheat_earns_nothing(
    cases: dict[str, EditCase], honest: dict[str, Told], cheated: tuple[Told, float], name: str
) -> None:
    row, case, run = ROWS[name], cases[name], cheated[0]
    like, bare = honest[row.like], honest["null"].answers[case.id]
    assert run.marks(case, bare) <= like.marks(case, bare)
    if not row.alone:
        assert run.answers[case.id] == like.answers[case.id]
    kinds = {"": [], "edit": ["apply", "ask"], "question": ["ask"]}[row.failed]
    found = [kind for kind, _ in run.errors[case.id]]
    assert found == kinds or (row.failed == "edit" and found == ["apply"])
    assert all(row.why in error for _, error in run.errors[case.id])


def test_controls_earn_what_they_should(cases: dict[str, EditCase], honest: dict[str, Told]) -> None:
    for case in cases.values():
        bare = honest["null"].answers[case.id]
        kept = sum(probe.kind not in CHANGE_KINDS for probe in case.probes)
        assert honest["null"].marks(case, bare) == kept
        assert honest["copy_target"].marks(case, bare) == len(case.probes) - kept


@pytest.mark.parametrize(
    "name", ["gc_scan", "frame_walk", "registry_lookup", "read_gold_path", "read_env_argv", "network_fetch"]
)
def test_the_cheat_works_where_nothing_is_apart(
    lab: Path, port: int, cases: dict[str, EditCase], honest: dict[str, Told], name: str
) -> None:
    done = Workshop().run(order("rogue", options={"trick": name, "port": port}, limit=1), lab / "together")
    case = cases[NAMES[0]]
    assert Told(done.folder).marks(case, honest["null"].answers[case.id]) > honest["null"].marks(
        case, honest["null"].answers[case.id]
    )


@boxed
def test_what_is_printed_is_cut_and_belongs_to_the_run(lab: Path, cheated: tuple[Told, float]) -> None:
    assert (cheated[0].folder / "editor.log").stat().st_size == MOST_LOG
    assert not list((lab / "runs").glob("editor-*.log"))


@boxed
def test_code_of_an_editor_is_not_loaded_where_probes_are_asked(cheated: tuple[Told, float]) -> None:
    import builtins

    assert not hasattr(builtins, "MMEDIT_PATCHED")


@boxed
def test_weights_that_were_written_to_end_the_run(lab: Path) -> None:
    options = {"trick": "mutate_base_model"}
    with pytest.raises(WeightsChanged):
        Workshop().run(order("rogue", options=options, limit=1), lab / "mutated", isolation=BOX)


@pytest.mark.parametrize("number", [0, 5], ids=["recorded", "still to come"])
def test_a_baseline_poisoned_without_a_sandbox_is_refused_by_the_next_run(
    lab: Path, cases: dict[str, EditCase], tmp_path: Path, number: int
) -> None:
    out = tmp_path / "runs"
    options = {"trick": "poisoned_baseline", "runs": str(out), "case": [c.id for c in cases.values()][number]}
    Workshop().run(order("rogue", options=options, limit=1), out)
    with pytest.raises(BadRecord, match=r"two different readings|is answered otherwise by the backbone"):
        Workshop().run(order("rogue", options={"trick": "copy_target"}, limit=6), out)
