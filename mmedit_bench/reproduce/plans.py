"""What each table and figure consists of: which editors, with which options, on which blocks.

Names of rows are those of the paper where the paper has the row. Options are those of the editor's
public settings, so every row is an ordinary run that `mmedit-bench run` makes as well.
"""

from __future__ import annotations

from dataclasses import replace

from mmedit_bench.reproduce.plan import Place, Plan, PlanRow

UNIKE = "unike"

_OPT, _MINIGPT4 = ("blip2-opt-mini", "BLIP-2 OPT"), ("minigpt4-mini", "MiniGPT-4")
_VQA, _CAPTION = ("picturebook-vqa", "vqa"), ("picturebook-caption", "caption")

EMBEDDED = tuple(
    Place(backbone, suite, named, task)
    for backbone, named in (_OPT, _MINIGPT4)
    for suite, task in (_VQA, _CAPTION)
)
"""Both mini backbones on both tasks of Picturebook."""
_FIGURE = EMBEDDED[2:3]
"""The paper ablates on MiniGPT-4."""


def _minigpt4(suite: tuple[str, str]) -> tuple[str, str, str, str]:
    """The first fields of a place on the backbone that the paper's sequences are measured on."""
    return _MINIGPT4[0], suite[0], _MINIGPT4[1], suite[1]


NO_COLLABORATION = {"zeta": "none", "gate": "mass"}
"""Plain attention over the memory (Eq. 2, 8, 9): neither zeta nor a learned alpha."""

TABLE1 = Plan(
    "table1",
    "One-step editing",
    EMBEDDED,
    (
        PlanRow("null", "no edit", published="Base"),
        PlanRow("copy-target", "copy target"),
        PlanRow("ft", "FT", published="FT (last layer)"),
        PlanRow("ft-vision", "FT vision"),
        PlanRow("ft-l", "FT-L"),
        PlanRow("ke", "KE", published="KE"),
        PlanRow("t-patcher", "T-Patcher", published="T-Patcher"),
        # the published weight of what keeps patches quiet, whatever the search chose
        PlanRow("t-patcher", "T-Patcher, weight 5", {"memory_weight": 5.0}, published="T-Patcher"),
        PlanRow("mend", "MEND", published="MEND"),
        PlanRow("ike", "IKE, {demonstrations} demonstrations", published="In-Context Editing (IKE)"),
        # where the search chose none: what it turned down
        PlanRow(
            "ike",
            "IKE, {demonstrations} demonstrations",
            {"demonstrations": 8},
            published="In-Context Editing (IKE)",
        ),
        PlanRow("ike-legacy", "IKE legacy"),
        PlanRow("ike-memory", "IKE memory"),
        PlanRow("serac", "SERAC", published="SERAC"),
        PlanRow("serac-legacy", "SERAC legacy"),
        PlanRow("lora", "LoRA"),
        PlanRow("projector", "projector"),
        PlanRow("grace", "GRACE"),
        PlanRow("wise", "WISE"),
        PlanRow("unike-as-printed", "UniKE as printed"),
        PlanRow(UNIKE, "UniKE", published="UniKE"),
    ),
    limit=300,
    published="Table 1",
    against=UNIKE,
)

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

_WALKS = {"sequences": 5, "orders": 2}
"""Intervals resample sequences; two orders of each say what an order is worth, more add little."""

TABLE2 = Plan(
    "table2",
    "Sequential editing",
    tuple(
        Place(
            *_minigpt4(suite),
            f"Table 2{letter}",
            "sequential",
            {"length": length, **_WALKS},
            f"{length} edits in a row",
        )
        for letter, suite, length in (
            ("a", _VQA, 10),
            ("b", _VQA, 20),
            ("c", _CAPTION, 10),
            ("d", _CAPTION, 20),
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
            *_minigpt4(_MIX),
            table,
            "cross-task",
            {"length": 10, "order": order, **_WALKS},
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
            *_minigpt4(_MIX),
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

TABLE4 = Plan(
    "table4",
    "UniKE without some of its parts",
    EMBEDDED,  # the paper has MiniGPT-4 only; where UniKE loses, the other backbone's rows say why
    (
        PlanRow(UNIKE, "only intrinsic", {"external": "none", "zeta": "none"}, published="only Intrin"),
        *(
            PlanRow(
                UNIKE, label, {"intrinsic": False, **own, **NO_COLLABORATION}, published="only Latent-IKE"
            )
            for label, own in (
                ("only latent IKE, {top_k} states of the store", {}),  # as many as validation chose
                ("only latent IKE, {top_k} states of the store", {"top_k": 40}),  # as the paper has them
                ("only latent IKE, own states alone", {"top_k": 0}),
            )
        ),
        PlanRow(
            UNIKE,
            "intrinsic and IKE, {examples} examples",  # as many as validation chose for IKE
            {"external": "context", "zeta": "none"},
            published="Intrin + IKE",
        ),
        PlanRow(
            UNIKE,
            "intrinsic and IKE, {examples} examples",  # as few as the paper has anywhere (Figure 4a)
            {"external": "context", "examples": 8, "zeta": "none"},
            published="Intrin + IKE",
        ),
        PlanRow(UNIKE, "intrinsic and latent IKE", NO_COLLABORATION, published="Intrin + Latent-IKE"),
        PlanRow(UNIKE, "UniKE", published="UniKE (full)"),
    ),
    limit=300,
    published="Table 4",
    against=UNIKE,
)

_LM_EVAL = {"lm-eval": {"tasks": ["picturebook-facts", "picturebook-answers"]}}
DECAY = Plan(
    "decay",
    "What is left after many edits",
    (
        Place(
            *_minigpt4(_VQA), "", "sequential",
            {
                "length": 50, "sequences": 6, "orders": 1, "checkpoints": [1, 5, 10, 20],
                "ages": [0, 5, 10, 20, 40], "every": 5,
            },
            "50 edits in a row",
        ),
        Place(
            *_minigpt4(_VQA), "", "sequential",
            {
                "length": 100, "sequences": 1, "orders": 5, "checkpoints": [1, 10, 20],
                "ages": [0, 10, 50], "every": 10, "measures": _LM_EVAL,
            },
            "100 edits in a row",
        ),
        Place(*_minigpt4(_VQA), "", limit=300),
    ),
    tuple(row for row in SEQUENCES if row.editor in _DECAY),
    limit=1000,
    against=UNIKE,
    form="decay",
)  # fmt: skip

PARTS = Plan(
    "sequence-parts",
    "What each part of UniKE is worth in a sequence",
    tuple(
        Place(
            backbone, suite, named, task, "", "sequential",
            {"length": 20, **_WALKS}, "20 edits in a row",
        )
        for backbone, suite, named, task, *_ in (EMBEDDED[0], EMBEDDED[2])
    ),
    (
        PlanRow("t-patcher", "T-Patcher"),
        PlanRow(UNIKE, "without zeta", {"zeta": "none"}),
        PlanRow(UNIKE, "without memory", {"external": "none"}),
        PlanRow(UNIKE, "without both", {"external": "none", "zeta": "none"}),
        PlanRow(UNIKE, "without pairs", {"intrinsic": False}),
        PlanRow(UNIKE, "pairs in one layer", {"layers": 1}),
        PlanRow(UNIKE, "quieter pairs", {"memory_weight": 0.03}),
        PlanRow(UNIKE, "UniKE"),
    ),
    limit=300,
    against=UNIKE,
)  # fmt: skip

_COUNTS = (8, 16, 24, 32, 40)

FIG4A = Plan(
    "fig4a",
    "Examples as text or as states, both with intrinsic editing",
    _FIGURE,
    (
        *(
            PlanRow(
                UNIKE, f"IKE {k}", {"external": "context", "examples": k, "zeta": "none"}, curve="IKE", at=k
            )
            for k in _COUNTS
        ),
        *(
            PlanRow(UNIKE, f"latent IKE {k}", {"top_k": k, **NO_COLLABORATION}, curve="latent IKE", at=k)
            for k in _COUNTS
        ),
    ),
    limit=150,
    published="Figure 4a",
    form="curves",
    axis="number of examples",
)

FIG4B = Plan(
    "fig4b",
    "A fixed share of external knowledge against the dynamic one",
    _FIGURE,
    (
        *(
            PlanRow(UNIKE, f"alpha {a}", {"gate": "fixed", "weight": a}, curve="fixed", at=a)
            for a in (0.0, 0.2, 0.4, 0.6, 0.8)
        ),
        PlanRow(UNIKE, "dynamic", {"gate": "dynamic"}, curve="dynamic"),
    ),
    limit=150,
    published="Figure 4b",
    against="unike gate=dynamic",
    form="curves",
    axis="weight of external knowledge",
)

FIG4C = Plan(
    "fig4c",
    "Which direction steers the values",
    _FIGURE,
    (
        PlanRow(UNIKE, "no zeta", {"zeta": "none"}, published="w/o zeta"),
        # a map that each edit learns from zero can turn any direction into any other; a frozen one cannot
        *(
            PlanRow(UNIKE, f"{label}{said}", {"w_zeta": w_zeta, "zeta": zeta}, published=named)
            for w_zeta, said in (("edit", ""), ("store", ", frozen map"))
            for zeta, label, named in (
                ("random", "random direction", "random zeta"),
                ("semantic", "semantic space", "semantic zeta"),
                ("real", "truthfulness space", "zeta (full UniKE)"),
            )
        ),
    ),
    limit=150,
    published="Figure 4c",
    against="unike w_zeta=edit zeta=real",
    form="bars",
)

FIG5 = Plan(
    "fig5",
    "The two spaces of the encoders, and what is answered before and after an edit",
    _FIGURE,
    (PlanRow("null", "before"), PlanRow("ft", "FT"), PlanRow("mend", "MEND"), PlanRow(UNIKE, "UniKE")),
    limit=20,
    published="Figure 5",
    against=UNIKE,
    form="spaces",
    draws=UNIKE,
)

SMOKE = Plan(
    "smoke",
    "Does every method take up the edits it is given, on the split it may learn from",
    EMBEDDED,
    TABLE1.rows,
    limit=20,
    split="train",
    against=UNIKE,
)

PLANS = {
    plan.target: plan
    for plan in (
        TABLE1,
        TABLE2,
        TABLE3,
        STREAMS,
        TABLE4,
        TABLE5,
        DECAY,
        PARTS,
        FIG4A,
        FIG4B,
        FIG4C,
        FIG5,
        SMOKE,
    )
}
