"""The files of VLKEB, pinned where they were at hand, and the suites made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmedit_bench.datasets.annotated.clean import Derivation
from mmedit_bench.datasets.annotated.records import Record, Source
from mmedit_bench.datasets.annotated.roots import Place
from mmedit_bench.datasets.annotated.suite import Layout, derived_from

NAME = "vlkeb"
IMAGES = "MMEDIT_BENCH_VLKEB_IMAGES"
PLACES = (Place("", "VLKEB_images", IMAGES),)
DERIVATION = Path(__file__).parent / "clean.json"


def entity(name: str) -> str:
    """The entity that a picture shows: the folder it lies in."""
    return name.partition("/")[0]


def thing(record: Record) -> str:
    """What a record is about: the entity in its picture."""
    return entity(record.image)


# `pred` is the name of the entity that the picture shows, the target that of another one.
VLKEB = Layout(
    "vlkeb", NAME, "vqa", "counterfactual", PLACES,
    Source("train.json", "6e40e0e9a28dc3e7523f8d48f032755fe050c5b5728344633f13113dbd6fbc01", 5000),
    Source("eval.json", "72c47efe00773bb16cd83258aff394a0894b8c29a6b02e6250717a30d1b18f13", 3174),
    thing,
)  # fmt: skip
ONEHOP = replace(
    VLKEB, name="vlkeb-onehop",
    evaluation=Source(
        "eval_edit_onehop.json", "f32256e7c317d5a18c9fe480f3d373050303e93aeaedeef9c9b4afb5c024a670", 1278
    ),
)  # fmt: skip
# The published file was not at hand when this was written: its digest, as found, is in the suite's.
MULTIHOP = replace(VLKEB, name="vlkeb-multihop", evaluation=Source("eval_multihop.json"))
CLEAN_VLKEB = derived_from(VLKEB, "vlkeb-clean", Derivation(DERIVATION, VLKEB.name))
