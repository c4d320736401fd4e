"""A thousand malformed submissions: no traceback, every problem named, in bounded time."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmedit_bench.errors import BenchError
from mmedit_bench.submissions.checks import Examined
from mmedit_bench.submissions.digests import Digests
from tests.submissions import made
from tests.submissions.mutations import mutate

EACH, PARTS = 100, 10
LONGEST = 5.0
"""Seconds for one, on a machine that does ten other things."""


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("valid"))


@pytest.fixture(scope="module")
def sequential(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose units have segments, moments and several edits."""
    options = {"length": 5, "orders": 2, "checkpoints": [2]}
    spec = {"protocol": "sequential", "protocol_version": "2", "protocol_options": options}
    return made.write(tmp_path_factory.mktemp("sequential"), track="code", spec=spec)


def stands(examined: Examined) -> None:
    """Whatever was found can be printed and written, and nothing of it is empty."""
    for problem in examined.problems:
        texts = (problem.code, problem.where, problem.text, problem.fix)
        assert all(isinstance(text, str) and text for text in texts), problem
        "".join(texts).encode()
        assert problem.where.isprintable() and len(problem.text) < 2000


def snapshot(folder: Path) -> dict[str, object]:
    """Every name with what it is."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else path.lstat().st_mode
        for path in folder.rglob("*")
    }


def same_meaning(folder: Path, before: dict[str, object]) -> bool:
    """Whether nothing was changed but how digests.json is spelled."""
    after = snapshot(folder)
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    own = after.get("digests.json")
    if names - {"digests.json"} or not isinstance(own, bytes):
        return False
    return told(own) == told(before["digests.json"])  # type: ignore[arg-type]


def told(data: bytes) -> object:
    """What digests.json says, its package's name and version aside: nothing rests on them."""
    digests, problems = Digests.parse(data)
    if digests is None:
        return problems
    return digests.files, digests.package["sha256"], digests.suites, digests.backbones


@pytest.mark.parametrize("part", range(PARTS))
def test_a_thousand(part: int, valid: Path, sequential: Path, tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    for number in range(part * EACH, (part + 1) * EACH):
        rng = random.Random(number)
        original = valid if number % 3 else sequential
        folder = Path(shutil.copytree(original, tmp_path / str(number)))
        before = snapshot(folder)
        done = [mutate(folder, rng) for _ in range(rng.choice((1, 1, 1, 2, 4)))]
        signed = number % 2 == 0
        if signed:
            try:
                made.sign(folder)
            except (BenchError, OSError, UnicodeError):
                signed = False  # links, pipes and names of this kind have no digest
        started = time.perf_counter()
        examined = made.looked_at(folder)
        assert time.perf_counter() - started < LONGEST, (number, done)
        stands(examined)
        found.update({problem.code for problem in examined.problems})
        if not signed:  # else it is another submission, as good as its maker
            assert examined.problems or same_meaning(folder, before), (number, done)
        shutil.rmtree(folder)
    assert len(found) > 15, found


FILES = (
    "submission.yaml", "digests.json", "environment.txt", "manifest.json", "predictions.jsonl",
    "timings.jsonl", "edit",
)  # fmt: skip

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda own: st.lists(own, max_size=4) | st.dictionaries(st.text(max_size=10), own, max_size=4),
    max_leaves=12,
)
_data = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    _json.map(lambda value: json.dumps(value).encode()),
    _json.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")),
)


@pytest.fixture(scope="module")
def spare(valid: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(valid, tmp_path_factory.mktemp("spare") / "ours"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), data=_data, keep=st.integers(0, 2))
def test_whatever_a_file_holds(spare: Path, name: str, data: bytes, keep: int) -> None:
    """`keep`: how much of the file's beginning stays, in halves."""
    if name == "edit":
        path = min((spare / "edits" / made.run_of(spare).name).glob("*.safetensors"))
    else:
        path = next(place / name for place in (spare, made.run_of(spare)) if (place / name).exists())
    original = path.read_bytes()
    changed = original[: len(original) * keep // 2] + data
    path.write_bytes(changed)
    try:
        examined = made.looked_at(spare)
    finally:
        path.write_bytes(original)
    stands(examined)
    if name != "digests.json" and changed != original:
        assert examined.problems
