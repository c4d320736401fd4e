"""The board as values: entries, their runs, and the blocks in which runs may be compared."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from leaderboard.site.baselines import others
from leaderboard.site.entries import Head
from leaderboard.site.loading import Suites, Told, load_runs, nobody
from leaderboard.site.runs import BLIND, Run
from leaderboard.site.views import View, views_of
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import UnknownName
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.rendering.table import BlockKey as TableKey
from mmedit_bench.runs.files import read_regular
from mmedit_bench.runs.spec import RunSpec, canonical
from mmedit_bench.scoring.families import HEADLINE_FAMILY
from mmedit_bench.submissions.board_folder import MOST_CARD, BoardEntry, BoardFolder, read_board
from mmedit_bench.submissions.form import Submission

TRACK_WORDS = {"edits": "edits", "code": "sandboxed code", "self-reported": "self-reported"}
"""The badges of the tracks."""
_STANDING = {"reference": 0, "verified": 1}
"""Who comes first where entries are equal; all others come after."""
MOST_ADDED = 60
"""Signs that may stand behind an entry's name to tell runs apart; longer options give way to a mark."""
_PLAIN = ("one-step", "{}", "evaluation", None)
"""Protocol, options, split and limit that need no digest in a block's name."""


class BlockKey(NamedTuple):
    """What the runs of one block have in common. Whatever differs here is not comparable."""

    suite: str
    """Without the ending that a blind draw's name has."""
    backbone: str
    protocol: str
    options: str
    """Of the protocol, as JSON with one spelling."""
    split: str
    limit: int | None
    probes: str
    """"public" or "blind"."""
    suite_digest: str
    """Empty for blind probes: each secret draws data of its own, of which version nobody can tell."""
    backbone_digest: str
    protocol_version: str

    @property
    def setting(self) -> str:
        """The protocol, its options, split and limit in words."""
        table = TableKey("", "", "", "", None, "", "", "", self.options)
        words = [
            " ".join([self.protocol, *table.options]),
            *([self.split] if self.split != "evaluation" else []),
        ]
        return ", ".join([*words, *([] if self.limit is None else [f"first {self.limit}"])])


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission, or one of the maintainers' own editors."""

    submission: Submission
    status: str
    """"verified" (a sample was run again), "checked" (scores computed anew), "reference" (our own)."""
    verified: str
    by: str
    digest: str | None
    card: str | None
    runs: tuple[Run, ...]

    @property
    def id(self) -> str:
        """Names it in addresses."""
        return self.submission.id

    @property
    def badge(self) -> str:
        """The track in words; the maintainers' own runs are in none."""
        return "reference" if self.status == "reference" else TRACK_WORDS[self.submission.track]

    @property
    def apart(self) -> bool:
        """Whether it is shown apart and has no rank."""
        return self.submission.track == "self-reported"

    @property
    def unasked(self) -> bool:
        """Whether nobody but its authors asked anything, and it has no rank for that."""
        return self.status == "checked" and not self.apart

    def shows(self, family: str) -> bool:
        """Whether numbers of a family count: by free answers alone where foreign code gave them."""
        ours = self.status == "reference" or self.submission.track == "edits"
        return family == HEADLINE_FAMILY or ours


@dataclass(frozen=True, slots=True)
class Row:
    """One run in one block."""

    name: str
    """Unique in its block."""
    entry: Entry
    run: Run
    other_baseline: bool
    """Whether it is measured against another baseline than most of its block: no number of it can be set
    against theirs."""

    @property
    def beside(self) -> str | None:
        """Why it competes with nobody, for a rank, a front or the best place; None for whoever competes."""
        whys = {
            "self-reported": self.entry.apart, "control": self.run.scores.control,
            "another baseline": self.other_baseline, "partial": not self.run.scores.complete,
            "not asked again": self.entry.unasked,
        }  # fmt: skip
        return next((why for why, so in whys.items() if so), None)

    @property
    def status(self) -> tuple[str, ...]:
        """What a reader must know beside the numbers."""
        scores = self.run.scores
        counts = scores.counts
        words = ["control"] if scores.control else []
        words += [] if scores.complete else [f"{counts.done} of {counts.planned}, unranked"]
        words += ["another baseline, unranked"] if self.other_baseline else []
        words += ["not asked again, unranked"] if self.entry.unasked else []
        return (*words, *([f"{counts.failed} failed"] if counts.failed else []))


@dataclass(frozen=True, slots=True)
class Block:
    """Runs on the same suite, backbone and protocol, asked the same sort of probes."""

    slug: str
    """Names it in addresses."""
    key: BlockKey
    rows: tuple[Row, ...]
    views: Mapping[tuple[str, bool], View]
    """By scorer family, and whether failed edits are left out."""

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.key.suite} on {self.key.backbone}, {self.key.setting}, {self.key.probes} probes"

    @property
    def families(self) -> tuple[str, ...]:
        """The scorer families of which some row has numbers, the headline's first."""
        named = {name for name, _ in self.views}
        return tuple(sorted(named, key=lambda name: (name != HEADLINE_FAMILY, name)))


@dataclass(frozen=True, slots=True)
class Site:
    """All of the board."""

    board: Path
    head: Head
    entries: tuple[Entry, ...]
    """In the order of their ids."""
    blocks: tuple[Block, ...]
    """The one that the first page opens on comes first."""
    suites: Suites
    pages: dict[int, str]
    """By `id` of a run, the name of its page."""
    workers: int

    def page(self, run: Run) -> str:
        """The name of a run's page, without its ending: the fingerprint's first 12 digits."""
        return self.pages[id(run)]


def registered(name: str) -> Suite | None:
    """The registered suite of this name; None if there is none."""
    try:
        found: Suite = SUITES.load(name)()
    except UnknownName:
        return None
    return found


def load(
    board: BoardFolder | Path, *, suites: Suites = registered, workers: int = 1, told: Told = nobody
) -> Site:
    """A board, with all that its runs' files say. Raises `BadRecord` naming the file at fault."""
    folder = board if isinstance(board, BoardFolder) else read_board(board)
    runs = load_runs(folder, suites, workers=workers, told=told)
    entries = [_entry(*one) for one in zip(folder.entries, runs, strict=True)]
    blocks = tuple(_blocks(entries))
    return Site(folder.path, Head.of(folder), tuple(entries), blocks, suites, _pages(entries), workers)


def _entry(found: BoardEntry, runs: tuple[Run, ...]) -> Entry:
    told = found.verification
    card = None if found.card is None else read_regular(found.card, MOST_CARD).decode("utf-8", "replace")
    return Entry(found.submission, told.status, told.date, told.by, told.digest, card, runs)


def _pages(entries: Sequence[Entry]) -> dict[int, str]:
    """Two entries may have made the very same run: the plain address is that of the maintainers' or of who
    was verified, and the other's says whose it is."""
    taken: set[str] = set()
    found = {}
    for entry in sorted(entries, key=lambda one: (_STANDING.get(one.status, len(_STANDING)), one.id)):
        for run in entry.runs:
            short = run.fingerprint[:12]
            found[id(run)] = short if short not in taken else f"{short}-{entry.id}"
            taken.add(short)
    return found


def key_of(spec: RunSpec, probes: str) -> BlockKey:
    """The block that a run belongs to, asked public or blind probes."""
    blind = probes == "blind"
    return BlockKey(
        spec.suite.removesuffix(BLIND) if blind else spec.suite, spec.backbone, spec.protocol,
        canonical(spec.protocol_options), spec.split, spec.limit, probes,
        "" if blind else spec.suite_digest, spec.backbone_digest, spec.protocol_version,
    )  # fmt: skip


def _blocks(entries: Sequence[Entry]) -> list[Block]:
    grouped: dict[BlockKey, list[tuple[Entry, Run]]] = defaultdict(list)
    for entry in entries:
        for run in entry.runs:
            grouped[key_of(run.spec, run.probes)].append((entry, run))
    shared = Counter(map(_slug, grouped))
    found = []
    for key, runs in grouped.items():
        slug = _slug(key)
        slug += f"--{_digest(key)}" if shared[slug] > 1 else ""
        rows = _rows(runs, others(runs, blind=key.probes == "blind"))
        found.append(Block(slug, key, rows, views_of(rows)))
    return sorted(found, key=_opening)


def _opening(block: Block) -> tuple[object, ...]:
    """The board opens on the block in which most entries have a rank, and among equals on that where they
    differ most. An entry counts once: who sends many runs of one editor chooses nothing."""
    view = block.views[HEADLINE_FAMILY, False]
    ranked = [one for one in view.rows if one.rank]
    values = [one.cells[view.summary].value or 0.0 for one in ranked]
    spread = max(values) - min(values) if values else 0.0
    return -len({one.row.entry.id for one in ranked}), -spread, block.slug


def _slug(key: BlockKey) -> str:
    """Stable: it depends on this block alone."""
    plain = (key.protocol, key.options, key.split, key.limit) == _PLAIN
    protocol = key.protocol if plain else f"{key.protocol}-{_digest((key.options, key.split, key.limit))}"
    return re.sub(r"[^a-z0-9.-]+", "-", f"{key.suite}--{key.backbone}--{protocol}--{key.probes}".lower())


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(canonical(list(values)).encode()).hexdigest()[:8]


def _rows(runs: Sequence[tuple[Entry, Run]], apart: Sequence[bool]) -> tuple[Row, ...]:
    """Names are those of the entries, with what tells runs and namesakes apart. `apart`, by run: is it
    measured against another baseline."""

    def spelt(entry: Entry, run: Run, much: int) -> str:
        options = [f"{name}={value}" for name, value in sorted(run.spec.editor_options.items())]
        owner, mark = [entry.id] if much > 1 else [], run.fingerprint[:8]
        added = " ".join([[], options, [*owner, *options], [*owner, *options, mark]][much])
        if len(added) > MOST_ADDED or not added.isprintable():  # options are whatever a submission says
            added = " ".join([*owner, mark])
        return f"{entry.submission.name} {added}".rstrip()

    names = [spelt(entry, run, 0) for entry, run in runs]
    for much in range(1, 4):
        shared = Counter(names)
        names = [
            name if shared[name] == 1 else spelt(*one, much) for name, one in zip(names, runs, strict=True)
        ]
    return tuple(
        Row(name, entry, run, other) for name, (entry, run), other in zip(names, runs, apart, strict=True)
    )
