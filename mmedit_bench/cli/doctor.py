"""`mmedit-bench doctor`: is this installation fit to measure with?"""

from __future__ import annotations

import click

from mmedit_bench.cli.output import Output, speaks

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.option(
    "--probes",
    type=click.IntRange(min=2),
    default=48,
    show_default=True,
    help="Probes of the stability check.",
)
@click.option("--device", default="cpu", show_default=True, help="Device of the stability check.")
@click.option("--dtype", default="float32", show_default=True, help="Number type of the stability check.")
@speaks
def doctor(probes: int, device: str, dtype: str, output: Output) -> None:
    """Check versions, data, plugins, checkpoints and numerical stability.

    The last one asks every backbone the same probes in batches of one and of sixteen and tells how
    many answers differ; in float32 none may. Exits with status 2 if anything has failed;
    warnings concern things that only some commands need.

    \b
    Examples:
      mmedit-bench doctor
      mmedit-bench doctor --device cuda --dtype bfloat16
    """
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
