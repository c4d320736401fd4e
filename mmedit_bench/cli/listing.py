"""`mmedit-bench list`: what is installed, whose it is, and what can be set of it."""

from __future__ import annotations

from typing import Any

import click

from mmedit_bench.cli.output import Output, speaks

KINDS = ("editors", "backbones", "suites", "protocols", "executors")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", required=False)
@speaks
def listing(kind: str, name: str | None, output: Output) -> None:
    """List installed editors, backbones, suites, protocols or executors, or the options of one editor.

    Plugins of other packages appear here as soon as the package is installed. A plugin that
    cannot be used is listed with the reason.

    \b
    Examples:
      mmedit-bench list editors
      mmedit-bench list editors unike
      mmedit-bench list backbones --json
    """
    from mmedit_bench.plugins import registry

    if name is not None:
        if kind != "editors":
            raise click.BadParameter(f"only editors have options, {kind} are listed whole", param_hint="NAME")
        found = options(name)
        output.result(found, prose=_described(name, found))
        return
    known: registry.Registry = getattr(registry, kind.upper())
    rows = [_row(known, own, editors=kind == "editors") for own in known.names()]
    output.result(rows, prose=_table(rows) if rows else f"no {kind} are installed")


def options(name: str) -> list[dict[str, Any]]:
    """What can be set of an editor: name, type, default, values per backbone that differ, range, meaning.

    Values under "published" hold on all backbones of full size.

    Of an editor that declares no `settings_type`, the keywords of its class. Raises `UnknownName`.
    """
    from mmedit_bench.plugins.registry import EDITORS
    from mmedit_bench.plugins.settings import options_of, stored

    editor = EDITORS.load(name)
    kind, folder = getattr(editor, "settings_type", None), getattr(editor, "settings_folder", None)
    if kind is None:
        return _keywords(editor)
    names = sorted(path.stem for path in folder.glob("*.yaml")) if folder else []
    files = {backbone: stored(kind, folder, backbone) for backbone in names}
    return [
        {
            "name": own.name,
            "type": own.type,
            "default": own.default,
            "backbones": {
                backbone: values[own.name]
                for backbone, values in files.items()
                if values.get(own.name, own.default) != own.default
            },
            "range": own.meaning.range or ("true or false" if own.type == "bool" else ""),
            "meaning": own.meaning.doc,
        }
        for own in options_of(kind)
    ]


def _keywords(editor: Any) -> list[dict[str, Any]]:
    """The same of a class that only its signature tells about."""
    import inspect

    rows: list[dict[str, Any]] = []
    for own in inspect.signature(editor).parameters.values():
        if own.kind not in (own.VAR_KEYWORD, own.VAR_POSITIONAL):
            kind = "" if own.annotation is own.empty else inspect.formatannotation(own.annotation)
            default = None if own.default is own.empty else own.default
            plain = default is None or isinstance(default, (bool, int, float, str))
            rows.append(
                {
                    "name": own.name,
                    "type": kind.strip("'"),  # an annotation that was never evaluated is a text
                    "default": default if plain else repr(default),
                    "backbones": {},
                    "range": "",
                    "meaning": "",
                }
            )
    return rows


def _described(name: str, found: list[dict[str, Any]]) -> str:
    """One line per option, and one below it for the backbones where its value is another."""
    if not found:
        return f"{name} has no options"
    cells = [(o["name"], _spelt(o["default"]), o["range"] or o["type"], o["meaning"]) for o in found]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = []
    for own, line in zip(found, cells, strict=True):
        shown = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        lines.append("  ".join([*shown, line[-1]]).rstrip())
        others = [f"{_spelt(value)} on {_called(file)}" for file, value in own["backbones"].items()]
        if others:
            lines.append(f"{'':{widths[0]}}  {', '.join(others)}")
    return "\n".join(lines)


def _called(file: str) -> str:
    """The backbones that a file of settings is for."""
    return "published backbones" if file == "published" else file


def _spelt(value: Any) -> str:
    """A value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
