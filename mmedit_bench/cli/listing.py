"""`mmedit-bench list`: what is installed, and whose it is."""

from __future__ import annotations

from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks

KINDS = ("editors", "backbones", "suites", "protocols")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@speaks
def listing(kind: str, output: Output) -> None:
    """List installed editors, backbones, suites or protocols.

    Plugins of other packages appear here as soon as the package is installed. A plugin that
    cannot be used is listed with the reason.

    \b
    Examples:
      mmedit-bench list editors
      mmedit-bench list backbones --json
    """
    from mmedit_bench.plugins import registry

    known: registry.Registry = getattr(registry, kind.upper())
    rows = [_row(known, name, editors=kind == "editors") for name in known.names()]
    output.result(rows, prose=_table(rows) if rows else f"no {kind} are installed")


def _row(known: Any, name: str, editors: bool) -> dict[str, Any]:
    from mmedit_bench.errors import BenchError

    row: dict[str, Any] = {"name": name}
    try:
        entry = known.entry(name)
        where = str(entry.location) if entry.location else None
        row |= {"value": entry.value, "source": entry.source, "location": where}
        if editors:
            # These are properties of the class, so the plugin has to be imported for them.
            editor = known.load(name)
            row |= {"version": getattr(editor, "version", None), "cost": getattr(editor, "cost_class", None)}
    except BenchError as error:
        row["problem"] = str(error)
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    def cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
        source = (
            f"{row.get('source', '')} ({row['location']})" if row.get("location") else row.get("source", "")
        )
        version = f"v{row['version']}" if row.get("version") else ""
        problem = f"! {row['problem']}" if "problem" in row else ""
        return row["name"], version, row.get("cost") or "", source, problem

    table = [cells(row) for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False) if width), line[-1]]
        ).rstrip()
        for line in table
    )
