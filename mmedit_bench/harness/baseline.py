"""What the unedited backbone says: asked once, shared by every editor and run.

The unit of storage is a whole batch, so a stored answer and a fresh one are the same even where
batching changes the last bits. Only batches asked before any editor has met the backbone are
stored, so no editor can leave a trace in another's run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import Probe, Query
from mmedit_bench.errors import BadRecord
from mmedit_bench.harness.asking import Replies, answered, ask, sealed
from mmedit_bench.runs.records import Reading
from mmedit_bench.runs.spec import RunSpec, canonical

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

_KEY = (
    "suite_digest",
    "backbone_digest",
    "protocol_version",
    "dtype",
    "device",
    "batch_size",
    "core_code",
    "torch",
    "transformers",
)
"""The parts of a spec that can change an unedited answer."""


class BeforeStore:
    """Replies of one unedited backbone, in memory and in one append-only file under `folder`.

    Several processes may share the file: each adds whole lines in one append, and a line that is
    torn or not understood is ignored and its batch asked again.
    """

    def __init__(self, folder: Path, backbone: Backbone, spec: RunSpec) -> None:
        values = spec.as_dict()
        key = _digest({name: values[name] for name in _KEY})
        self._path = folder / f"{key[:32]}.jsonl"
        self._backbone = backbone
        self._held = dict(_lines(self._path))

    def answers(self, queries: Sequence[Query]) -> list[str]:
        """Answers to a batch of queries that need no teacher forcing."""
        key = _digest(["answers", [query.digest for query in queries]])
        try:
            answers = [str(answer) for answer in self._held[key]]
            if len(answers) == len(queries):
                return answers
        except (KeyError, TypeError):
            pass  # not stored, or not by this program
        answers = answered(self._backbone, [sealed(query) for query in queries])
        self._add(key, answers)
        return answers

    def replies(self, probes: Sequence[Probe]) -> Replies:
        """Replies to a batch of probes."""
        key = _digest(["replies", [[probe.query.digest, probe.reference] for probe in probes]])
        try:
            readings, targets = self._held[key]
            replies = Replies(
                tuple(Reading.from_dict(item) for item in readings),
                tuple(tuple(int(token) for token in target) for target in targets),
            )
            if len(replies.readings) == len(replies.targets) == len(probes):
                return replies
        except (KeyError, TypeError, ValueError, BadRecord):
            pass  # not stored, or not by this program
        replies = ask(self._backbone, probes)
        self._add(key, [[reading.as_dict() for reading in replies.readings], replies.targets])
        return replies

    def _add(self, key: str, value: Any) -> None:
        self._held[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A line feed on both sides: a torn line before this one cannot swallow it.
        line = f"\n{canonical({'key': key, 'value': value})}\n".encode()
        with self._path.open("ab", buffering=0) as file:
            file.write(line)


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    for raw in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            entry = json.loads(raw)
            yield entry["key"], entry["value"]
        except (ValueError, KeyError, TypeError):
            continue


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
