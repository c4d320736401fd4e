"""Making derived splits: the evaluation stays as whole as it can, and training gives up what it shares.

Rules for a file of either kind (quality): an edit whose target is the recorded old answer, an edit whose
rephrased question is the question itself, an edit that contradicts or repeats an earlier one. Rules for a
training file (leaks): an edit about what an evaluation edit or an evaluation locality question shows.
An image-locality question of training that shows what an evaluation question shows is replaced by that
of another record of the same split, so that editors still have one to learn from.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.datasets.annotated.clean import SCHEMA, Derived
from mmedit_bench.datasets.annotated.records import Record, Source
from mmedit_bench.datasets.annotated.suite import Layout
from mmedit_bench.errors import BadData, naming

NO_OP = "target_is_old_answer"
SAME_WORDS = "rephrase_is_question"
CONTRADICTS = "same_question_other_target"
REPEATS = "same_question_again"
SHOWN = "picture_in_evaluation"

REASONS: Mapping[str, str] = {
    NO_OP: "the target equals the recorded old answer but for case and space around it",
    SAME_WORDS: "the rephrased question equals the question but for case and space around it",
    CONTRADICTS: "the same question about the same picture has several targets",
    REPEATS: "the same question about the same picture with the same target stands in an earlier record",
    SHOWN: "the edited picture (VLKEB: the thing in it) is that of an evaluation edit or of an evaluation "
    "locality question",
}


@dataclass(frozen=True, slots=True)
class Family:
    """Files that are cleaned together: no training file shares what any evaluation file shows.

    `shows` names what a picture shows as far as leaks go: the picture itself, or the thing in it.
    """

    layouts: tuple[Layout, ...]
    shows: Callable[[str], str]


def derive(
    family: Family, read: Callable[[Layout, Source], Sequence[Record]]
) -> list[tuple[Source, int, Derived]]:
    """For every file its source, its number of records, and what is derived from it."""
    evaluated = [record for own in family.layouts for record in read(own, own.evaluation)]
    edited = {family.shows(picture) for own in evaluated for picture in (own.image, own.image_rephrase)}
    shown = edited | {family.shows(own.m_loc) for own in evaluated}
    found = []
    for own in family.layouts:
        for source in (own.training, own.evaluation):
            everything = read(own, source)
            removed = _quality(everything)
            moved: dict[int, int] = {}
            if source is own.training:
                for record in everything:
                    if {family.shows(record.image), family.shows(record.image_rephrase)} & shown:
                        removed[SHOWN].append(record.number)
                moved = _moved(
                    own, everything, {n for ns in removed.values() for n in ns}, shown, family.shows
                )
            gone = {number for numbers in removed.values() for number in numbers}
            kept = frozenset(record.number for record in everything if record.number not in gone)
            reasons = {reason: tuple(sorted(numbers)) for reason, numbers in removed.items() if numbers}
            found.append((source, len(everything), Derived(kept, reasons, moved)))
    return found


def _quality(everything: Iterable[Record]) -> defaultdict[str, list[int]]:
    removed: defaultdict[str, list[int]] = defaultdict(list)
    asked: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in everything:
        asked[record.src, record.image].append(record)
        if _same(record.alt, record.pred):
            removed[NO_OP].append(record.number)
        if _same(record.src, record.rephrase):
            removed[SAME_WORDS].append(record.number)
    for records in asked.values():
        first = records[0]
        if any(not _same(first.alt, other.alt) for other in records):
            removed[CONTRADICTS] += [record.number for record in records]
        else:
            removed[REPEATS] += [record.number for record in records[1:]]
    return removed


def _moved(
    layout: Layout, everything: Sequence[Record], gone: set[int], shown: set[str], shows: Callable[[str], str]
) -> dict[int, int]:
    """For records whose locality question shows what the evaluation shows, the record whose one they ask.

    Drawn by a hash of file and number among the split's own questions that are free of it, so that
    train and validation do not come to share one.
    """
    givers: dict[str, dict[tuple[str, str, str], int]] = {"train": {}, "validation": {}}
    for record in everything:
        if shows(record.m_loc) not in shown:
            asked = (record.m_loc, record.m_loc_q, record.m_loc_a)
            givers[layout.split_of(record)].setdefault(asked, record.number)
    moved = {}
    for record in everything:
        if record.number in gone or shows(record.m_loc) not in shown:
            continue
        free = [n for asked, n in givers[layout.split_of(record)].items() if asked[0] != record.image]
        if not free:
            raise BadData(f"{layout.training.file}: no image-locality question is left for training")
        drawn = hashlib.sha256(f"{layout.training.file}/{record.number}".encode()).digest()
        moved[record.number] = free[int.from_bytes(drawn[:8], "big") % len(free)]
    return moved


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def write(path: Path, derived: Iterable[tuple[Source, int, Derived]]) -> None:
    """Write a derivation, whole or not at all; the same records give the same bytes."""
    parts = [json.dumps(own.as_dict(source, count), separators=(",", ":")) for source, count, own in derived]
    reasons = json.dumps(dict(REASONS), indent=1)
    text = f'{{"schema":{SCHEMA},"reasons":{reasons},"files":[\n' + ",\n".join(parts) + "\n]}\n"
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
