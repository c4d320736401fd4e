"""Plans of edits on top of each other, and of what they are pooled with."""

from __future__ import annotations

from dataclasses import replace

from mmedit_bench.reproduce.plan import Place, Plan
from mmedit_bench.reproduce.plans.one_step import TABLE1
from mmedit_bench.reproduce.plans.places import CAPTION, UNIKE, VQA, minigpt4

_STATELESS = ("copy-target", "ike", "ike-legacy")
"""What has no sequence: demonstrations in front of every question, and an oracle. Gated memory has one."""

SEQUENCES = tuple(
    replace(row, published={"ft": "FT", "null": None}.get(row.editor, row.published))
    for row in TABLE1.rows
    if row.editor not in _STATELESS and not row.options
)

_DECAY = (
    "null", "ft", "ft-l", "ke", "t-patcher", "mend", "ike-memory", "serac", "lora", "grace", "wise", UNIKE,
)  # fmt: skip

WALKS = {"sequences": 5, "orders": 2}
"""Intervals resample sequences; two orders of each say what an order is worth, more add little."""

TABLE2 = Plan(
    "table2",
    "Sequential editing",
    tuple(
        Place(
            *minigpt4(suite),
            f"Table 2{letter}",
            "sequential",
            {"length": length, **WALKS},
            f"{length} edits in a row",
        )
        for letter, suite, length in (
            ("a", VQA, 10),
            ("b", VQA, 20),
            ("c", CAPTION, 10),
            ("d", CAPTION, 20),
        )
    ),
    SEQUENCES,
    limit=300,
    published="Table 2",
    against=UNIKE,
)

_MIX = ("picturebook-mix", "both")
TABLE3 = Plan(
    "table3",
    "Cross-task editing",
    tuple(
        Place(
            *minigpt4(_MIX),
            table,
            "cross-task",
            {"length": 10, "order": order, **WALKS},
            f"10 edits, {order}",
        )
        for table, order in (("Table 3", "interleaved"), ("", "blocked"))
    ),
    SEQUENCES,
    limit=300,
    published="Table 3",
    against=UNIKE,
)

STREAMS = Plan(
    "streams",
    "A hundred edits of both tasks in a row",
    (
        Place(
            *minigpt4(_MIX),
            "",
            "cross-task",
            # of so many edits five sequences can only be made of all cases
            {"length": 100, "order": "interleaved", "sequences": 5, "orders": 1},
            "100 edits, interleaved",
        ),
    ),
    tuple(row for row in SEQUENCES if row.editor in _DECAY),
    limit=1000,
    against=UNIKE,
)

TABLE5 = Plan(
    "table5",
    "Means over backbones and tasks",
    (
        *(
            place._replace(published_backbone=named, published_task="both", published_table=table)
            for plan, named, table in (
                (TABLE1, "BLIP-2 OPT + MiniGPT-4 (mean)", "Table 5 one-step"),
                (TABLE2, "MiniGPT-4", "Table 5 sequential"),
            )
            for place in plan.places
        ),
    ),
    (
        *(replace(row, only="one-step") for row in TABLE1.rows if row.editor in _STATELESS or row.options),
        *SEQUENCES,
    ),
    limit=300,
    published="Table 5",
    against=UNIKE,
    form="means",
    pools={"Table 5 one-step": "One-step editing", "Table 5 sequential": "Sequential editing"},
)

_LM_EVAL = {"lm-eval": {"tasks": ["picturebook-facts", "picturebook-answers"]}}
DECAY = Plan(
    "decay",
    "What is left after many edits",
    (
        Place(
            *minigpt4(VQA), "", "sequential",
            {
                "length": 50, "sequences": 6, "orders": 1, "checkpoints": [1, 5, 10, 20],
                "ages": [0, 5, 10, 20, 40], "every": 5,
            },
            "50 edits in a row",
        ),
        Place(
            *minigpt4(VQA), "", "sequential",
            {
                "length": 100, "sequences": 1, "orders": 5, "checkpoints": [1, 10, 20],
                "ages": [0, 10, 50], "every": 10, "measures": _LM_EVAL,
            },
            "100 edits in a row",
        ),
        Place(*minigpt4(VQA), "", limit=300),
    ),
    tuple(row for row in SEQUENCES if row.editor in _DECAY),
    limit=1000,
    against=UNIKE,
    form="decay",
)  # fmt: skip
