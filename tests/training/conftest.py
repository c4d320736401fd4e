"""A few things of Picturebook and a recipe of seconds."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from mmedit_bench.backbones.training.model import Sizes
from mmedit_bench.backbones.training.pipeline import toy
from mmedit_bench.backbones.training.recipe import Recipe
from mmedit_bench.backbones.training.tokens import train_tokenizer
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.datasets.picturebook.files import Picturebook

SIZES = Sizes(
    patch=32, vision_width=48, vision_layers=1, queries=2, qformer_width=48, qformer_layers=1,
    text_width=32, text_layers=2, text_heads=2, positions=512, vocabulary=700,
)  # fmt: skip


@pytest.fixture(scope="session")
def few() -> Picturebook:
    """Ten things of each split: flags and other things."""
    data = files.load()
    chosen = []
    for split in ("train", "validation", "evaluation"):
        for group in ("flag", "thing"):
            chosen += [e for e in data.entities if e.split == split and e.group == group][:5]
    return Picturebook(tuple(chosen), (), "few")


@pytest.fixture(scope="session")
def tokenizer(few: Picturebook) -> PreTrainedTokenizerFast:
    return train_tokenizer(few.entities, SIZES.vocabulary)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return toy(Recipe("opt"), steps=4, sizes=SIZES)
