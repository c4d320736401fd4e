"""VLKEB's suites in the words of published evaluations; see `datasets.prompts`.

LiveEdit puts no template around VLKEB's edits.
"""

from __future__ import annotations

from mmedit_bench.datasets.prompts import FormattedFiles
from mmedit_bench.datasets.vlkeb import edits, multihop, onehop


def edits_legacy_trainer() -> FormattedFiles:
    """`vlkeb-legacy-trainer`."""
    return FormattedFiles(edits(), "legacy-trainer")


def edits_legacy_editor() -> FormattedFiles:
    """`vlkeb-legacy-editor`."""
    return FormattedFiles(edits(), "legacy-editor")


def edits_liveedit() -> FormattedFiles:
    """`vlkeb-liveedit`."""
    return FormattedFiles(edits(), "liveedit", bare=True)


def onehop_legacy_trainer() -> FormattedFiles:
    """`vlkeb-onehop-legacy-trainer`."""
    return FormattedFiles(onehop(), "legacy-trainer")


def onehop_legacy_editor() -> FormattedFiles:
    """`vlkeb-onehop-legacy-editor`."""
    return FormattedFiles(onehop(), "legacy-editor")


def onehop_liveedit() -> FormattedFiles:
    """`vlkeb-onehop-liveedit`."""
    return FormattedFiles(onehop(), "liveedit", bare=True)


def multihop_legacy_trainer() -> FormattedFiles:
    """`vlkeb-multihop-legacy-trainer`."""
    return FormattedFiles(multihop(), "legacy-trainer")


def multihop_legacy_editor() -> FormattedFiles:
    """`vlkeb-multihop-legacy-editor`."""
    return FormattedFiles(multihop(), "legacy-editor")


def multihop_liveedit() -> FormattedFiles:
    """`vlkeb-multihop-liveedit`."""
    return FormattedFiles(multihop(), "liveedit", bare=True)
