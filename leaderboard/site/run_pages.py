"""A page for every run: its configuration, on what it rests, its files, and the command that repeats it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.commands import run_command
from leaderboard.site.cells import COSTS, CellView, cell_view, cost_view
from leaderboard.site.details_block import keys_of
from leaderboard.site.editor_pages import COLUMNS
from leaderboard.site.html import write_bytes, write_page
from leaderboard.site.model import Block, Entry, Site, key_of
from leaderboard.site.runs import BLIND, Run
from mmedit_bench.rendering.wording import size
from mmedit_bench.runs.files import MOST_BYTES, read_regular
from mmedit_bench.runs.spec import canonical
from mmedit_bench.scoring.columns import column

FILES = (
    ("manifest.json", "configuration, cases and digests"),
    ("scores.json", "every number, with its interval"),
    ("predictions.jsonl.gz", "every answer, one line for each step"),
    ("timings.jsonl.gz", "what each edit cost"),
)
SECRET = frozenset({"predictions.jsonl.gz"})
"""Files that name the probes and hold what was read of each: of a blind draw they are its secret's, and
nothing on a board says that a secret is published."""
_DIGESTS = ("suite_digest", "backbone_digest", "editor_code", "artefact", "asking_code", "walking_code")
_ENVIRONMENT = ("device", "dtype", "threads", "batch_size", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Download:
    """One file of a run."""

    name: str
    about: str
    size: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The headline by one family."""

    name: str
    title: str
    cells: tuple[CellView, ...]
    left_out: tuple[CellView, ...]
    """The same without the failed edits; empty where none failed."""


def write(site: Site, out: Path) -> None:
    """Write runs/<fingerprint>.html, and beside the other data the files of each run."""
    blocks = {block.key: block for block in site.blocks}
    for entry in site.entries:
        for run in entry.runs:
            _write(site, entry, run, blocks[key_of(run.spec, run.probes)], out)


def _write(site: Site, entry: Entry, run: Run, block: Block, out: Path) -> None:
    page = site.page(run)
    offered = [(name, about) for name, about in FILES if run.probes != "blind" or name not in SECRET]
    spec = run.spec.as_dict()
    shown = {*_DIGESTS, *_ENVIRONMENT}
    write_page(
        site.head,
        out,
        f"runs/{page}.html",
        "run.html.j2",
        entry=entry,
        run=run,
        block=block,
        key=keys_of(block.rows)[[row.run is run for row in block.rows].index(True)],
        scores=run.scores,
        spec=[(name, _said(value)) for name, value in spec.items() if name not in shown],
        digests=[*((name, _said(spec[name])) for name in _DIGESTS), *_measured(run)],
        environment=[(name, _said(spec[name])) for name in _ENVIRONMENT],
        columns=[column(key) for key in COLUMNS],
        families=list(_families(site, entry, run, block)),
        costs=[(item, cost_view(run.scores.cost, item.key)) for item in COSTS],
        downloads=[_download(run, name, about, out / "data" / "runs" / page) for name, about in offered],
        folder=f"data/runs/{page}/",
        command=_command(run),
    )


def _families(site: Site, entry: Entry, run: Run, block: Block) -> Iterator[FamilyResult]:
    for name in block.families:
        cells = run.cells(name)
        if not entry.shows(name) or cells is None:
            continue
        without = run.cells(name, left_out=True) if run.scores.counts.failed else None
        yield FamilyResult(
            name,
            block.views[name, False].family.title,
            tuple(cell_view(cells.get(key)) for key in COLUMNS),
            tuple(cell_view(without.get(key)) for key in COLUMNS) if without else (),
        )


def _measured(run: Run) -> list[tuple[str, str]]:
    found = [("predictions", run.scores.predictions), ("baseline", run.scores.baseline)]
    return found + ([] if run.scores.artefact is None else [("learned values", run.scores.artefact)])


def _said(value: object) -> str:
    return value if isinstance(value, str) else "none" if value is None else canonical(value)


def _command(run: Run) -> str:
    command = run_command(run.spec)
    if run.probes != "blind":
        return command
    return command.replace(
        f"--suite {run.spec.suite}", f"--suite {run.spec.suite.removesuffix(BLIND)}", 1
    ) + (" --secret FILE")


def _download(run: Run, name: str, about: str, place: Path) -> Download:
    data = read_regular(run.folder / name, MOST_BYTES)
    write_bytes(place / name, data)
    return Download(name, about, size(len(data)), hashlib.sha256(data).hexdigest())
