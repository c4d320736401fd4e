"""MMEdit (Cheng et al., 2023): E-VQA and E-IC, edits of answers and captions about COCO's photographs."""

from mmedit_bench.datasets.annotated.suite import AnnotatedSuite, MixedSuite
from mmedit_bench.datasets.mmedit.dataset import CLEAN, DATASET
from mmedit_bench.datasets.mmedit.layouts import CAPTION, CLEAN_CAPTION, CLEAN_VQA, VQA


def vqa() -> AnnotatedSuite:
    """`mmedit-vqa`, E-VQA as published."""
    return AnnotatedSuite(VQA)


def caption() -> AnnotatedSuite:
    """`mmedit-caption`, E-IC as published."""
    return AnnotatedSuite(CAPTION)


def mix() -> MixedSuite:
    """`mmedit-mix`, the cases of both in turn."""
    return MixedSuite("mmedit-mix", (vqa(), caption()))


def clean_vqa() -> AnnotatedSuite:
    """`mmedit-clean-vqa`, E-VQA without leaks and shortcuts."""
    return AnnotatedSuite(CLEAN_VQA)


def clean_caption() -> AnnotatedSuite:
    """`mmedit-clean-caption`, E-IC without leaks and shortcuts."""
    return AnnotatedSuite(CLEAN_CAPTION)


def clean_mix() -> MixedSuite:
    """`mmedit-clean-mix`, the cases of both clean suites in turn."""
    return MixedSuite("mmedit-clean-mix", (clean_vqa(), clean_caption()))


__all__ = ["CLEAN", "DATASET", "caption", "clean_caption", "clean_mix", "clean_vqa", "mix", "vqa"]
