"""VLKEB (Huang et al., 2024): counterfactual edits of what pictures of a knowledge graph's entities show."""

from mmedit_bench.datasets.annotated.suite import AnnotatedSuite
from mmedit_bench.datasets.vlkeb.dataset import CLEAN, DATASET
from mmedit_bench.datasets.vlkeb.layouts import CLEAN_VLKEB, MULTIHOP, ONEHOP, VLKEB


def edits() -> AnnotatedSuite:
    """`vlkeb`, all edits, without portability."""
    return AnnotatedSuite(VLKEB)


def onehop() -> AnnotatedSuite:
    """`vlkeb-onehop`, the edits with a question one fact away, and the fact itself in words."""
    return AnnotatedSuite(ONEHOP)


def multihop() -> AnnotatedSuite:
    """`vlkeb-multihop`, the edits with questions one to four facts away."""
    return AnnotatedSuite(MULTIHOP)


def clean() -> AnnotatedSuite:
    """`vlkeb-clean`, `vlkeb` without leaks and shortcuts."""
    return AnnotatedSuite(CLEAN_VLKEB)


__all__ = ["CLEAN", "DATASET", "clean", "edits", "multihop", "onehop"]
