"""A measured table as Markdown and LaTeX, from its JSON document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmedit_bench.rendering import latex as tex
from mmedit_bench.rendering import markdown as md
from mmedit_bench.rendering.wording import difference, seconds, size, with_margin
from mmedit_bench.reproduce import along, hard
from mmedit_bench.reproduce.rows import FAMILIES, apart, bounded, made, notes
from mmedit_bench.scoring.columns import CONCISE, HEADLINE, column
from mmedit_bench.scoring.families import family_named

MeasuredRow = Mapping[str, Any]


def markdown(results: Mapping[str, Any]) -> str:
    """The whole page."""
    lines = [f"# {md.escaped(results['title'])}", "", *_preface(results)]
    if results["form"] not in ("table", "means"):
        lines += ["", f"![{md.escaped(results['title'])}]({results['target']}.svg)"]
    for block in results["blocks"]:
        lines += ["", f"## {md.escaped(block['title'])}", "", *_findings(results, block)]
        for family in FAMILIES:
            lines += ["", f"**{_what(family)}**", "", *_table(results, block, family)]
        for family in FAMILIES:
            lines += hard.markdown(block, family, _against(results))
        lines += along.tables(made(block))
        lines += _absent(block)
    lines += ["", "## Runs", "", *_runs(results), ""]
    return "\n".join(lines)


def latex(results: Mapping[str, Any]) -> str:
    """Floating tables per block and family: in the paper's form, then by `hard`. Needs booktabs."""
    against = _against(results)
    found = [
        draw
        for block in results["blocks"]
        for draw in (
            *(_floating(results, block, family) for family in FAMILIES),
            *(hard.latex(results, block, family, against) for family in FAMILIES),
        )
    ]
    return "\n".join(filter(None, found))


# ---- what is said


def best_mean(block: Mapping[str, Any], family: str) -> MeasuredRow | None:
    """The complete row, controls aside, with the highest mean; the first of equals."""
    rows = [row for row in made(block) if not row["control"] and row["cells"][family]["mean"]]
    return max(rows, key=lambda row: row["cells"][family]["mean"]["value"], default=None)


def _findings(results: Mapping[str, Any], block: Mapping[str, Any]) -> list[str]:
    """Computed sentences: who has the best mean, and which rows differ from the one compared with."""
    said = [_made_of(results, block)]
    for family in FAMILIES:
        best = best_mean(block, family)
        if best is None:
            continue
        mean = best["cells"][family]["mean"]
        said.append(f"Best mean by {_short(family)}: {best['label']}, {mean['value']:.1f}{_bounds(mean)}.")
        base = next((row for row in made(block) if row["key"] == results["against"]), None)
        if base is None or not base["cells"][family]["mean"]:
            continue
        verb = "has" if base is best else "does not have"
        said.append(f"{base['label']} {verb} the best mean here; {_compared(block, family)}.")
    return [md.escaped(" ".join(said))]


def _made_of(results: Mapping[str, Any], block: Mapping[str, Any]) -> str:
    """What the numbers of a block are of."""
    of = f"The mean of {len(block['places'])} blocks, each with one vote." if "places" in block else ""
    over = f"Intervals over {block['resampled']}."
    return " ".join(part for part in (f"{block['edits']} edits per row.", of, over) if part)


def _compared(block: Mapping[str, Any], family: str) -> str:
    """Which methods differ clearly from the one compared with, as far as there are intervals to say so."""
    means = {
        row["label"]: mean
        for row in made(block)
        if not row["control"] and (mean := row.get("difference", {}).get(family, {}).get("mean"))
    }
    if means and not any(bounded(mean) for mean in means.values()):
        return f"there are too few {block['resampled']} to say which rows differ from it clearly"
    better = [label for label, mean in means.items() if apart(mean) and mean["value"] > 0]
    worse = [label for label, mean in means.items() if apart(mean) and mean["value"] < 0]
    return (
        f"clearly better than it (paired): {', '.join(better) or 'none'}; "
        f"clearly worse: {', '.join(worse) or 'none'}"
    )


def _preface(results: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    # at the paper's scale blocks are whole, or have limits of their own
    most = "" if results["limit"] is None else f", at most {results['limit']} edits per block"
    lines = [
        f"Regenerate with `{results['command']}`; it took {_minutes(results['wall_seconds'])}"
        f"{_most_memory(results)}. "
        f"{versions}. Split {results['split']}{most}.",
        "",
        "Percent ± half the 95 % interval (bootstrap; over what, each block says).",
    ]
    against = _against(results)
    if against:
        lines.append(
            f"The last column but one compares a row with {md.escaped(against)} edit by edit: difference of "
            "the means, with its paired interval."
        )
    if any(hard.ordered(block, family) for block in results["blocks"] for family in FAMILIES):
        lines.append(
            "The tables by hard: H-Gen is the mean of generality over other words, another picture, both and "
            "an unseen artist, H-Loc that of locality over random and near things, and Hard the harmonic "
            "mean of reliability and the two."
        )
    if results["published"]:
        place = f"{results['published']['table']} of <{results['published']['source']}>"
        if any(row["published"] for block in results["blocks"] for row in made(block)):
            lines.append(f"Published: {place}, {_told_apart(results)}")
        else:
            lines.append(f"After {place}, of which no numbers are on record here.")
    return lines


def _most_memory(results: Mapping[str, Any]) -> str:
    """Of the process that took the most; nothing where it was not noted."""
    rows = [row for block in results["blocks"] for row in made(block) if row.get("peak_bytes")]
    if not rows:
        return ""
    most = max(rows, key=lambda row: float(row["peak_bytes"]))
    return f" and at most {size(most['peak_bytes'])} of memory in a process ({md.escaped(most['label'])})"


def _told_apart(results: Mapping[str, Any]) -> str:
    """What tells the published numbers from those here."""
    if results.get("scale") == "paper":
        return (
            "measured by teacher forcing on models and data of these names, by lines of evaluation that "
            "differ between its rows: the comparability guide says which."
        )
    return (
        "measured by teacher forcing on full-size models and other data: a fact to stand beside, "
        "not a target."
    )


def _against(results: Mapping[str, Any]) -> str | None:
    """What the row is called that all others are compared with; None where none was made."""
    rows = (row for block in results["blocks"] for row in made(block))
    return next((row["label"] for row in rows if row["key"] == results["against"]), None)


def _minutes(wall: float) -> str:
    if not wall:
        return "time that was not taken"
    return (f"{wall / 60:.0f} minutes" if wall >= 90 else f"{wall:.0f} seconds") + " of wall time"


def _what(family: str) -> str:
    own = family_named(family)
    title = own.title[0].upper() + own.title[1:]
    return f"{title} ({own.change} where the edit should reach, {own.keep} elsewhere)"


def _short(family: str) -> str:
    return family_named(family).title


# ---- tables


def _columns(block: Mapping[str, Any], family: str) -> list[str]:
    wanted = CONCISE if "places" in block else HEADLINE
    return [key for key in wanted if any(row["cells"][family].get(key) for row in made(block))]


def _versus(against: str | None) -> list[str]:
    return [f"vs {against}"] if against else []


def _table(results: Mapping[str, Any], block: Mapping[str, Any], family: str) -> list[str]:
    columns, against = _columns(block, family), _against(results)
    head = ["editor", *(column(key).short for key in columns), *_versus(against), "s/edit"]
    lines = [md.line(head), md.line(["---", *["---:"] * (len(head) - 1)], keep=True)]
    for row in made(block):
        cells = row["cells"][family]
        texts = [
            row["label"] + (" (control)" if row["control"] else ""),
            *(with_margin(along.cell_of(cells.get(key))) for key in columns),
        ]
        texts += [_difference(row, family)] if against else []
        texts.append(seconds(row["seconds_per_edit"]))
        lines.append(md.line(texts))
        if beside := _beside(row, columns, family):
            texts = [f"*{text}*" if text else "" for text in ("published", *beside)]
            lines.append(md.line([*texts, *([""] if against else []), ""], keep=True))
    for note in notes(made(block), columns, family):
        lines += ["", md.escaped(note)]
    return lines


def _beside(row: MeasuredRow, columns: Sequence[str], family: str) -> list[str]:
    """Published percent by column, "" where there is none; empty if the row has none of them."""
    known = (row["published"] or {}) if family == "teacher_forced_token" else {}
    return (
        [f"{known[key]:.1f}" if key in known else "" for key in columns]
        if known.keys() & set(columns)
        else []
    )


def _floating(results: Mapping[str, Any], block: Mapping[str, Any], family: str) -> str:
    columns, against = _columns(block, family), _against(results)
    body = []
    for row in made(block):
        cells = row["cells"][family]
        texts = [tex.escaped(row["label"]), *(tex.numbered(along.cell_of(cells.get(key))) for key in columns)]
        texts += [_tex_difference(row, family)] if against else []
        body.append(" & ".join(texts) + r" \\")
        if beside := _beside(row, columns, family):
            texts = [r"\quad published", *beside, *([""] if against else [])]
            body.append(" & ".join(rf"\textit{{{text}}}" if text else "" for text in texts) + r" \\")
    heads = [
        tex.escaped(head) for head in ("Editor", *(column(key).short for key in columns), *_versus(against))
    ]
    caption = (
        f"{results['title']}: {block['title']}, {block['edits']} edits. "
        f"{_what(family)}; percent with half the 95 % interval (bootstrap over {block['resampled']})."
    )
    head = [" & ".join(heads) + r" \\"]
    under = notes(made(block), columns, family)
    return tex.floating(caption, f"l{'r' * (len(heads) - 1)}", head, body, under)


def _runs(results: Mapping[str, Any]) -> list[str]:
    head = ["block", "row", "version", "options", "fingerprint"]
    lines = [md.line(head), md.line(["---"] * len(head), keep=True)]
    for block in results["blocks"]:
        for row in made(block):
            options = ", ".join(f"{name}={value}" for name, value in sorted(row["options"].items()))
            texts = [block["title"], row["label"], f"{row['editor']} {row['version']}", options]
            named = " ".join(
                f"`{name[:16]}`" for name in row.get("fingerprints", [row.get("fingerprint", "")])
            )
            lines.append(md.line([*map(md.escaped, texts), named], keep=True))
    return lines


def _absent(block: Mapping[str, Any]) -> list[str]:
    lines = []
    for row in block["rows"]:
        if "cells" not in row:
            lines.append(f"- {md.escaped(row['label'])} could not be run: {md.escaped(str(row['error']))}")
        elif row["failed"] or not row["complete"]:
            lines.append(
                f"- {md.escaped(row['label'])}: {row['failed']} edits failed"
                + ("" if row["complete"] else ", not complete")
            )
    return ["", *lines] if lines else []


def _bounds(cell: Mapping[str, Any]) -> str:
    return "" if cell["low"] is None else f" [{cell['low']:.1f}, {cell['high']:.1f}]"


def _difference(row: MeasuredRow, family: str) -> str:
    mean = row.get("difference", {}).get(family, {}).get("mean")
    return "" if mean is None else difference(mean["value"], mean["low"], mean["high"])


def _tex_difference(row: MeasuredRow, family: str) -> str:
    said = _difference(row, family)
    spaced = said.replace(" ", r"\;")
    return f"${spaced}$" if said else ""
