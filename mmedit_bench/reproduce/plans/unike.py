"""Plans of UniKE's parts and of its settings."""

from __future__ import annotations

from mmedit_bench.reproduce.plan import Place, Plan, PlanRow
from mmedit_bench.reproduce.plans.places import ABLATED, EMBEDDED, UNIKE
from mmedit_bench.reproduce.plans.sequences import WALKS

NO_COLLABORATION = {"zeta": "none", "gate": "mass"}
"""Plain attention over the memory (Eq. 2, 8, 9): neither zeta nor a learned alpha."""

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

PARTS = Plan(
    "sequence-parts",
    "What each part of UniKE is worth in a sequence",
    tuple(
        Place(
            backbone, suite, named, task, "", "sequential",
            {"length": 20, **WALKS}, "20 edits in a row",
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
    ABLATED,
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
    ABLATED,
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
    ABLATED,
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
    ABLATED,
    (PlanRow("null", "before"), PlanRow("ft", "FT"), PlanRow("mend", "MEND"), PlanRow(UNIKE, "UniKE")),
    limit=20,
    published="Figure 5",
    against=UNIKE,
    form="spaces",
    draws=UNIKE,
)
