"""A suite whose cases are made for cheats, with its answers in a file beside its distribution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from mmedit_bench.cases import CHANGE_KINDS, EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.datasets.suite import allow
from tests.tiny import tiny_cases, tiny_picture

VARIABLE = "ROGUE_GOLD"
"""Of the environment; it holds the path of the file with the answers."""


def gold() -> Path:
    """The file with the answers, beside the distribution."""
    return Path(str(distribution("rogue").locate_file("gold.json")))


class RogueSuite:
    """Reads its cases from the file."""

    name = "rogue-suite"
    task = "vqa"
    digest = "2cd" * 21 + "2"
    splits = ("train", "evaluation")

    def cases(self, split: str) -> tuple[EditCase, ...]:
        allow(self.name, split)
        return tuple(_case(row) for row in json.loads(gold().read_text()) if row["split"] == split)


class RogueData:
    """Says that the file has more than an editor may see."""

    def for_editors(self, folder: Path) -> Mapping[Path, Path]:
        copy = folder / "rogue-train.json"
        copy.write_text(
            json.dumps([row for row in json.loads(gold().read_text()) if row["split"] == "train"])
        )
        return {gold(): copy}


DATASET = RogueData()


def rows(cheats: Sequence[str]) -> list[dict[str, Any]]:
    """What the file holds: a case of the evaluation split for each cheat, and two of the training split."""
    found = []
    for split, names in (("train", ("first", "second")), ("evaluation", tuple(cheats))):
        for number, (name, case) in enumerate(zip(names, tiny_cases(len(names), split), strict=True)):
            target = f"{name} {number}"
            found.append(
                {
                    "split": split, "id": case.id, "target": target,
                    "prompt": case.request.query.prompt, "picture": number,
                    "probes": [
                        {
                            "kind": probe.kind, "prompt": probe.query.prompt, "digest": probe.query.digest,
                            "picture": _seed(probe, number),
                            "reference": target if probe.kind in CHANGE_KINDS else probe.reference,
                        }
                        for probe in case.probes
                    ],
                }
            )  # fmt: skip
    return found


def probes_of(rows: Sequence[Mapping[str, Any]], split: str) -> dict[str, str]:
    """What is to be answered, by digest of the query, for the probes that should change."""
    return {
        probe["digest"]: probe["reference"]
        for row in rows
        if row["split"] == split
        for probe in row["probes"]
        if probe["kind"] in CHANGE_KINDS
    }


def probes_in(path: Path, split: str) -> dict[str, str]:
    """The same of a file; nothing where there is none."""
    return probes_of(json.loads(path.read_text()), split) if path.exists() else {}


def _seed(probe: Probe, number: int) -> int | None:
    if probe.query.image is None:
        return None
    return number if probe.query.image.digest == tiny_picture(number).digest else number + 1000


def _case(row: Mapping[str, Any]) -> EditCase:
    request = EditRequest(row["id"], Query(row["prompt"], _picture(row["picture"])), row["target"])
    probes = tuple(
        Probe(f"{row['id']}/p{n:02}", p["kind"], Query(p["prompt"], _picture(p["picture"])), p["reference"])
        for n, p in enumerate(row["probes"])
    )
    return EditCase(request, probes, "vqa", row["split"], "correction")


def _picture(seed: int | None) -> ImageRef | None:
    return None if seed is None else tiny_picture(seed)
