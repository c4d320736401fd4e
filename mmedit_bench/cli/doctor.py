"""`mmedit-bench doctor`: is this installation fit to measure with?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mmedit_bench.cli.idle import refuse_idle
from mmedit_bench.cli.loading import loads
from mmedit_bench.cli.output import Output, speaks

if TYPE_CHECKING:
    from mmedit_bench.execution.needs import Needs

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
_PARTS = ("total", "weights", "held", "asking", "editing", "training")


@click.command()
@click.option("--backbone", help="Examine this backbone only, together with --data; see `list backbones`.")
@click.option("--data", metavar="NAME", help="Data set or suite that it is to be edited on.")
@click.option(
    "--editor", "editors", multiple=True, help="Editor whose memory is told; repeatable; default: all."
)
@click.option(
    "--probes",
    type=click.IntRange(min=2),
    default=48,
    show_default=True,
    help="Probes of the stability check.",
)
@click.option("--device", default="cpu", show_default=True, help="Device of the checks.")
@click.option("--dtype", default="float32", show_default=True, help="Number type of the checks.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Queries at once."
)
@loads
@speaks
def doctor(
    backbone: str | None,
    data: str | None,
    editors: tuple[str, ...],
    probes: int,
    device: str,
    dtype: str,
    batch_size: int,
    loading: dict[str, str],
    output: Output,
) -> None:
    """Check versions, data, plugins, checkpoints and numerical stability.

    The last one asks every backbone the same probes in batches of one and of sixteen and tells how
    many answers differ; in float32 none may.

    With --backbone and --data, one backbone on one data set: whether weights and files are here, the
    memory that each editor needs beside what there is, disk room, digests, an edit made and dropped
    again, and stability; then the command to run. Memory is computed from the architecture, so the
    table needs no weights. Nothing is downloaded.

    Exits with status 2 if anything has failed; warnings concern things that only some commands need.

    \b
    Examples:
      mmedit-bench doctor
      mmedit-bench doctor --device cuda --dtype bfloat16
      mmedit-bench doctor --backbone minigpt4-mini --data picturebook
      mmedit-bench doctor --backbone blip2-opt-2.7b --data mmedit --device cuda --dtype bfloat16
    """
    if (backbone is None) != (data is None):
        raise click.UsageError("--backbone and --data belong together: name both, or neither")
    if backbone is not None and data is not None:
        order = {"backbone": backbone, "device": device, "dtype": dtype, "batch_size": batch_size}
        _examine(output, order | {"loading": loading}, data, editors, probes)
        return
    if editors or loading:
        raise click.UsageError("--editor, --weights and the like are for --backbone and --data")
    refuse_idle("without --backbone and --data: all are asked in batches of 1 and 16", "batch_size")
    from mmedit_bench.execution.diagnosis import diagnose

    findings = []
    for finding in diagnose(probes=probes, device=device, dtype=dtype):
        findings.append(finding)
        output.say(f"{_MARKS[finding.status]}  {finding.name}: {finding.detail}")
    failed = [finding.name for finding in findings if finding.status == "fail"]
    verdict = f"to mend: {', '.join(failed)}" if failed else "fit to measure with"
    facts = [{"name": f.name, "status": f.status, "detail": f.detail} for f in findings]
    output.result({"findings": facts, "failed": failed}, prose=verdict)
    if failed:
        raise SystemExit(2)


def _examine(output: Output, order: dict[str, Any], data: str, editors: tuple[str, ...], probes: int) -> None:
    """One backbone on one data set."""
    from mmedit_bench.execution.diagnosis import Finding
    from mmedit_bench.execution.examination import Examination
    from mmedit_bench.execution.order import Order

    examination = Examination(Order(suite=data, editor="", **order), data, editors, probes)
    facts: list[dict[str, Any]] = []
    table: dict[str, Any] | None = None
    for found in examination.findings():
        if isinstance(found, Finding):
            facts.append({"name": found.name, "status": found.status, "detail": found.detail})
            output.say(f"{_MARKS[found.status]}  {found.name}: {found.detail}")
        else:
            table = found.as_dict()
            output.say(_table(found))
    failed, command = list(dict.fromkeys(examination.failed)), examination.command()
    verdict = f"to mend: {', '.join(failed)}; then" if failed else "next"
    result = {"findings": facts, "failed": failed, "memory": table, "next": command}
    output.result(result, prose=f"{verdict}: {command}")
    if failed:
        raise SystemExit(2)


def _table(needs: Needs) -> str:
    """A line per editor, in one unit."""
    largest = max((line.need.total for line in needs.lines if line.need), default=0)
    unit, size = ("GB", 1e9) if largest > 1e9 else ("MB", 1e6)
    load, how = needs.load, "counted" if needs.counted else "estimated"
    rows: list[tuple[str, ...]] = [("editor", "together", *_PARTS[1:], "an edit", "trains", "goes back")]
    for line in needs.lines:
        if line.need is None or line.demand is None:
            rows.append((line.editor, line.problem, *[""] * 8))
            continue
        parts = [f"{getattr(line.need, part) / size:.1f}" for part in _PARTS]
        numbers = max(
            [line.demand.fit.numbers if line.demand.fit else 0, *(f.numbers for f in line.demand.learned)]
        )
        back = "{} x {}".format(*line.backward) if line.backward[0] else ""
        size_of = _bytes(line.demand.edit.nbytes)
        rows.append((line.editor, *parts, size_of, f"{numbers:,}" if numbers else "", back))
    known = [row for row in rows if row[2]]
    widths = [max(len(row[i]) for row in known) for i in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = [
        f"memory on {needs.backbone}, {needs.dtype}, in {unit}, an estimate:",
        "together = weights + held + the largest of asking, editing and training; held is what an editor",
        f"keeps and what the backbone remembers at most; {load.batch} questions at once of {load.question}",
        f"tokens, {load.picture} of a picture and {load.answer} of an answer ({how}, the longest of "
        f"{needs.suite});",
        "an edit goes back so many times through so many decoder layers at most",
        *([] if load.picture else ["its pictures have as many tokens as their size asks for: not counted"]),
    ]
    for row in rows:
        if not row[2]:
            lines.append(f"  {row[0].ljust(widths[0])}  {row[1]}")
            continue
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
