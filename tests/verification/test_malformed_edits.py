"""Edits of strangers, well signed and ill made: applied, told of, and never a traceback."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call
from tests.submissions.mutations import OTHERS, mutate
from tests.submissions.test_malformed import same_meaning, snapshot
from tests.verification.conftest import Submit
from tests.verification.test_verify import sign


def rewritten(path: Path, change: Any) -> None:
    """An edit file with another description, and the same tensors."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    described = change(json.loads(header["__metadata__"]["edit"]))
    header["__metadata__"]["edit"] = json.dumps(described)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def changed(rng: random.Random) -> Any:
    """One value of the description of an edit's intervention, or of its fields, otherwise."""

    def change(described: dict[str, Any]) -> dict[str, Any]:
        item = described["interventions"][0]
        place = rng.choice([described, item, item, item["plain"], item["plain"], item["plain"]])
        place[rng.choice(sorted(place))] = rng.choice(OTHERS)
        return described

    return change


def test_ill_made_edits(call: Call, submit: Submit) -> None:
    folder = submit()
    original = {path: path.read_bytes() for path in (folder / "edits").glob("*/*.safetensors")}
    for number in range(8):
        rng = random.Random(number)
        for path, data in original.items():
            path.write_bytes(data)
            rewritten(path, changed(rng))
        sign(folder)
        done = call("verify", folder, "--sample", 100, "--json")
        assert done.exit_code == 1, (number, done.output)
        assert json.loads(done.stdout)["status"] == "refused"


@pytest.mark.parametrize("number", range(6))
def test_malformed_submissions_through_the_command(call: Call, submit: Submit, number: int) -> None:
    folder = submit()
    before = snapshot(folder)
    done = mutate(folder, random.Random(7000 + number))
    found = call("verify", folder, "--sample", 1, *(("--json",) if number % 2 else ()))
    assert found.exit_code == 1 or same_meaning(folder, before), (done, found.output)
    assert isinstance(found.exception, SystemExit | None)
    if number % 2:
        assert found.exit_code == 0 or json.loads(found.stdout)["problems"]
    else:
        assert found.stdout.replace("\n", "").isprintable()
