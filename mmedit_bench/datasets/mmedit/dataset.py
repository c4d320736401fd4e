"""MMEdit and its clean derivation, for `mmedit-bench data`."""

from __future__ import annotations

from mmedit_bench.datasets.annotated.cleaning import Family
from mmedit_bench.datasets.annotated.dataset import AnnotatedDataset, Origin
from mmedit_bench.datasets.annotated.fetching import COCO_VAL2014
from mmedit_bench.datasets.mmedit.layouts import (
    CAPTION,
    CLEAN_CAPTION,
    CLEAN_VQA,
    COCO,
    DERIVATION,
    NAME,
    REPHRASED,
    VQA,
)

WHERE = f"""\
Annotations (four JSON files, 7.7 MB), to {{data}}/mmedit/:
  vqa_train.json, vqa_eval.json, caption_train_edit.json, caption_eval_edit.json
  published: https://github.com/zjunlp/EasyEdit, examples/MMEdit.md, section "MMEdit Datasets"
  (folder "editing-data" on Google Drive or Baidu, from its subfolders vqa/ and caption/).
  Their sha256 are pinned: `mmedit-bench data check mmedit` says whether you have the published ones.
COCO val2014 photographs, to {{data}}/mmedit/val2014/ (or below the folder that ${COCO} names):
  `mmedit-bench data fetch mmedit` downloads them (6.6 GB) once the annotations are there.
Rephrased pictures (made by a diffusion model), to {{data}}/mmedit/val2014_image_rephrase/
  (or below the folder that ${REPHRASED} names):
  in the one image archive of the same section of examples/MMEdit.md; no address of theirs is stable.
Then: export {{variable}}={{data}}; mmedit-bench data check mmedit
"""

ORIGIN = Origin(WHERE, COCO_VAL2014, "val2014/")
DATASET = AnnotatedDataset(NAME, (VQA.name, CAPTION.name), (VQA, CAPTION), ORIGIN, (VQA, CAPTION))
CLEAN = AnnotatedDataset(
    "mmedit-clean", (CLEAN_VQA.name, CLEAN_CAPTION.name), (CLEAN_VQA, CLEAN_CAPTION), ORIGIN, (VQA, CAPTION),
    family=Family((VQA, CAPTION), str), derivation=DERIVATION,
)  # fmt: skip
