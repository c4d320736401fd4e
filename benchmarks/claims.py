"""The tables of docs/results/index.md, written anew from the documents of the results.

    python benchmarks/claims.py

A table has its place between the marks

    <!-- claim NAME -->
    <!-- /claim -->

and is made of what `mmedit-bench reproduce` wrote under docs/results/SCALE/*.json; nothing is measured.
What stands around the tables is written by hand: read it again after this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from marked import names_of, put_between_marks

from mmedit_bench.rendering.markdown import line
from mmedit_bench.rendering.wording import difference, seconds, size
from mmedit_bench.reproduce import hard
from mmedit_bench.reproduce.published import compares

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PAGE = RESULTS / "index.md"
GENERATION, FORCED = "generation", "teacher_forced_token"
MEAN, HARD = "mean", "hard"
SCALES = ("embedded", "small")
NEAR = (
    "reliability/main", "text_generality/main", "image_generality/main", "image_generality/unseen_artist",
    "text_image_generality/main", "text_locality/main", "image_locality/main", "near_text",
    "image_locality/same_question", "image_locality/same_image",
)  # fmt: skip
"""The columns that `hard` is made of, and what they are called here."""
NEAR_HEADS = (
    "Rel", "other words", "other picture", "unseen artist", "both", "random text", "random picture",
    "near text", "same question", "same picture",
)  # fmt: skip

Block = Mapping[str, Any]
Row = Mapping[str, Any]


@cache
def document(scale: str, target: str) -> Any:
    """What was measured. Raises `FileNotFoundError` where it was not."""
    return json.loads((RESULTS / scale / f"{target}.json").read_bytes())


def blocks(scale: str, target: str) -> list[Block]:
    """The blocks of a document; none where the target was not measured at that scale."""
    return list(document(scale, target)["blocks"]) if _there(scale, target) else []


def _there(scale: str, target: str) -> bool:
    return (RESULTS / scale / f"{target}.json").exists()


def value(row: Row, column: str, family: str = GENERATION) -> float | None:
    """A number of a row; None where it has none."""
    cell = row.get("cells", {}).get(family, {}).get(column)
    return None if not cell else float(cell["value"])


def one_step(scale: str) -> str:
    """Mean of five and `hard` of every editor in every block, the best `hard` over all blocks first."""
    own = blocks(scale, "table1")
    rows = _by_key(own)
    order = sorted(rows, key=lambda key: _rank(rows[key], len(own)))
    head = ["editor"]
    for block in own:
        head += [f"{_of(block)}: mean", "hard"]
    best = {
        (title, column): max(
            (v for found in rows.values() if (v := value(found.get(title, {}), column)) is not None),
            default=None,
        )
        for title in (block["title"] for block in own)
        for column in (MEAN, HARD)
    }
    lines = []
    for key in order:
        texts = [_label(rows[key])]
        for block in own:
            row = rows[key].get(block["title"], {})
            for column in (MEAN, HARD):
                found = value(row, column)
                text = "" if found is None else f"{found:.1f}"
                top = found is not None and found == best.get((block["title"], column))
                texts.append(f"**{text}**" if top else text)
        lines.append(texts)
    return _table(head, lines)


def best_and_unike(_: str = "") -> str:
    """Who leads each block, by both summaries, and how far UniKE is from it edit by edit."""
    lines = []
    for scale in SCALES:
        for block in blocks(scale, "table1"):
            texts = [_of(block)]
            rows = {row["key"]: row for row in block["rows"] if not row.get("control") and "cells" in row}
            for column in (MEAN, HARD):
                scored = [row for row in rows.values() if value(row, column) is not None]
                first = max(scored, key=lambda row: value(row, column) or 0.0, default=None)
                own = (first or {}).get("difference", {}).get(GENERATION, {}).get(column)
                texts += [
                    "" if first is None else f"{first['label']} {value(first, column):.1f}",
                    _one(value(rows.get("unike", {}), column)),
                    "" if own is None else difference(**own),
                ]
            lines.append(texts)
    return _table(
        ["block", "best mean", "UniKE", "best minus UniKE", "best hard", "UniKE", "best minus UniKE"], lines
    )


def told_apart(_: str = "") -> str:
    """Of the pairs of the paper's editors, how many each summary tells apart."""
    own = [block for scale in SCALES for block in blocks(scale, "table1")]
    lines = [[_of(b), str(b["edits"]), *map(str, hard.told_apart(b, GENERATION))] for b in own]
    return _table(["block", "edits", "pairs", "apart by the mean of five", "apart by hard"], lines)


def near(scale: str) -> str:
    """What `hard` is made of, of the paper's editors, averaged over the blocks of a scale."""
    own = blocks(scale, "table1")
    rows = _by_key(own)
    chosen = [key for key in rows if key in compares()]
    lines = [
        [
            _label(rows[key]),
            *(_one(_average_or_none(value(row, column) for row in rows[key].values())) for column in NEAR),
        ]
        for key in sorted(chosen, key=lambda key: _rank(rows[key], len(own)))
    ]
    return _table(["editor", *NEAR_HEADS], lines)


def forced(scale: str, target: str = "table1") -> str:
    """The mean of five by teacher forcing, as the paper measures, beside what it prints."""
    own = blocks(scale, target)
    rows = _by_key(own)
    chosen = [key for key in rows if any(row.get("published") for row in rows[key].values())]
    head = ["editor"]
    for block in own:
        head += [f"{_of(block)}: here", "printed"]
    lines = []
    for key in chosen:
        texts = [_label(rows[key])]
        for block in own:
            row = rows[key].get(block["title"], {})
            printed = (row.get("published") or {}).get(MEAN)
            texts += [_one(value(row, MEAN, FORCED)), "" if printed is None else f"{printed:.1f}"]
        lines.append(texts)
    return _table(head, lines)


def costs(scale: str) -> str:
    """Seconds of an edit and the most memory of the process that made the run, block by block."""
    own = blocks(scale, "table1")
    rows = _by_key(own, controls=True)
    head = ["editor"]
    for block in own:
        head += [f"{_of(block)}: s/edit", "peak"]
    lines = []
    for found in rows.values():
        texts = [_label(found)]
        for block in own:
            row = found.get(block["title"], {})
            took, most = row.get("seconds_per_edit"), row.get("peak_bytes")
            texts += ["" if took is None else seconds(took), "" if not most else size(most)]
        lines.append(texts)
    return _table(head, lines)


def parts(scale: str) -> str:
    """Table 4: by generation, then by teacher forcing beside what the paper prints."""
    lines = []
    for block in blocks(scale, "table4"):
        for row in block["rows"]:
            printed = row.get("published") or {}
            texts = [_of(block), row["label"], *(_one(value(row, column)) for column in (MEAN, HARD))]
            for column in (MEAN, "reliability/main"):
                own = printed.get(column)
                texts += [_one(value(row, column, FORCED)), "" if own is None else f"{own:.1f}"]
            lines.append(texts)
    head = ["block", "row", "mean", "hard", "mean by teacher forcing", "printed"]
    return _table([*head, "reliability by teacher forcing", "printed"], lines)


def many(scale: str) -> str:
    """The mean of five of one edit alone and after more and more edits of one sequence."""
    walked = blocks(scale, "table2")
    backbones = {block["backbone"] for block in walked}
    alone = [block for block in blocks(scale, "table1") if block["backbone"] in backbones]
    own = sorted([*alone, *walked], key=lambda block: (_task(block) != "vqa", _length(block)))
    rows = {key: found for key, found in _by_key(own).items() if len(found) == len(own)}
    last = max((block for block in own if _task(block) == "vqa"), key=_length, default={})
    lines = [
        [_label(rows[key]), *(_one(value(rows[key][block["title"]], MEAN)) for block in own)]
        for key in sorted(rows, key=lambda key: -(value(rows[key][last["title"]], MEAN) or 0.0))
    ]
    return _table(["editor", *(f"{_task(block)}, {_length(block)}" for block in own)], lines)


CLAIMS: Mapping[str, tuple[Callable[[str], str], str]] = {
    "one-step": (one_step, "embedded"),
    "one-step-small": (one_step, "small"),
    "best": (best_and_unike, ""),
    "told-apart": (told_apart, ""),
    "near": (near, "embedded"),
    "near-small": (near, "small"),
    "forced": (forced, "embedded"),
    "forced-small": (forced, "small"),
    "costs-small": (costs, "small"),
    "parts": (parts, "embedded"),
    "parts-small": (parts, "small"),
    "many": (many, "embedded"),
    "many-forced": (partial(forced, target="table2"), "embedded"),
}
"""Each table: how it is made, and of which scale."""


def main() -> None:
    """Writes the page anew."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(text: str) -> str:
    """The page with all its tables made anew. Exits for a place whose table is not known."""
    for name in names_of(text, "claim"):
        if name not in CLAIMS:
            raise SystemExit(f"there is no claim {name!r}; there are {', '.join(CLAIMS)}")
        make, scale = CLAIMS[name]
        text = put_between_marks(text, "claim", name, make(scale))
    return text


# ---- small things


def _by_key(own: Iterable[Block], *, controls: bool = False) -> dict[str, dict[str, Row]]:
    """By key of a row, by title of its block, the row; those that were measured."""
    found: dict[str, dict[str, Row]] = {}
    for block in own:
        for row in block["rows"]:
            if "cells" in row and (controls or not row.get("control")):
                found.setdefault(row["key"], {})[block["title"]] = row
    return found


def _label(found: Mapping[str, Row]) -> str:
    """What a row is called; where a number in it differs between blocks, both."""
    return " / ".join(dict.fromkeys(row["label"] for row in found.values()))


def _length(block: Block) -> int:
    """Edits on top of each other."""
    return int(block.get("protocol_options", {}).get("length", 1))


def _task(block: Block) -> str:
    return str(block["suite"]).removeprefix("picturebook-")


def _of(block: Block) -> str:
    walked = f", {_length(block)} edits" if _length(block) > 1 else ""
    return f"{_task(block)}, `{block['backbone']}`{walked}"


def _rank(found: Mapping[str, Row], blocks: int) -> tuple[int, float]:
    """To sort by: the best average `hard` first, and last who lacks a block, which may be the hardest."""
    values = [own for row in found.values() if (own := value(row, HARD)) is not None]
    return blocks - len(values), -(_average_or_none(values) or 0.0)


def _average_or_none(values: Iterable[float | None]) -> float | None:
    own = [found for found in values if found is not None]
    return sum(own) / len(own) if own else None


def _one(found: float | None) -> str:
    return "" if found is None else f"{found:.1f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = f"|---|{'---:|' * (len(head) - 1)}"
    return "\n".join([line(head, keep=True), rule, *(line(own, keep=True) for own in lines)])


if __name__ == "__main__":
    main()
