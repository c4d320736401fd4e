"""VLKEB and its clean derivation, for `mmedit-bench data`."""

from __future__ import annotations

from mmedit_bench.datasets.annotated.cleaning import Family
from mmedit_bench.datasets.annotated.dataset import AnnotatedDataset, Origin
from mmedit_bench.datasets.vlkeb.layouts import (
    CLEAN_VLKEB,
    DERIVATION,
    IMAGES,
    NAME,
    ONEHOP,
    VLKEB,
    entity,
)

WHERE = f"""\
Everything comes in one archive: `kaggle datasets download -d hymanh/vlkeb-data`
(https://www.kaggle.com/datasets/hymanh/vlkeb-data; an account is needed, so nothing is downloaded here).
From it, to {{data}}/vlkeb/:
  train.json, eval.json, eval_edit_onehop.json, eval_multihop.json
and its folder VLKEB_images/, to the same place (or name it in ${IMAGES}).
Then: export {{variable}}={{data}}; mmedit-bench data check vlkeb
"""

ORIGIN = Origin(WHERE)
# eval_multihop.json is not pinned and may be absent, so it is no part of what `check` asks for.
DATASET = AnnotatedDataset(NAME, (VLKEB.name, ONEHOP.name), (VLKEB, ONEHOP), ORIGIN, (VLKEB, ONEHOP))
CLEAN = AnnotatedDataset(
    "vlkeb-clean", (CLEAN_VLKEB.name,), (CLEAN_VLKEB,), ORIGIN, (VLKEB,),
    family=Family((VLKEB,), entity), derivation=DERIVATION,
)  # fmt: skip
