"""Picturebook, the embedded data set: drawings of things and flags, facts about them, edits of the facts."""

from mmedit_bench.datasets.picturebook.dataset import DATASET
from mmedit_bench.datasets.picturebook.suite import PicturebookSuite


def vqa() -> PicturebookSuite:
    """`picturebook-vqa`, the counterpart of MMEdit's E-VQA."""
    return PicturebookSuite("vqa")


def caption() -> PicturebookSuite:
    """`picturebook-caption`, the counterpart of MMEdit's E-IC."""
    return PicturebookSuite("caption")


def mix() -> PicturebookSuite:
    """`picturebook-mix`, the cases of both: for what happens when tasks are edited side by side."""
    return PicturebookSuite("mix")


__all__ = ["DATASET", "PicturebookSuite", "caption", "mix", "vqa"]
