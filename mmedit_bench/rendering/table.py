"""Runs side by side: what may stand in one table, in which order, and with which rank."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmedit_bench.errors import BenchError
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.columns import HALF, SHOWN, Column, column, in_order
from mmedit_bench.scoring.families import Family, family_named
from mmedit_bench.scoring.groups import summary_of
from mmedit_bench.scoring.ranks import Rank
from mmedit_bench.scoring.scores import Cell, Cells, RunScores

ALL = "all"
"""Pseudo-sort: corrections and counterfactuals together."""


class BlockKey(NamedTuple):
    """What the runs of one table have in common. Whatever differs here is not comparable."""

    suite: str
    backbone: str
    protocol: str
    split: str
    limit: int | None
    suite_digest: str
    backbone_digest: str
    protocol_version: str
    protocol_options: str
    """As JSON with one spelling."""

    @property
    def options(self) -> tuple[str, ...]:
        """The protocol's options in words, those left open aside."""
        values = json.loads(self.protocol_options)
        return tuple(f"{name}={_said(value)}" for name, value in sorted(values.items()) if value is not None)


def _said(value: object) -> str:
    """A list, or the names of a mapping, without the brackets."""
    return ",".join(map(str, value)) if isinstance(value, list | dict) else str(value)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run in a table."""

    name: str
    scores: RunScores
    cells: Cells
    rank: Rank | None
    """None for controls, for runs that are not complete, and where the summary or its interval is missing."""

    @property
    def status(self) -> str:
        """What a reader must know beside the numbers; empty for a complete run without failures."""
        counts = self.scores.counts
        words = [] if self.scores.complete else [f"{counts.done} of {counts.planned}"]
        words += [f"{counts.failed} failed"] if counts.failed else []
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Block:
    """One table: runs on the same suite, backbone, protocol and split, by one scorer family."""

    key: BlockKey
    family: Family
    sort: str
    rows: tuple[RunRow, ...]
    columns: tuple[Column, ...]
    summary: Column
    """What rows are ordered and ranked by."""
    baseline: str | None = None
    """What its runs are measured against, where others of the same key are measured against another."""

    def __post_init__(self) -> None:
        for item in self.columns:
            labels = sorted({row.cells[item.key].label for row in self.rows if item.key in row.cells})
            if len(labels) > 1:
                raise BenchError(f"column {item.key} would mix {' and '.join(labels)}; use one scorer family")
        first = self.rows[0].scores
        for row in self.rows[1:]:
            if row.scores.baseline != first.baseline:
                raise BenchError(
                    f"runs {first.spec.folder_name} and {row.scores.spec.folder_name} are measured against "
                    f"different baselines ({first.baseline[:12]} and {row.scores.baseline[:12]}), so their "
                    "numbers are not comparable; run both on one machine with the same options"
                )

    @property
    def title(self) -> str:
        """Suite, backbone, protocol and split in words."""
        key = self.key
        protocol = " ".join([key.protocol, *key.options])
        parts = [f"{key.suite} on {key.backbone}", protocol, f"split {key.split}"]
        parts += [] if key.limit is None else [f"first {key.limit} needed edits"]
        parts += [] if self.sort == ALL else [f"{self.sort}s only"]
        if self.baseline is not None:
            ways = sorted({f"{row.scores.spec.dtype} on {row.scores.spec.device}" for row in self.rows})
            parts.append(f"baseline {self.baseline[:12]} ({', '.join(ways)})")
        return ", ".join(parts)

    @property
    def label(self) -> str:
        """The measurement behind every number."""
        label = f"{self.family.change} where the edit should reach, {self.family.keep} where it should not"
        apart = "; no number can be set against those of another baseline"
        return label if self.baseline is None else label + apart

    @property
    def headline(self) -> tuple[Column, ...]:
        """The columns of the main table."""
        return tuple(item for item in self.columns if item.key in SHOWN)

    @property
    def strata(self) -> tuple[Column, ...]:
        """Further probe kinds and strata that were asked; group means and halves of the question are
        left out: what is good of the latter is another question, and a section answers it."""
        return tuple(
            item for item in self.columns if item.key not in SHOWN and "/" in item.key and item.group != HALF
        )

    @property
    def reasons(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Why a number or an interval of the table is missing, with the names of the rows concerned."""
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for row in self.rows:
            for item in (*self.headline, *self.strata):
                cell = row.cells.get(item.key)
                if cell is not None and cell.reason is not None:
                    found[cell.reason][row.name] = None
        return tuple((reason, tuple(names)) for reason, names in found.items())


def blocks(
    runs: Iterable[RunScores], family: str, *, sort: str = ALL, by_baseline: bool = False
) -> list[Block]:
    """One table for each suite, backbone, protocol and split among `runs`, in their order of names.

    `sort` restricts the numbers to corrections or counterfactuals. Runs of a table that are measured
    against different baselines have a table for each with `by_baseline`, that of most runs first.
    Raises `BenchError` for them without it, for an unknown family or sort, for runs that were scored by
    different rules, and for two runs that claim to be one.
    """
    chosen = family_named(family)
    distinct = once(runs)
    rules = {(run.normalizer, json.dumps(dict(run.bootstrap), sort_keys=True)) for run in distinct}
    if len(rules) > 1:
        raise BenchError("these runs were scored by different rules; score all of them with this version")
    grouped: dict[BlockKey, dict[str, list[RunScores]]] = defaultdict(lambda: defaultdict(list))
    for run in distinct:
        grouped[_key(run)][run.baseline if by_baseline else ""].append(run)
    order = sorted(grouped, key=lambda key: (*key[:4], key.limit is not None, key.limit or 0, *key[5:]))
    return [
        _block(key, own, chosen, sort, baseline if len(grouped[key]) > 1 else None)
        for key in order
        for baseline, own in sorted(grouped[key].items(), key=lambda one: (-len(one[1]), one[0]))
    ]


def once(runs: Iterable[RunScores]) -> list[RunScores]:
    """`runs`, each once. Raises `BenchError` if two with one fingerprint say different things."""
    found: dict[str, RunScores] = {}
    for run in runs:
        other = found.setdefault(run.spec.fingerprint, run)
        for name in ("artefact", "baseline", "predictions"):
            mine, theirs = getattr(run, name), getattr(other, name)
            if mine != theirs:
                raise BenchError(
                    f"two runs are called {run.spec.folder_name}, but differ in {name} "
                    f"({str(theirs)[:12]} and {str(mine)[:12]}); leave one of them out"
                )
    return list(found.values())


def ranks(cells: Sequence[Cell]) -> list[Rank]:
    """Rank intervals: a row may have any place that no clearly better or worse row takes from it.

    One row is clearly better than another if its interval lies wholly above the other's. All cells
    have intervals.
    """
    bounds = [(cell.low, cell.high) for cell in cells if cell.low is not None and cell.high is not None]
    assert len(bounds) == len(cells)
    return [
        Rank(
            1 + sum(other_low > high for other_low, _ in bounds),
            len(bounds) - sum(other_high < low for _, other_high in bounds),
        )
        for low, high in bounds
    ]


def _key(run: RunScores) -> BlockKey:
    spec = run.spec
    return BlockKey(
        spec.suite, spec.backbone, spec.protocol, spec.split, spec.limit,
        spec.suite_digest, spec.backbone_digest, spec.protocol_version, canonical(spec.protocol_options),
    )  # fmt: skip


def _block(
    key: BlockKey, runs: Sequence[RunScores], family: Family, sort: str, baseline: str | None
) -> Block:
    cells = {run.spec.fingerprint: _cells(run, family, sort) for run in runs}
    summary = summary_of(
        [key for key, cell in own.items() if cell.value is not None] for own in cells.values()
    )
    ranked = [
        run
        for run in runs
        if run.complete and not run.control and _has_interval(cells[run.spec.fingerprint], summary)
    ]
    places = ranks([cells[run.spec.fingerprint][summary] for run in ranked])
    rank_of = {run.spec.fingerprint: place for run, place in zip(ranked, places, strict=True)}
    names = _names(runs)

    def order(run: RunScores) -> tuple[bool, bool, float, str]:
        value = _value(cells[run.spec.fingerprint], summary)
        least = 1.0 if value is None else -value  # a row without a number comes after those with 0
        return run.control, not run.complete, least, names[run.spec.fingerprint]

    rows = tuple(
        RunRow(names[mark], run, cells[mark], rank_of.get(mark))
        for run in sorted(runs, key=order)
        for mark in [run.spec.fingerprint]
    )
    keys = in_order(key for row in rows for key in row.cells)
    return Block(key, family, sort, rows, tuple(column(key) for key in keys), column(summary), baseline)


def _cells(run: RunScores, family: Family, sort: str) -> Cells:
    scores = run.family(family.name)
    if sort == ALL:
        return scores.overall
    if sort not in scores.by_sort:
        raise BenchError(f"there is no sort {sort!r}; choose {ALL} or one of {', '.join(scores.by_sort)}")
    return scores.by_sort[sort]


def _value(cells: Cells, key: str) -> float | None:
    return cells[key].value if key in cells else None


def _has_interval(cells: Cells, key: str) -> bool:
    return key in cells and cells[key].half_width is not None


def _names(runs: Sequence[RunScores]) -> Mapping[str, str]:
    """By fingerprint: the editor's name, with the options that differ from its own, unique in the table."""
    names = {run.spec.fingerprint: " ".join([run.spec.editor, *_options(run)]) for run in runs}
    shared = Counter(names.values())
    return {mark: name if shared[name] == 1 else f"{name} #{mark[:8]}" for mark, name in names.items()}


def _options(run: RunScores) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(run.spec.editor_options.items())]
