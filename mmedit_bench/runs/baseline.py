"""What the unedited backbone says to the probes of a suite: the measure of what an edit changed.

A baseline belongs to suite, backbone and way of asking, not to a run. It holds the token ids of the
references and the readings before any edit, and is what `score` compares a run's records with. A
run's manifest names the digest of the part it used, so that two runs can be seen to be measured
against the same.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadRecord, naming
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.files import MOST_BYTES, append_all, make_folder, parsed, read_regular
from mmedit_bench.runs.spec import RunSpec, canonical

FOLDER = "baselines"
"""Name of the folder beside the runs."""

ASKING = (
    "suite", "suite_digest", "split", "backbone", "backbone_digest", "dtype", "device", "batch_size",
    "threads", "evidence", "asking_code", "torch", "transformers",
)  # fmt: skip
"""The parts of a spec that can change an unedited answer."""


class NotInBaseline(BadRecord):
    """A case that a baseline does not hold."""


@dataclass(frozen=True, slots=True)
class BaseProbe:
    """One probe before any edit."""

    id: str
    target: tuple[int, ...]
    """Token ids of the reference, end token included."""
    reading: Reading


@dataclass(frozen=True, slots=True)
class Baseline:
    """Answers to requests, by case, and readings of probes, by case."""

    kinds: tuple[str, ...]
    """The evidence that is recorded."""
    answers: Mapping[str, str] = field(default_factory=dict)
    probes: Mapping[str, tuple[BaseProbe, ...]] = field(default_factory=dict)

    def digest(self, considered: Sequence[str], kept: Sequence[str]) -> str:
        """sha256 (hex) of the part that a run uses: the requests considered and the cases kept."""
        found = hashlib.sha256()
        for case in considered:
            found.update(self._answer_line(case))
        for case in kept:
            found.update(self._probe_line(case))
        return found.hexdigest()

    def with_answers(self, answers: Mapping[str, str]) -> Baseline:
        """One that knows these answers to requests too."""
        return Baseline(self.kinds, {**self.answers, **answers}, self.probes)

    def with_probes(self, case: str, probes: Sequence[BaseProbe]) -> Baseline:
        """One that knows the readings of a case too."""
        return Baseline(self.kinds, self.answers, {**self.probes, case: tuple(probes)})

    def lines(self, answers: Iterable[str], probes: Iterable[str]) -> bytes:
        """The lines of a baseline file for these cases."""
        found = [*map(self._answer_line, answers), *map(self._probe_line, probes)]
        return b"".join(found)

    def _answer_line(self, case: str) -> bytes:
        if case not in self.answers:
            raise NotInBaseline(f"no answer to the request of case {case}")
        return (canonical({"case": case, "answer": self.answers[case]}) + "\n").encode()

    def _probe_line(self, case: str) -> bytes:
        if case not in self.probes:
            raise NotInBaseline(f"no readings of case {case}")
        probes = [
            {"id": one.id, "target": list(one.target), **one.reading.as_dict(self.kinds)}
            for one in self.probes[case]
        ]
        return (canonical({"case": case, "probes": probes}) + "\n").encode()


def path_for(folder: Path, asking: Mapping[str, Any]) -> Path:
    """The baseline's file in a folder of baselines; `asking` has the parts of a spec that decide it."""
    key = canonical({name: asking[name] for name in ASKING})
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.jsonl"


def path_of(folder: Path, spec: RunSpec) -> Path:
    """The file of a run's baseline in a folder of baselines."""
    return path_for(folder, spec.as_dict())


def read_baseline(path: Path, kinds: Sequence[str]) -> Baseline:
    """What a baseline file holds; a missing file holds nothing.

    A line that a killed writer left torn is passed over. Raises `BadRecord` for any other damage,
    and where a case has two different lines.
    """
    try:
        data = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return Baseline(tuple(kinds))
    if b"\r" in data:
        raise BadRecord(
            f"{path} has line ends of another system; remove the file, `mmedit-bench run` makes it anew"
        )
    answers: dict[str, str] = {}
    probes: dict[str, tuple[BaseProbe, ...]] = {}
    for number, raw in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            values = parsed(raw)
            case = values["case"]
            if not isinstance(case, str):
                raise BadRecord("case is no text")
            if values.keys() == {"case", "answer"} and isinstance(values["answer"], str):
                if answers.setdefault(case, values["answer"]) != values["answer"]:
                    raise BadRecord(f"case {case} has two different answers")
            elif values.keys() == {"case", "probes"}:
                read = tuple(_base_probe(item, kinds) for item in values["probes"])
                if probes.setdefault(case, read) != read:
                    raise BadRecord(f"case {case} has two different readings")
            else:
                raise BadRecord("neither an answer nor readings")
        except (BadRecord, KeyError, TypeError, AttributeError, ValueError) as error:
            raise BadRecord(
                f"{path}, line {number}: {error}; remove the file, `mmedit-bench run` makes it anew"
            ) from None
    return Baseline(tuple(kinds), answers, probes)


def append(path: Path, data: bytes) -> None:
    """Add whole lines to a baseline file, which several processes may do at a time."""
    make_folder(path.parent)
    with naming(path), path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, 2)
        if size:
            # a line that a killed writer left torn goes: nothing after it could be told apart from it
            file.seek(max(0, size - (1 << 24)))
            tail = file.read()
            if not tail.endswith(b"\n"):
                file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
        append_all(path, data, sync=False)  # what is lost with the machine is asked again


def _base_probe(values: Any, kinds: Sequence[str]) -> BaseProbe:
    if not isinstance(values, dict):
        raise BadRecord("a probe is an object")
    own = dict(values)
    id, target = own.pop("id"), own.pop("target")
    if not isinstance(id, str) or not isinstance(target, list):
        raise BadRecord("a probe has an id and a target")
    if len(target) < 2 or not all(type(token) is int and token >= 0 for token in target):
        raise BadRecord(f"probe {id}: target must be at least two token ids, the end token last")
    reading = Reading.from_dict(own, kinds)
    if reading.argmax is None or len(reading.argmax) != len(target):
        raise BadRecord(f"probe {id}: argmax and target differ in length")
    return BaseProbe(id, tuple(target), reading)
