"""What each table and figure consists of: which editors, with which options, on which blocks.

Names of rows are those of the paper where the paper has the row. Options are those of the editor's
public settings, so every row is an ordinary run that `mmedit-bench run` makes as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mmedit_bench.errors import BenchError

UNIKE = "unike"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row of a table or one point of a curve."""

    editor: str
    label: str
    """What the row is called here; {name} stands for a setting of the run."""
    options: Mapping[str, Any] = field(default_factory=dict)
    published: str | None = None
    """The method's name in the published table; None for a row that the paper lacks."""
    curve: str | None = None
    at: float | None = None
    """Which curve the point belongs to, and where on the x axis it stands."""

    @property
    def key(self) -> str:
        """Unique among the rows of a plan."""
        return " ".join([self.editor, *(f"{name}={value}" for name, value in sorted(self.options.items()))])


class Place(NamedTuple):
    """A block: what is edited and on what it is measured, with their names in the paper."""

    backbone: str
    suite: str
    published_backbone: str
    published_task: str

    @property
    def title(self) -> str:
        """What the block is called here."""
        return f"{self.suite} on {self.backbone}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A table or figure to be measured."""

    target: str
    title: str
    places: tuple[Place, ...]
    rows: tuple[PlanRow, ...]
    limit: int
    """Edits per block."""
    split: str = "evaluation"
    published: str = ""
    """The table or figure of the paper that the numbers stand beside."""
    against: str | None = None
    """Key of the row that all others are compared with, edit by edit."""
    form: Literal["table", "curves", "bars", "spaces"] = "table"
    axis: str = ""
    """What the x axis shows."""
    draws: str | None = None
    """Key of the row whose editor's spaces are drawn; the editor is `editors.Drawable`."""

    def runs(self) -> Iterator[tuple[Place, PlanRow]]:
        """Every run, block by block."""
        for place in self.places:
            for row in self.rows:
                yield place, row

    def row(self, key: str) -> PlanRow:
        """The row with this key; there is one for `against` and for `draws`."""
        return next(row for row in self.rows if row.key == key)

    def __post_init__(self) -> None:
        keys = [row.key for row in self.rows]
        if len(set(keys)) < len(keys):
            raise BenchError(f"plan {self.target}: two rows are the same")
        if self.against is not None and self.against not in keys:
            raise BenchError(f"plan {self.target}: there is no row {self.against!r} to compare with")
        if (self.form == "spaces") != (self.draws is not None) or self.draws not in (None, *keys):
            raise BenchError(
                f"plan {self.target}: a plan of form 'spaces', and no other, names in `draws` a row whose "
                f"editor has spaces to draw; it names {self.draws!r}"
            )


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
        PlanRow("mend", "MEND", published="MEND"),
        PlanRow("ike", "IKE", published="In-Context Editing (IKE)"),
        PlanRow("ike-legacy", "IKE legacy"),
        PlanRow("ike-memory", "IKE memory"),
        PlanRow("serac", "SERAC", published="SERAC"),
        PlanRow("serac-legacy", "SERAC legacy"),
        PlanRow("unike-as-printed", "UniKE as printed"),
        PlanRow(UNIKE, "UniKE", published="UniKE"),
    ),
    limit=300,
    published="Table 1",
    against=UNIKE,
)

TABLE4 = Plan(
    "table4",
    "UniKE without some of its parts",
    EMBEDDED,  # the paper has MiniGPT-4 only; where UniKE loses, the other backbone's rows say why
    (
        PlanRow(UNIKE, "only intrinsic", {"external": "none", "zeta": "none"}, published="only Intrin"),
        PlanRow(
            UNIKE, "only latent IKE", {"intrinsic": False, **NO_COLLABORATION}, published="only Latent-IKE"
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
    tuple(
        PlanRow(UNIKE, label, {"zeta": zeta}, published=named)
        for zeta, label, named in (
            ("none", "no zeta", "w/o zeta"),
            ("random", "random direction", "random zeta"),
            ("semantic", "semantic space", "semantic zeta"),
            ("real", "truthfulness space", "zeta (full UniKE)"),
        )
    ),
    limit=150,
    published="Figure 4c",
    against="unike zeta=real",
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

PLANS = {plan.target: plan for plan in (TABLE1, TABLE4, FIG4A, FIG4B, FIG4C, FIG5, SMOKE)}
