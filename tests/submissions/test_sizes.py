"""What is found wrong takes bounded room and time, whatever a stranger's files hold of it."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from mmedit_bench.errors import BadRecord
from mmedit_bench.submissions.checks import MOST_DIGESTS, bounded
from mmedit_bench.submissions.checks_files import MOST_ENVIRONMENT, environment_problems
from mmedit_bench.submissions.checks_records import (
    MOST_LINES,
    at_most,
    predictions_problems,
    timing_problems,
)
from mmedit_bench.submissions.edit_files import described_by
from mmedit_bench.submissions.problems import Problem
from tests.submissions import made
from tests.submissions.test_problems import edits, predictions, signed


def test_one_kind_is_counted_once_for_a_file_wherever_it_is_seen(folder: Path) -> None:
    """A record that is no record, and one that stands there again, may bear the same code."""
    path = predictions(folder)
    made.with_line(path, made.number_of(path, "ask"), lambda v: v | {"probes": [v["probes"][0]] * 2})
    kept = path.read_text("utf-8").splitlines(keepends=True)
    ask = next(line for line in kept if '"kind":"ask"' in line)
    apply = next(line for line in kept if '"kind":"apply"' in line)
    path.write_text(ask * 600 + apply * 701, encoding="utf-8")
    found = [p for p in made.looked_at(folder).problems if p.code == "duplicate-id"]
    assert len(found) == 1001
    assert found[-1].text == "there are 300 more of the same"


def test_many_pins_and_many_names_are_counted(folder: Path) -> None:
    (folder / "environment.txt").write_text("?\n" * 3000)
    files = {f"package/{number}.py": {"sha256": "0" * 64, "bytes": 1} for number in range(3000)}
    signed(lambda values: values["files"].update(files))(folder)
    signed(lambda values: values["files"].update({f"../{name}": own for name, own in files.items()}))(folder)
    found = made.looked_at(folder).problems
    for code in ("environment", "missing-file", "traversal"):
        assert sum(problem.code == code for problem in found) <= 1001
        (rest,) = [p for p in found if p.code == code and "more of the same" in p.text]
        assert rest.where in ("environment.txt", "digests.json")
    signed(lambda values: values.update({f"x{number}": 0 for number in range(3000)}))(folder)
    fields = [p for p in made.looked_at(folder).problems if p.code == "bad-field"]
    assert len(fields) == 1001 and fields[-1].text == "there are 2000 more of the same"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("predictions.jsonl", b"\n" * (MOST_LINES + 1)),
        ("timings.jsonl", b"\n" * (MOST_LINES + 1)),
        ("environment.txt", b"\n" * (MOST_ENVIRONMENT + 1)),
        ("digests.json", b" " * (MOST_DIGESTS + 1)),
    ],
)
def test_a_file_of_nothing_but_size_is_not_read(folder: Path, name: str, data: bytes) -> None:
    path = next(place / name for place in (folder, made.run_of(folder)) if (place / name).exists())
    path.write_bytes(data)
    if name != "digests.json":
        made.sign(folder)
    where = path.relative_to(folder).as_posix()
    (found,) = [p for p in made.looked_at(folder).problems if p.code == "too-large"]
    assert found.where == where and found.text.startswith("it has ")


@pytest.mark.parametrize("kind", ["predictions", "timings", "environment"])
def test_problems_that_are_not_listed_are_not_kept(kind: str) -> None:
    """A file of line feeds has as many problems as bytes, each many times as large."""
    data = b"{}\n" * 20_000
    read: Mapping[str, Callable[[], Iterable[Problem]]] = {
        "predictions": lambda: predictions_problems(data, ("answer",), (), "x", []),
        "timings": lambda: timing_problems(data, (), "x"),
        "environment": lambda: environment_problems(data, set(), set()),
    }
    tracemalloc.start()
    try:
        found = list(at_most(read[kind](), "x"))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 1001 and found[-1].text == "there are 19000 more of the same"
    assert most < 2_500_000


def test_what_is_bounded_stays_as_it_is() -> None:
    """Whoever verifies adds to a list that was bounded before."""
    many = [Problem("c", f"{name}:{number}", "t", "f") for number in range(1500) for name in ("a", "b")]
    found = bounded(many)
    assert len(found) == 2002 and {one.where for one in found[-2:]} == {"a", "b"}
    assert bounded(found) == found
    assert Counter(one.where.partition(":")[0] for one in bounded((*many, *many))) == {"a": 1001, "b": 1001}


def test_a_field_that_stands_twice_among_many_is_found_at_once(folder: Path) -> None:
    many = "{" + ",".join(f'"{number}":0' for number in (*range(40_000), 39_999)) + "}"
    run = made.run_of(folder)
    predictions(folder).write_text(f"{many}\n")
    (run / "timings.jsonl").write_text(f"{many}\n")
    (run / "manifest.json").write_text(many)
    (folder / "digests.json").write_text(many)
    one, other = edits(folder)[:2]
    one.write_bytes(len(many).to_bytes(8, "little") + many.encode())
    other.write_bytes(made.tensor_file({"edit": many}))
    started = time.process_time()
    examined = made.looked_at(folder)
    with pytest.raises(BadRecord, match="'39999' stands twice"):
        described_by({"edit": many})
    list(predictions_problems(f"{many}\n".encode(), ("answer",), (), "x", []))
    list(timing_problems(f"{many}\n".encode(), (), "x"))
    assert time.process_time() - started < 10  # one pass: a second; field by field: minutes
    assert {"json", "manifest", "tensor-file"} <= {problem.code for problem in examined.problems}
