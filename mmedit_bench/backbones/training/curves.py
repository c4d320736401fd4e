"""How a training went, as a figure."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

INK = "#333333"
Curves = Mapping[str, Sequence[Mapping[str, float]]]
"""By stage, what was measured whenever it was saved: "step", "loss" (smoothed) and shares in 0..1."""


def written(folder: Path, curves: Curves, measured: str) -> list[str]:
    """Keep curves as training.json and training.svg in a checkpoint's folder; the lines of its card.

    `measured` says what the shares are of, for the card.
    """
    text = json.dumps(curves, indent=1)
    (folder / "training.json").write_text(text + "\n", encoding="utf-8")
    (folder / "training.svg").write_bytes(drawn(curves))
    return [
        f"{measured}, whenever a stage was saved, and the smoothed loss. The numbers are in `training.json`.",
        "",
        "![Training](training.svg)",
        "",
    ]


def drawn(curves: Curves) -> bytes:
    """An SVG with a panel for each stage: shares as they were measured, and the loss."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    stages = {name: points for name, points in curves.items() if points}
    figure = Figure(figsize=(3.4 * max(1, len(stages)), 3.2), layout="constrained")
    axes = figure.subplots(1, max(1, len(stages)), squeeze=False)[0]
    for panel, (name, points) in zip(axes, stages.items(), strict=False):
        steps = [point["step"] for point in points]
        shares = dict.fromkeys(key for point in points for key in point if key not in ("step", "loss"))
        for key in shares:
            panel.plot(steps, [100 * point.get(key, float("nan")) for point in points], label=key)
        panel.set_ylim(-2, 102)
        panel.set_title(name)
        panel.set_xlabel("step")
        if shares:
            panel.legend(fontsize=6, frameon=False)
        loss = panel.twinx()
        loss.plot(steps, [point["loss"] for point in points], color=INK, linestyle=":", linewidth=1)
        loss.set_yscale("log")
        loss.tick_params(labelsize=6)
    axes[0].set_ylabel("percent (dotted: loss)")
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mmedit-bench", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
