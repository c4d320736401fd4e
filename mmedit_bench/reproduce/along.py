"""What a block of sequences adds to a table: decay, order, tasks, and what is left of other abilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmedit_bench.rendering import markdown as md
from mmedit_bench.rendering.wording import MISSING, difference, explained, half_life, with_margin
from mmedit_bench.scoring.checking import Checked
from mmedit_bench.scoring.columns import CONCISE, column
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.scoring.matched import lifelong_gap
from mmedit_bench.scoring.scores import Cell, Cells, RunScores
from mmedit_bench.scoring.sequence_scores import HalfLife, Point

Numbers = Callable[[float, float | None, float | None], dict[str, Any]]
"""How a value and its bounds are written into a document."""


def measured(scores: RunScores, numbers: Numbers, shares: Numbers) -> dict[str, Any]:
    """What sequences come to, by family, and what is left of the model, by measure; {} for neither.

    `shares` writes what measures say, which may be a share of 1 as well as a perplexity of any size.
    """
    found: dict[str, Any] = {}
    if scores.sequences:
        found["sequences"] = {
            family: {
                "length": own.length,
                "sequences": own.sequences,
                "orders": own.orders,
                "curve": [_point(point, numbers) for point in own.curve],
                "retention": [_point(point, numbers) for point in own.retention],
                "half_life": {key: _half_life(own.half_life[key]) for key in CONCISE if key in own.half_life},
                "area": _cells(own.area, numbers),
                "order_deviation": _cells(own.order_deviation, numbers),
                "interference": {task: _cells(cells, numbers) for task, cells in own.interference.items()},
            }
            for family, own in scores.sequences.items()
        }
        found["tasks"] = {
            family: {task: _cells(cells, numbers) for task, cells in own.by_task.items()}
            for family, own in scores.families.items()
        }
    if scores.measures:
        found["measures"] = {
            f"{measure} {name}": {
                **{
                    key: None if own is None else shares(own, None, None)["value"]
                    for key, own in (("value", cell.value), ("start", cell.start))
                },
                "delta": None if cell.delta is None else shares(cell.delta, cell.low, cell.high),
                "collapsed": cell.collapsed,
                "units": cell.units,
            }
            for measure, moments in scores.measures.items()
            for name, cell in moments.get("end", {}).items()
        }
    return found


def gap(run: Checked, one_step: Checked, numbers: Numbers) -> dict[str, Any]:
    """One-step minus end of sequence, over the cases that both have."""
    return _cells(lifelong_gap(run, one_step, HEADLINE_FAMILY), numbers)


def tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown of all that; nothing for rows without sequences and measures."""
    return [*_order_and_decay(rows), *_by_task(rows), *_left(rows)]


def _order_and_decay(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [(row, row["sequences"][HEADLINE_FAMILY]) for row in rows if row.get("sequences")]
    if not own:
        return []
    first = own[0][1]
    ages = [point["at"] for point in first["retention"]]
    places = [point["at"] for point in first["curve"]]
    head = ["editor", *(f"Rel after {at}" for at in places), *(f"Rel at age {at}" for at in ages)]
    head += ["half-life"] * bool(ages) + ["area"] * (len(places) > 1) + ["order"]
    gapped = any(row.get("gap") for row, _ in own)
    head += ["gap"] * gapped
    lines = [
        "",
        f"**Along {_counted(first['sequences'], 'sequence')} of {first['length']} edits, "
        f"{_counted(first['orders'], 'order')} each (free generation)**",
        "",
        md.line(head),
        md.line(["---", *["---:"] * (len(head) - 1)], keep=True),
    ]
    for row, found in own:
        texts = [row["label"]]
        texts += [_value(point["cells"], CONCISE[0]) for point in (*found["curve"], *found["retention"])]
        if ages:
            texts.append(half_life(found["half_life"].get(CONCISE[0])))
        if len(places) > 1:
            texts.append(_value(found["area"], CONCISE[0]))
        texts.append(_value(found["order_deviation"], "mean"))
        if gapped:
            texts.append(_signed(row.get("gap") or {}, "mean"))
        lines.append(md.line(texts))
    said = [
        "Rel after N: reliability of all edits made so far; at age G: of an edit that G others followed.",
        "Half-life: the first age asked at which less than half of age 0 is left.",
        "Area: mean height of reliability along the sequence.",
        "Order: standard deviation of the mean between orders of the same edits, in points.",
        "Gap: mean of one-step editing minus mean at the end, over the same edits.",
    ]
    told = [True, bool(ages), len(places) > 1, True, gapped]
    lines += ["", " ".join(text for text, wanted in zip(said, told, strict=True) if wanted)]
    return [*lines, *(line for note in _without_half_life(own) for line in ("", md.escaped(note)))]


def _without_half_life(own: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[str]:
    """Why there is none, and in which rows."""
    found: dict[str, list[str]] = {}
    for row, sequences in own:
        life = sequences["half_life"].get(CONCISE[0])
        if life and half_life(life) == MISSING and life["reason"]:
            found.setdefault(life["reason"], []).append(row["label"])
    return explained((f"no half-life, {reason}", names) for reason, names in found.items())


def _by_task(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [row for row in rows if row.get("sequences") and row["tasks"][HEADLINE_FAMILY]]
    if not own:
        return []
    tasks = list(own[0]["tasks"][HEADLINE_FAMILY])
    costs = bool(own[0]["sequences"][HEADLINE_FAMILY]["interference"])
    head = ["editor"]
    for task in tasks:
        head += [f"{task}: {column(key).short}" for key in CONCISE] + [f"{task}: interference"] * costs
    lines = ["", "**By task (free generation)**", "", md.line(head)]
    lines.append(md.line(["---", *["---:"] * (len(head) - 1)], keep=True))
    for row in own:
        texts = [row["label"]]
        for task in tasks:
            texts += [_value(row["tasks"][HEADLINE_FAMILY][task], key) for key in CONCISE]
            if costs:
                texts.append(_signed(row["sequences"][HEADLINE_FAMILY]["interference"].get(task, {}), "mean"))
        lines.append(md.line(texts))
    note = "Interference: the task's mean alone minus in the mix, over the same edits in the same order."
    return [*lines, "", note] if costs else lines


def _left(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [row for row in rows if row.get("measures")]
    if not own:
        return []
    names = list(own[0]["measures"])
    head = ["editor", *names, "collapsed"]
    lines = ["", "**What is left of other abilities, at the end minus before**", "", md.line(head)]
    lines.append(md.line(["---", *["---:"] * (len(head) - 1)], keep=True))
    for row in own:
        found = row["measures"]
        lost = [cell["collapsed"] for cell in found.values() if cell["collapsed"] is not None]
        units = max((cell["units"] for cell in found.values()), default=0)
        texts = [row["label"]]
        texts += [
            MISSING if not (cell := found.get(name)) or cell["delta"] is None
            else _changed(cell["delta"]) for name in names
        ]  # fmt: skip
        texts.append(f"{max(lost)} of {units}" if lost else MISSING)
        lines.append(md.line(texts))
    starts = ", ".join(
        f"{name} {cell['start']:.3g}"
        for name, cell in own[0]["measures"].items()
        if cell["start"] is not None
    )
    return [
        *lines,
        "",
        md.escaped(
            f"Before any edit: {starts}. Collapsed: walks whose perplexity is more than twice what it was."
        ),
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")


def _point(point: Point, numbers: Numbers) -> dict[str, Any]:
    return {"at": point.at, "cells": _cells(point.cells, numbers)}


def _cells(cells: Cells, numbers: Numbers) -> dict[str, Any]:
    return {
        key: None if cell.value is None else numbers(cell.value, cell.low, cell.high)
        for key, cell in cells.items()
        if key in CONCISE
    }


def _half_life(found: HalfLife) -> dict[str, Any]:
    return {
        "edits": found.edits, "low": found.low, "high": found.high, "oldest": found.oldest,
        "reason": found.reason,
    }  # fmt: skip


def cell_of(values: Mapping[str, Any] | None) -> Cell | None:
    """A number of a document as the renderers know it."""
    if not values:
        return None
    return Cell(values["value"], values["low"], values["high"], n=0, edits=values.get("edits", 0), label="")


def _value(cells: Mapping[str, Any], key: str) -> str:
    return with_margin(cell_of(cells.get(key)))


def _signed(cells: Mapping[str, Any], key: str) -> str:
    return difference(**_bounds(cells[key])) if cells.get(key) else MISSING


def _changed(cell: Mapping[str, Any]) -> str:
    """In the measure's own unit, a share or a perplexity of any size."""
    value, low, high = (None if own is None else f"{own:+.3g}" for own in _bounds(cell).values())
    return f"{value}" if low is None else f"{value} [{low}, {high}]"


def _bounds(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {name: cell[name] for name in ("value", "low", "high")}
