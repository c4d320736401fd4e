"""The files of MMEdit, pinned, and the suites made of them."""

from __future__ import annotations

from pathlib import Path

from mmedit_bench.datasets.annotated.clean import Derivation
from mmedit_bench.datasets.annotated.records import Record, Source
from mmedit_bench.datasets.annotated.roots import Place
from mmedit_bench.datasets.annotated.suite import Layout, derived_from

NAME = "mmedit"
COCO, REPHRASED = "MMEDIT_BENCH_COCO", "MMEDIT_BENCH_REPHRASED"
PLACES = (Place("val2014/", "", COCO), Place("val2014_image_rephrase/", "", REPHRASED))
DERIVATION = Path(__file__).parent / "clean.json"


def picture(record: Record) -> str:
    """What a record is about: its photograph."""
    return record.image


# Targets are what people said of the photographs (VQAv2, COCO captions), where the model said otherwise.
VQA = Layout(
    "mmedit-vqa", NAME, "vqa", "correction", PLACES,
    Source(
        "vqa_train.json", "82e242bd7fd3ab855413ba7972665c33bca920ae3b0982b71cae2af1b61700b0", 6345
    ),
    Source(
        "vqa_eval.json", "7299743ebe2854b240c6fe6f252fdb0c2ae3993ba2e5b23f07c6fee54ed1bcc0", 2093
    ),
    picture,
)  # fmt: skip
CAPTION = Layout(
    "mmedit-caption", NAME, "caption", "correction", PLACES,
    Source(
        "caption_train_edit.json", "583e306d72d06ad9106544e74cbeff5cc6105720b0cdfac675754d2f08ea9a20", 2849
    ),
    Source(
        "caption_eval_edit.json", "7c2215a419b82249c957abd12b850ef3c962d2de0d68f092c073f10bb63c2e83", 1000
    ),
    picture,
)  # fmt: skip
CLEAN_VQA = derived_from(VQA, "mmedit-clean-vqa", Derivation(DERIVATION, VQA.name))
CLEAN_CAPTION = derived_from(CAPTION, "mmedit-clean-caption", Derivation(DERIVATION, CAPTION.name))
