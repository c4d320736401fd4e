"""Plans of single edits by every editor."""

from __future__ import annotations

from mmedit_bench.reproduce.plan import Plan, PlanRow
from mmedit_bench.reproduce.plans.places import EMBEDDED, UNIKE

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

SMOKE = Plan(
    "smoke",
    "Does every method take up the edits it is given, on the split it may learn from",
    EMBEDDED,
    TABLE1.rows,
    limit=20,
    split="train",
    against=UNIKE,
)
