"""MMEdit's suites in the words of published evaluations; see `datasets.prompts`."""

from __future__ import annotations

from mmedit_bench.datasets.mmedit import caption, vqa
from mmedit_bench.datasets.prompts import FormattedFiles


def vqa_legacy_trainer() -> FormattedFiles:
    """`mmedit-vqa-legacy-trainer`."""
    return FormattedFiles(vqa(), "legacy-trainer")


def vqa_legacy_editor() -> FormattedFiles:
    """`mmedit-vqa-legacy-editor`."""
    return FormattedFiles(vqa(), "legacy-editor")


def vqa_liveedit() -> FormattedFiles:
    """`mmedit-vqa-liveedit`."""
    return FormattedFiles(vqa(), "liveedit")


def caption_legacy_trainer() -> FormattedFiles:
    """`mmedit-caption-legacy-trainer`."""
    return FormattedFiles(caption(), "legacy-trainer")


def caption_legacy_editor() -> FormattedFiles:
    """`mmedit-caption-legacy-editor`."""
    return FormattedFiles(caption(), "legacy-editor")


def caption_liveedit() -> FormattedFiles:
    """`mmedit-caption-liveedit`."""
    return FormattedFiles(caption(), "liveedit")
