"""Figures as SVG and PNG, the same bytes for the same document and the same matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from mmedit_bench.scoring.columns import CONCISE, column

_FAMILY = "generation"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Told apart also by those who do not see all colours (Okabe and Ito)."""
PALETTE = (*COLORS, "#e69f00", "#56b4e9", "#000000", "#999999")
"""More of them, for figures with many lines; further lines are dashed, then dotted."""
_INK = "#333333"

Drawn = dict[str, bytes]
"""Bytes by suffix."""


def curves(results: Mapping[str, Any]) -> Drawn:
    """One panel per measure: a line with intervals for each curve, a band for a row without a place on x."""
    block = results["blocks"][0]
    rows = [row for row in block["rows"] if "cells" in row]
    names = list(dict.fromkeys(row["curve"] for row in rows))
    figure, axes = _panels(len(CONCISE))
    for panel, key in zip(axes, CONCISE, strict=True):
        for color, name in zip(COLORS, names, strict=False):
            own = [row for row in rows if row["curve"] == name and row["cells"][_FAMILY][key]]
            _draw_curve(panel, own, key, name, color)
        panel.set_title(column(key).title)
        panel.set_xlabel(results["axis"])
        panel.set_ylim(-3, 103)
    axes[0].set_ylabel("percent")
    axes[0].legend(frameon=False)
    return _finish(figure, results, block)


def decay(results: Mapping[str, Any]) -> Drawn:
    """Reliability and locality along the sequence, and by age: a line with its band for each editor."""
    block = results["blocks"][0]
    rows = [row for row in block["rows"] if row.get("sequences")]
    shown = (
        ("curve", "reliability/main", "all edits so far", "edits made"),
        ("retention", "reliability/main", "one edit, by age", "edits made since"),
        ("curve", "generality", "all edits so far", "edits made"),
        ("curve", "locality", "all edits so far", "edits made"),
    )
    figure, axes = _panels(len(shown))
    for panel, (kind, key, what, axis) in zip(axes, shown, strict=True):
        for number, row in enumerate(rows):
            points = [p for p in row["sequences"][_FAMILY][kind] if p["cells"].get(key)]
            if not points:
                continue
            style = {
                "color": PALETTE[number % len(PALETTE)],
                "linestyle": ("-", "--", ":")[number // len(PALETTE)],
            }
            places, cells = [p["at"] for p in points], [p["cells"][key] for p in points]
            panel.plot(places, [c["value"] for c in cells], label=row["label"], marker=".", **style)
            if all(c["low"] is not None for c in cells):
                low, high = ([c[name] for c in cells] for name in ("low", "high"))
                panel.fill_between(places, low, high, color=style["color"], alpha=0.12, linewidth=0)
        panel.set_title(f"{column(key).title}, {what}")
        panel.set_xlabel(axis)
        panel.set_xscale("symlog" if kind == "retention" else "log")
        panel.set_ylim(-3, 103)
    axes[0].set_ylabel("percent")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return _finish(figure, results, block)


def bars(results: Mapping[str, Any]) -> Drawn:
    """One panel per measure: a bar with its interval for each row, the published value as a mark."""
    block = results["blocks"][0]
    rows = [row for row in block["rows"] if "cells" in row]
    figure, axes = _panels(len(CONCISE))
    for panel, key in zip(axes, CONCISE, strict=True):
        for place, row in enumerate(rows):
            cell = row["cells"][_FAMILY][key]
            if cell:
                low, high = _arms(cell)
                color = PALETTE[place % len(PALETTE)]
                panel.bar(place, cell["value"], yerr=[[low], [high]], color=color, ecolor=_INK, capsize=3)
            if row["published"] and key in row["published"]:
                panel.plot(
                    place, row["published"][key], marker="D", color=_INK, markersize=5, linestyle="none"
                )
        panel.set_title(column(key).title)
        panel.set_xticks(range(len(rows)), [row["label"] for row in rows], rotation=30, ha="right")
        panel.set_ylim(0, 103)
    axes[0].set_ylabel("percent\n(diamond: published, by teacher forcing)")
    return _finish(figure, results, block)


def _draw_curve(panel: Any, rows: Sequence[Mapping[str, Any]], key: str, name: str, color: str) -> None:
    cells = [row["cells"][_FAMILY][key] for row in rows]
    values = [cell["value"] for cell in cells]
    if all(row["at"] is None for row in rows):
        for cell in cells:
            if cell["low"] is not None:
                panel.axhspan(cell["low"], cell["high"], color=color, alpha=0.15, linewidth=0)
            panel.axhline(cell["value"], color=color, label=name)
        return
    places = [row["at"] for row in rows]
    arms = [_arms(cell) for cell in cells]
    spread = [[below for below, _ in arms], [above for _, above in arms]]
    panel.errorbar(places, values, yerr=spread, color=color, label=name, marker="o", capsize=3)


def _arms(cell: Mapping[str, Any]) -> tuple[float, float]:
    """How far the interval reaches below and above the value; not at all where there is none."""
    if cell["low"] is None:
        return 0.0, 0.0
    return cell["value"] - cell["low"], cell["high"] - cell["value"]


def _panels(count: int) -> tuple[Any, Sequence[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * count, 3.4), layout="constrained")
    axes = figure.subplots(1, count, sharey=True)
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#dddddd", linewidth=0.6)
        panel.set_axisbelow(True)
    return figure, axes


def _finish(figure: Any, results: Mapping[str, Any], block: Mapping[str, Any]) -> Drawn:
    place = f"{block['title']}, {block['edits']} edits, free generation"
    figure.suptitle(f"{results['title']}\n{place}", fontsize=10)
    return saved(figure)


def saved(figure: Any) -> Drawn:
    """Both files of a figure; neither holds a date, and ids inside the SVG follow from its content."""
    from matplotlib import rc_context

    found = {}
    with rc_context({"svg.hashsalt": "mmedit-bench"}):
        for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=metadata, dpi=150)
            found[suffix] = buffer.getvalue()
    return found
