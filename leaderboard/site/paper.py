"""The paper's tables and figures, measured beside published, each with the command that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaderboard.site.html import write_bytes, write_page, write_text
from leaderboard.site.lazy import json_of
from leaderboard.site.model import Site
from leaderboard.site.paper_documents import FIGURES, Document, made, read_documents
from leaderboard.site.paper_tables import tables
from mmedit_bench.runs.files import read_regular

INDEX = "paper/index.html"
MOST_FIGURE = 8 << 20
"""Bytes of a figure's file at most."""
SOURCES = ("https://",)


def write(site: Site, out: Path, documents: list[Document]) -> None:
    """paper/: an index and a page for each document, their figures, and the documents themselves.

    Raises `BenchError` naming the file at fault.
    """
    listed = []
    for document in documents:
        figures = {path.suffix.lstrip("."): _figure(path, document, out) for path in document.figures}
        blocks = [_block(document.values, block) for block in document.values["blocks"]]
        page = f"{document.name}.html"
        write_text(out / "paper" / f"{document.name}.json", json_of(dict(document.values)) + "\n")
        write_page(
            site.head, out, f"paper/{page}", "paper.html.j2",
            document=document, values=document.values, figures=figures, blocks=blocks,
            source=_source(document.values), runs=_runs(document.values), panel=document.values.get("panel"),
            spaces=document.values.get("spaces"), edited_with=_editors_of(document.values.get("panel")),
        )  # fmt: skip
        listed.append((page, document, "figure" if figures else "table"))
    write_page(site.head, out, INDEX, "paper_index.html.j2", listed=listed)


def documents_of(folder: Path | None) -> list[Document]:
    """The documents in a folder; none for no folder. Raises as `read_documents`."""
    return [] if folder is None else read_documents(folder)


def _figure(path: Path, document: Document, out: Path) -> str:
    """Copy a figure and return its name below paper/. An image shows it, so no script in it can run."""
    name = f"{document.name}{path.suffix}"
    assert path.suffix in FIGURES
    write_bytes(out / "paper" / name, read_regular(path, MOST_FIGURE))
    return name


def _block(document: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": block["title"],
        "edits": block["edits"],
        "suite": block.get("suite_digest"),
        "backbone": block.get("backbone_digest"),
        "published": block.get("published_as") if any(row["published"] for row in made(block)) else None,
        "tables": tables(document, block),
        "absent": [(row["label"], str(row["error"])) for row in block["rows"] if "cells" not in row],
        "partial": [
            (row["label"], row["failed"], row["complete"])
            for row in made(block)
            if row["failed"] or not row["complete"]
        ],
    }


def _source(document: Mapping[str, Any]) -> dict[str, str] | None:
    published = document.get("published")
    if not published:
        return None
    url = str(published["source"])
    return {"table": str(published["table"]), "url": url if url.startswith(SOURCES) else ""}


def _runs(document: Mapping[str, Any]) -> list[tuple[str, str, str, str, list[str]]]:
    """Block, row, version, options and fingerprints of every run behind the document."""
    return [
        (
            block["title"], row["label"], f"{row['editor']} {row['version']}",
            ", ".join(f"{name}={value}" for name, value in sorted(row["options"].items())),
            list(row.get("fingerprints") or [row.get("fingerprint", "")]),
        )
        for block in document["blocks"]
        for row in made(block)
    ]  # fmt: skip


def _editors_of(panel: list[Mapping[str, Any]] | None) -> list[str]:
    """Whose answers a panel of edits shows, the unedited model aside."""
    names = (name for case in panel or () for probe in case["probes"] for name in probe["answers"])
    return [name for name in dict.fromkeys(names) if name != "before"]
