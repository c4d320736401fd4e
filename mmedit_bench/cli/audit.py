"""`mmedit-bench audit`: leaks and shortcuts of a data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks


@click.command()
@click.argument("name", metavar="DATASET")
@click.option(
    "--split", "splits", multiple=True, default=("evaluation",), show_default=True,
    help="Split that is audited against the others; repeatable.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write each suite's audit to, as SUITE.json and SUITE.md.",
)
@click.option(
    "--board",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of a board, whose page of audits is to show this: written to its audit/SUITE.json.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of all data sets; default: what MMEDIT_BENCH_DATA names.",
)
@speaks
def audit(
    name: str,
    splits: tuple[str, ...],
    out: Path | None,
    board: Path | None,
    root: Path | None,
    output: Output,
) -> None:
    """Report leaks and shortcuts of DATASET, a data set or a suite.

    What of a split stands in the others too, what gives the kind of a question away, which edits
    change nothing or contradict each other, and what targets look like. Texts are read and no
    picture; no model is asked. A data set is audited suite by suite.

    With --json one document is printed: the audit of the suite, or a list of them under "audits".

    \b
    Examples:
      mmedit-bench audit mmedit
      mmedit-bench audit vlkeb --json
      mmedit-bench audit mmedit --board board
      mmedit-bench audit picturebook-vqa --split validation --out audits
    """
    from mmedit_bench.datasets.auditing.audit import audit as audited
    from mmedit_bench.rendering.audit import audit_markdown, board_findings

    documents = []
    for suite in _suites(name, root):
        parts = [audited(suite, split) for split in splits]
        findings = [finding for part in parts for finding in part["findings"]]
        documents.append({"dataset": suite.name, "findings": findings})
    texts = [audit_markdown(document) for document in documents]
    if out is not None:
        for document, text in zip(documents, texts, strict=True):
            stored = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
            _write(out, {f"{document['dataset']}.json": stored, f"{document['dataset']}.md": text}, output)
    if board is not None:
        for document in documents:
            stored = json.dumps(board_findings(document), ensure_ascii=False, indent=1) + "\n"
            _write(board / "audit", {f"{document['dataset']}.json": stored}, output)
    one: Any = documents[0] if len(documents) == 1 else {"audits": documents}
    output.result(one, prose="\n".join(texts))


def _suites(name: str, root: Path | None) -> list[Any]:
    """The suites of a data set, or the one suite of that name. Raises `UnknownName` for neither."""
    from mmedit_bench.plugins.registry import SUITES, Registry

    sets = Registry("mmedit_bench.data", "data set")
    names = getattr(sets.load(name), "suites", (name,)) if name in sets.names() else (name,)
    suites = [SUITES.load(own)() for own in names]
    if root is None:
        return suites
    if fixed := [suite.name for suite in suites if not hasattr(suite, "at")]:
        raise click.BadParameter(f"{fixed[0]} lies where it was installed", param_hint="--root")
    return [suite.at(root) for suite in suites]


def _write(folder: Path, texts: dict[str, str], output: Output) -> None:
    from mmedit_bench.runs.files import make_folder, write_whole

    make_folder(folder)
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
        output.note(f"wrote {folder / name}")
