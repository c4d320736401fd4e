"""Picturebook's suites in the words of published evaluations; see `datasets.prompts`."""

from __future__ import annotations

from mmedit_bench.datasets.picturebook.suite import PicturebookSuite
from mmedit_bench.datasets.prompts import Formatted


def vqa_legacy_trainer() -> Formatted:
    """`picturebook-vqa-legacy-trainer`."""
    return Formatted(PicturebookSuite("vqa"), "legacy-trainer")


def vqa_legacy_editor() -> Formatted:
    """`picturebook-vqa-legacy-editor`."""
    return Formatted(PicturebookSuite("vqa"), "legacy-editor")


def vqa_liveedit() -> Formatted:
    """`picturebook-vqa-liveedit`."""
    return Formatted(PicturebookSuite("vqa"), "liveedit")


def caption_legacy_trainer() -> Formatted:
    """`picturebook-caption-legacy-trainer`."""
    return Formatted(PicturebookSuite("caption"), "legacy-trainer")


def caption_legacy_editor() -> Formatted:
    """`picturebook-caption-legacy-editor`."""
    return Formatted(PicturebookSuite("caption"), "legacy-editor")


def caption_liveedit() -> Formatted:
    """`picturebook-caption-liveedit`."""
    return Formatted(PicturebookSuite("caption"), "liveedit")
