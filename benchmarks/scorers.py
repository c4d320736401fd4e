"""How far published scorers disagree about one and the same run, and how far prompt formats do.

    python benchmarks/scorers.py [--limit 40] [--out runs/scorers]

Every run records the ten most likely tokens at every position, and is scored by all families. Rows of
the first three tables are runs, columns are scorers; families that measure the same stand in one column,
and that they agree is checked. The last two tables ask in the words of each line and score as it does.
Runs that lie in the folder are not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmedit_bench.datasets.prompts import CLEAN, FORMATS, in_format
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.rendering.grid import Grid, rendered
from mmedit_bench.rendering.wording import number
from mmedit_bench.runs.evidence import TOP10
from mmedit_bench.scoring.score import scored
from mmedit_bench.scoring.scores import RunScores

BACKBONES = ("minigpt4-mini", "blip2-opt-mini")
SUITES_ASKED = ("picturebook-vqa", "picturebook-caption")
EDITORS = ("ft", "t-patcher", "ike", "ike-memory")
WORDED = ("minigpt4-mini", "picturebook-vqa", ("ft", "t-patcher"))
"""Where prompt formats are compared."""

ANSWERS = ("legacy_editor", "liveedit", "teacher_forced_token")
"""The same measurement under three names."""
TRAINER = ("legacy_trainer_exact", "legacy_trainer_token")

Column = tuple[str, tuple[str, ...]]
"""Heading, and the families that must agree in it."""

RELIABILITY: tuple[Column, ...] = (
    ("generation", ("generation",)),
    ("forced, whole", ("teacher_forced_exact",)),
    ("trainer, exact", ("legacy_trainer_exact",)),
    ("token average: all other lines", ("legacy_trainer_token", "legacy_editor_ike", *ANSWERS)),
)
TEXT: tuple[Column, ...] = (
    ("generation", ("generation",)),
    ("forced, whole", ("teacher_forced_exact",)),
    ("answer positions: editor, LiveEdit", ANSWERS),
    ("first token, all positions: trainer", TRAINER),
    ("ten ranks, all positions: editor's IKE", ("legacy_editor_ike",)),
)
IMAGE: tuple[Column, ...] = (
    *TEXT[:3],
    ("ten ranks, all positions: trainer, editor's IKE", (*TRAINER, "legacy_editor_ike")),
)
TABLES = (
    ("Reliability", "reliability/main", RELIABILITY),
    ("Text locality", "text_locality/main", TEXT),
    ("Image locality", "image_locality/main", IMAGE),
)
LINES = {
    CLEAN: ("generation", "legacy_trainer_exact", "legacy_editor"),
    "legacy-trainer": ("generation", "legacy_trainer_exact"),
    "legacy-editor": ("generation", "legacy_editor"),
    "liveedit": ("generation", "liveedit"),
}
"""Families that a format is scored by: what a model says, and the lines that ask so."""
SHOWN = ("reliability/main", "text_generality/main", "text_locality/main", "image_locality/main")


def agreed(scores: RunScores, key: str, families: Sequence[str]) -> str:
    """The number that these families give, which is one."""
    cells = [scores.family(name).overall[key] for name in families]
    assert len({cell.value for cell in cells}) == 1, (scores.spec.folder_name, key, families)
    return number(cells[0])


def main() -> None:
    """Make what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("runs/scorers"))
    options = parser.parse_args()
    workshop = Workshop()

    def scores_of(backbone: str, suite: str, editor: str) -> RunScores:
        order = Order(suite=suite, backbone=backbone, editor=editor, limit=options.limit, evidence=(TOP10,))
        folder = workshop.run(order, options.out).folder
        return scored(folder, SUITES.load(suite)(), legacy=True)

    found = {
        (backbone, suite, editor): scores_of(backbone, suite, editor)
        for backbone in BACKBONES
        for suite in SUITES_ASKED
        for editor in EDITORS
    }
    grids = []
    for title, key, columns in TABLES:
        rows = [
            (*names, *(agreed(scores, key, families) for _, families in columns))
            for names, scores in found.items()
        ]
        grids.append(
            Grid(
                title, f"{options.limit} edits of each suite's evaluation split, in percent.",
                ("backbone", "suite", "editor", *(heading for heading, _ in columns)), tuple(rows), words=3,
            )
        )  # fmt: skip
    backbone, suite, editors = WORDED
    for editor in editors:
        rows = []
        for format in (CLEAN, *FORMATS):
            scores = scores_of(backbone, in_format(suite, format), editor)
            for family in LINES[format]:
                cells = scores.family(family).overall
                rows.append((format, family, str(scores.counts.done), *(number(cells[key]) for key in SHOWN)))
        grids.append(
            Grid(
                f"Prompt formats: {editor} on {backbone}, {suite}", "In percent.",
                ("format", "scored by", "edits", "Rel", "T-Gen", "T-Loc", "M-Loc"), tuple(rows), words=2,
            )
        )  # fmt: skip
    print(rendered(grids, "markdown"))


if __name__ == "__main__":
    main()
