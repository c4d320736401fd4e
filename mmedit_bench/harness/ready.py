"""Making an editor ready for its first edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from mmedit_bench.datasets.suite import TRAIN, Suite
from mmedit_bench.errors import BadData
from mmedit_bench.harness.artefacts import Artefact, Progress, prepared
from mmedit_bench.harness.seeds import seed_everything

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Editor, Trained


def made_ready(
    editor: Editor,
    base: Backbone,
    suite: Suite,
    *,
    seed: int,
    artefacts: Path | None = None,
    progress: Progress | None = None,
    edits: bool = True,
) -> Artefact | None:
    """Give the editor what it needs before its first edit, from the training split.

    Trains it, or reads what it has learned; None for one that is not trained. Without `edits`, where
    others make them, that is all. Raises `BadData` for a suite without a training split.
    """
    prepare, train = getattr(editor, "prepare", None), getattr(editor, "train", None)
    if not prepare and not train:
        return None
    if TRAIN not in suite.splits:
        raise BadData(f"suite {suite.name} has no split {TRAIN!r} to prepare {editor.name} with")
    cases, artefact = suite.cases(TRAIN), None
    if train:
        seed_everything(seed, "train")
        artefact = prepared(
            cast("Trained", editor), base, cases, seed=seed, folder=artefacts, progress=progress
        )
    if prepare and edits:
        seed_everything(seed, "prepare")
        prepare(base.unedited(), cases)
    return artefact
