"""`mmedit-bench compare RUN --with BOARD`: a local run beside the published rows of its block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmedit_bench.cli.output import Output
from mmedit_bench.cli.score import Suites
from mmedit_bench.cli.site import board_part
from mmedit_bench.errors import BenchError

FIELDS = (
    "family", "column", "name", "track", "rank", "value", "low", "high", "difference", "difference_low",
    "difference_high", "won", "lost", "why_not_paired",
)  # fmt: skip


def show(
    runs: Sequence[Path], board: Path, secret: Path | None, form: str, family: str, columns: Sequence[str],
    out: Path | None, output: Output,
) -> None:  # fmt: skip
    """Print or write the comparison. Raises `BenchError` for more than one run, and as the board does."""
    from mmedit_bench.rendering.escaping import cell as harmless
    from mmedit_bench.rendering.grid import csv_of, rendered
    from mmedit_bench.runs.files import make_folder, write_whole
    from mmedit_bench.scoring.columns import SHOWN

    if len(runs) != 1:
        raise BenchError(f"--with BOARD takes one run, and {len(runs)} are named")
    held = Suites(secret)
    # all runs of the block are of the suite that this one names; the board tells other draws by the digest
    found = board_part("beside")(runs[0], board, family, suites=lambda name: held.of(runs[0]))
    wanted = list(columns or SHOWN)
    known = list(found.cells)
    if unknown := [name for name in wanted if name not in known]:
        raise BenchError(f"there is no column {unknown[0]!r}; choose among {', '.join(known)}")
    rows = list(_exact(found, family, wanted))
    if form == "csv":
        text = csv_of(FIELDS, [tuple(map(harmless, row)) for row in rows])
    else:
        text = rendered([_grid(found, family, wanted)], form)
    if out:
        make_folder(out.parent)
        write_whole(out, text.encode())
        output.result({"written": str(out)}, prose=str(out))
        return
    values = {"block": found.title, "rows": [dict(zip(FIELDS, row, strict=True)) for row in rows]}
    output.result(values, prose=text.rstrip("\n"))


def _grid(found: Any, family: str, columns: Sequence[str]) -> Any:
    from mmedit_bench.rendering.grid import Grid
    from mmedit_bench.rendering.wording import MISSING, difference, with_margin
    from mmedit_bench.scoring.columns import column

    def line(one: Any) -> tuple[str, ...]:
        delta = one.differences.get(found.summary)
        told = MISSING if delta is None else difference(delta.value, delta.low, delta.high)
        votes = (MISSING, MISSING) if one.why else (str(one.won), str(one.lost))
        scores = (with_margin(one.cells.get(name)) for name in columns)
        return one.name, one.track, one.rank, *scores, told, *votes, one.why or ""

    mine = tuple(with_margin(found.cells.get(name)) for name in columns)
    shorts = tuple(column(name).short for name in columns)
    return Grid(
        found.title,
        f"Percent ± half the 95 % interval, by {family}. Last, this run's {column(found.summary).title} "
        "minus that of the row in points, edit by edit, and the edits on which it does better and worse.",
        ("editor", "track", "rank", *shorts, "this - row", "won", "lost", "not paired"),
        ((found.name, "", "", *mine, "", "", "", ""), *map(line, found.rows)),
        words=3,
    )


def _exact(found: Any, family: str, columns: Sequence[str]) -> Any:
    for name in columns:
        own = found.cells[name]
        yield (family, name, found.name, "local", "", own.value, own.low, own.high, *[None] * 6)
        for one in found.rows:
            cell, delta = one.cells.get(name), one.differences.get(name)
            yield (
                family, name, one.name, one.track, one.rank,
                *((cell.value, cell.low, cell.high) if cell else [None] * 3),
                *((delta.value, delta.low, delta.high) if delta else [None] * 3),
                *((None, None) if one.why else (one.won, one.lost)), one.why,
            )  # fmt: skip
