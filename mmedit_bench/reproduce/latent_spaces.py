"""What an editor learned, as points in the plane, and what is answered before and after its edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mmedit_bench.editors import Drawable
from mmedit_bench.errors import BenchError
from mmedit_bench.execution.local import Workshop
from mmedit_bench.protocols.steps import END
from mmedit_bench.reproduce.figures import COLORS, Drawn, saved
from mmedit_bench.reproduce.plan import Plan
from mmedit_bench.reproduce.plan_runs import Means, PlannedRun, order_for
from mmedit_bench.runs.folder import read_run

if TYPE_CHECKING:
    from mmedit_bench.cases import EditCase, Probe
    from mmedit_bench.datasets.suite import Suite

POINTS = 300
"""Codes per sort and space: enough to see a shape."""
CASES = 3
KINDS = ("reliability", "text_generality", "image_generality", "text_locality", "image_locality")


def measured(
    plan: Plan, made: Sequence[PlannedRun], suites: Mapping[str, Suite], means: Means
) -> dict[str, Any]:
    """The spaces of the editor that the plan names, on its first block, and the panel's answers.

    Raises `BenchError` if the editor has none, and without scikit-learn, naming the extra that has it.
    """
    place = plan.places[0]
    row = plan.row(plan.draws or "")
    editor, _ = Workshop(means.artefacts).trained(order_for(plan, place, row, means))
    if not isinstance(editor, Drawable):
        raise BenchError(
            f"{plan.target}: editor {row.editor!r} has nothing to draw; it needs a method spaces(), see "
            "mmedit_bench.editors.Drawable"
        )
    return {"spaces": spread(editor.spaces()), "panel": panel(made, suites[place.suite], plan.split)}


def spread(spaces: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """From codes [n, d] by space and sort to coordinates by t-SNE, and how far the sorts lie apart.

    The separation is the mean silhouette (cosine, -1 to 1) of the sorts in the full space: the
    picture alone can mislead, because t-SNE keeps neighbourhoods and not distances. A list, because
    JSON with sorted keys would lose the editor's order.
    """
    try:
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score
    except ImportError:
        raise BenchError("drawing spaces needs scikit-learn: pip install 'mmedit-bench[figures]'") from None
    found: list[dict[str, Any]] = []
    for space, codes in spaces.items():
        parts = [np.asarray(own, dtype=np.float64)[:POINTS] for own in codes.values()]
        together = np.concatenate(parts)
        labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        plane = TSNE(metric="cosine", init="random", random_state=0, perplexity=min(30, len(together) // 4))
        placed = plane.fit_transform(together).round(2)
        found.append(
            {
                "name": space,
                "separation": round(float(silhouette_score(together, labels, metric="cosine")), 3),
                "sorts": [
                    {"name": sort, "points": placed[labels == number].tolist()}
                    for number, sort in enumerate(codes)
                ],
            }
        )
    return found


def panel(made: Sequence[PlannedRun], suite: Suite, split: str) -> list[dict[str, Any]]:
    """The first cases of the runs with what each editor answers to one probe of each kind.

    The first, not the finest: nobody chose them.
    """
    states = {run.row.label: read_run(run.folder) for run in made if run.folder is not None}
    known = {case.id: case for case in suite.cases(split)}
    answers: dict[str, dict[str, str]] = {
        label: {
            probe.id: probe.reading.answer for ask in state.asks if ask.moment == END for probe in ask.probes
        }
        for label, state in states.items()
    }
    shown = []
    for id in next(iter(states.values())).manifest.selection.cases[:CASES]:
        case = known[id]
        probes = [probe for probe in (first(case, kind) for kind in KINDS) if probe is not None]
        shown.append(
            {
                "case": id,
                "prompt": case.request.query.prompt,
                "target": case.request.target,
                "probes": [
                    {
                        "id": probe.id,
                        "kind": probe.kind,
                        "prompt": probe.query.prompt,
                        "answers": {label: own[probe.id] for label, own in answers.items()},
                    }
                    for probe in probes
                ],
            }
        )
    return shown


def first(case: EditCase, kind: str) -> Probe | None:
    """The case's first probe of a kind in the main stratum."""
    return next((p for p in case.probes if p.kind == kind and p.stratum == "main"), None)


def drawn(document: Mapping[str, Any], suites: Mapping[str, Suite]) -> Drawn:
    """A scatter plot for each space, and below them a row of pictures, questions and answers for each case.

    Raises `BenchError` if the suite at hand lacks a case of the document.
    """
    from matplotlib.figure import Figure

    suite = suites[document["blocks"][0]["suite"]]
    known = {case.id: case for case in suite.cases(document["split"])}
    cases = document["panel"]
    labels = [row["label"] for row in document["blocks"][0]["rows"]]  # the plan's order, which JSON loses
    width = max((len(case["probes"]) for case in cases), default=1)
    figure = Figure(figsize=(3.0 * width, 4.2 + 3.4 * len(cases)), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(4.2, 3.4 * max(1, len(cases))))
    top, below = halves
    spaces = document["spaces"]
    for axis, own in zip(top.subplots(1, len(spaces), squeeze=False)[0], spaces, strict=True):
        for color, sort in zip(cycle(COLORS), own["sorts"], strict=False):
            x, y = zip(*sort["points"], strict=True) if sort["points"] else ((), ())
            axis.scatter(x, y, s=8, color=color, label=sort["name"], linewidths=0)
        axis.set_title(f"{own['name']} space (silhouette {own['separation']:.2f})", fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.legend(frameon=False, fontsize=8)
    grid = below.subplots(len(cases), width, squeeze=False)
    for row, case in zip(grid, cases, strict=True):
        if case["case"] not in known:
            raise BenchError(f"the data at hand lacks case {case['case']} of fig5.json; reproduce fig5 again")
        for axis in row:
            axis.set_axis_off()
        by_id = {probe.id: probe for probe in known[case["case"]].probes}
        for axis, probe in zip(row, case["probes"], strict=False):
            picture = by_id[probe["id"]].query.image
            if picture is not None:
                axis.imshow(picture.open())
            else:
                axis.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=8, color="#777777")
            axis.set_title(f"{probe['kind'].replace('_', ' ')}\n{_wrapped(probe['prompt'])}", fontsize=8)
            answers = probe["answers"]
            said = "\n".join(f"{label}: {_wrapped(answers[label])}" for label in labels if label in answers)
            axis.text(0.5, -0.04, said, transform=axis.transAxes, ha="center", va="top", fontsize=8)
        row[0].text(
            -0.08, 0.5, f"edit: {_wrapped(case['target'])}", transform=row[0].transAxes, rotation=90,
            ha="right", va="center", fontsize=8,
        )  # fmt: skip
    return saved(figure)


def _wrapped(text: str, width: int = 34) -> str:
    import textwrap

    plain = "".join(char if char.isprintable() else " " for char in text)
    # a dollar sign would begin a formula
    return "\n".join(textwrap.wrap(plain, width)).replace("$", r"\$")
