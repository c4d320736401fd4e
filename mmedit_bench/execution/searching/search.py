"""A search on the validation split: its trials as runs, and the record of what was tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.engine import Engine
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.pool import Outcome, carry_out, look_over
from mmedit_bench.execution.searching.ladders import Ladder, climb
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.scoring.groups import HARD
from mmedit_bench.scoring.score import score_run

if TYPE_CHECKING:
    from mmedit_bench.datasets.suite import Suite

VALIDATION = "validation"
FAMILY = "generation"
CRITERIA = (HARD, "mean")
SHOWN = ("reliability/main", "generality", "locality", "mean", "hard_generality", "hard_locality", HARD)
"""Numbers of a trial that are kept."""


@dataclass
class Search:
    """What is searched. Trials are ordinary runs below `out`; those that are complete are not made again."""

    order: Order
    """Any of its runs, without options and suite."""
    suites: tuple[str, ...]
    out: Path
    engine: Engine
    criterion: str = HARD
    told: Callable[[Outcome], object] = lambda outcome: None
    ended: Callable[[Mapping[str, Any]], object] = lambda trial: None
    trials: list[dict[str, Any]] = field(default_factory=list)
    _loaded: dict[str, Suite] = field(default_factory=dict)

    def tried(self, options: Sequence[Mapping[str, Any]]) -> list[float]:
        """Score several settings, each averaged over the suites; what came of them is in `trials`.

        Raises `BenchError` for a value that cannot be tried and for a number that cannot be had.
        """
        orders = [
            replace(self.order, suite=suite, split=VALIDATION, options=own)
            for own in options
            for suite in self.suites
        ]
        look_over(orders)  # a value that is out of range is refused before the first run
        outcomes = carry_out(orders, self.out, engine=self.engine, told=self.told)
        scores = []
        for number, own in enumerate(options):
            rows = {}
            for outcome in outcomes[number * len(self.suites) : (number + 1) * len(self.suites)]:
                rows[outcome.order.suite] = self._scored(outcome)
            values = [row[self.criterion] for row in rows.values()]
            if None in values:
                raise BenchError(
                    f"{self.order.editor} {shown(own)}: no {self.criterion} could be scored; raise --limit "
                    f"({self.order.limit}); where a suite lacks what hard is made of, choose by "
                    "--criterion mean"
                )
            average = round(sum(values) / len(values), 2)
            self.trials.append({"options": dict(own), "average": average, "suites": rows})
            self.ended(self.trials[-1])
            scores.append(average)
        return scores

    def all_of(self, grid: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The record of trying every one of these."""
        self.tried(grid)
        return self._record({})

    def climbed(self, ladders: Sequence[Ladder], budget: int) -> dict[str, Any]:
        """The record of a climb; see `ladders.climb`."""
        found = climb(ladders, budget, self.tried, self._allows)
        return self._record(
            {
                "budget": budget,
                "ladders": {own.name: list(own.rungs) for own in ladders},
                "open_ends": list(found.open_ends),
            }
        )

    def _allows(self, name: str, value: Any) -> bool:
        """Whether the editor takes it on this backbone."""
        try:
            look_over([replace(self.order, suite=self.suites[0], split=VALIDATION, options={name: value})])
        except BenchError:
            return False
        return True

    def _scored(self, outcome: Outcome) -> dict[str, Any]:
        """The numbers that are looked at, with the fingerprint by which the run can be made again."""
        suite = outcome.order.suite
        if outcome.folder is None:
            what = f"{outcome.order.editor} {shown(outcome.order.options)} on {suite}"
            raise BenchError(f"{what}: {outcome.error}")
        if suite not in self._loaded:
            self._loaded[suite] = SUITES.load(suite)()
        scores = score_run(outcome.folder, self._loaded[suite])
        cells = scores.family(FAMILY).overall
        values = {
            key: round(cell.value, 2) if (cell := cells.get(key)) and cell.value is not None else None
            for key in SHOWN
        }
        spec = scores.spec
        return {
            "fingerprint": spec.fingerprint,
            "settings": dict(spec.editor_settings),
            "version": spec.editor_version,
            "backbone_digest": spec.backbone_digest,
            "suite_digest": spec.suite_digest,
            **values,
        }

    def _place(self) -> dict[str, str]:
        """Device and dtype, where they are not what a run has without saying so."""
        usual = {own.name: own.default for own in fields(Order)}
        own = {name: str(getattr(self.order, name)) for name in ("device", "dtype")}
        return {name: value for name, value in own.items() if value != usual[name]}

    def _record(self, more: Mapping[str, Any]) -> dict[str, Any]:
        best = max(self.trials, key=lambda row: float(row["average"]))
        tried = [
            {**row, "suites": {name: _without(own) for name, own in row["suites"].items()}}
            for row in self.trials
        ]
        return {
            "backbone": self.order.backbone,
            "editor": self.order.editor,
            "split": VALIDATION,
            "limit": self.order.limit,
            "seed": self.order.seed,
            **self._place(),
            "criterion": f"{self.criterion}, {FAMILY}, averaged over suites",
            **more,
            "best": best["options"],
            # what the best was measured of, to be held against what ships
            "of": {
                name: {key: own[key] for key in ("fingerprint", *_OF)} for name, own in best["suites"].items()
            },
            "tried": tried,
        }


_OF = ("settings", "version", "backbone_digest", "suite_digest")


def _without(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OF}


def shown(options: Mapping[str, Any]) -> str:
    """Options in a line."""
    return " ".join(f"{key}={value}" for key, value in options.items())


def text_of(record: Mapping[str, Any]) -> bytes:
    """A record as it is written."""
    return (json.dumps(record, indent=1) + "\n").encode()


def configuration(record: Mapping[str, Any], named: str, kept: Mapping[str, Any]) -> bytes:
    """The best options as the file of a backbone, over what it holds of others; `named` is the record."""
    head = f"# Chosen on validation, see {named}.\n"
    return (head + yaml.safe_dump({**kept, **record["best"]}, sort_keys=False)).encode()
