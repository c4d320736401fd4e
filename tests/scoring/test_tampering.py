"""Whatever is done to the files of a run, nothing but its answers moves a score unnoticed.

A finished run is changed in one place at a time and scored again. Either the change is refused by an
error that names a file, or every score is what it was, or the run says that it is not complete.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.cases import KEEP_KINDS, EditCase, Probe
from mmedit_bench.errors import BenchError
from mmedit_bench.rendering.table import blocks
from mmedit_bench.runs.baseline import FOLDER, read_baseline
from mmedit_bench.runs.evidence import DEFAULT, Reading
from mmedit_bench.runs.files import MOST_BYTES, MOST_SMALL
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.spec import RECIPE, RunSpec, canonical
from mmedit_bench.scoring.score import checked_run, score_run, scored
from mmedit_bench.scoring.scores import RunScores
from tests.fakes.folder import SPEC, write_run
from tests.leaderboard.fake import FakeSuite, base_probe

SUITE = FakeSuite("fakes", 10)
FAILS = "fakes-003"
ARTEFACT = "a" * 64


def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
    """Right for half of the probes whose edit is in force, and the unedited answer elsewhere."""
    base = base_probe(probe)
    if probe == case.probes[0]:  # as wanted, so that any other answer moves a score
        keep = probe.kind in KEEP_KINDS
        return base.reading if keep else Reading(probe.reference, base.target, (-0.25,) * len(base.target))
    if not edited or int(hashlib.sha256(f"{probe.id} {unit}".encode()).hexdigest(), 16) % 2:
        return base.reading
    return Reading(case.request.target, base.target[::-1], (-0.25,) * len(base.target))


def made(out: Path, **changes: Any) -> Path:
    spec = SPEC | {"suite_digest": SUITE.digest, "split": "evaluation", "artefact": "f" * 64} | changes
    folder = write_run(out, SUITE, RunSpec(**spec), reply, base_probe, fails=[FAILS], artefact=ARTEFACT)
    (folder / "artefact.json").write_text(json.dumps({"fingerprint": "f" * 64, "digest": ARTEFACT}) + "\n")
    score_run(folder, SUITE)
    return folder


FORMS: Mapping[str, Mapping[str, Any]] = {
    "one-step": {},
    "sequential": {
        "protocol": "sequential",
        "protocol_version": "2",
        "protocol_options": {"orders": 2, "checkpoints": [6]},
    },
}
"""The second has units of several segments, and moments."""


@pytest.fixture(scope="module", params=list(FORMS))
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("original"), **FORMS[request.param])


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy to spoil, with its baselines beside it."""
    shutil.copytree(original.parent, tmp_path / "runs", symlinks=True)
    return tmp_path / "runs" / original.name


def numbers(scores: RunScores) -> object:
    """All that a table shows of a run, what it costs aside."""
    return scores.at, scores.left_out, scores.counts.planned, scores.counts.done, scores.complete


@functools.cache
def untouched(original: Path) -> object:
    return numbers(scored(original, SUITE))


def outcome(folder: Path, original: Path) -> str:
    """ "refused", "same", "partial" or "moved"."""
    try:
        found = scored(folder, SUITE)
    except BenchError as error:
        assert any(word in str(error) for word in (str(folder), "run fakes--", "baseline"))
        return "refused"
    if numbers(found) == untouched(original):
        return "same"
    return "moved" if found.complete else "partial"


def test_the_original_has_segments_failures_and_mixed_scores(original: Path) -> None:
    state = read_run(original)
    found = scored(original, SUITE)
    assert found.complete and found.counts.failed
    assert 0 < found.family("generation").overall["mean"].value < 100
    if state.manifest.spec.protocol == "sequential":
        assert len(state.segments) > len(state.finished_units) == 2
        assert list(found.moments) == ["after 6"]


# ---- one field at a time

OTHERS: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    7,
    0.5,
    10**400,
    "",
    "other",
    "\ud800",
    [],
    ["x"],
    {},
    {"x": 1},
)


def fields(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values, of containers too."""
    yield path
    if isinstance(values, dict):
        for name in values:
            yield from fields(values[name], (*path, name))
    elif isinstance(values, list):
        for place in range(min(len(values), 2)):  # what holds for the second holds for the others
            yield from fields(values[place], (*path, place))


def with_value(values: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(values)
    inner = changed
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = new
    return changed


def without(values: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(values)
    inner = changed
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return changed


def variants(values: Any, path: tuple[Any, ...]) -> Iterator[Any]:
    """The document with this field changed in several ways, and without it."""
    here = values
    for part in path:
        here = here[part]
    yield from (
        with_value(values, path, other) for other in OTHERS if type(other) is not type(here) or other != here
    )
    if isinstance(here, str):
        yield from (with_value(values, path, here + "x"), with_value(values, path, here[:-1]))
    if path:
        yield without(values, path)


def dumped(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sealed(values: dict[str, Any]) -> bytes:
    """As `Manifest.text` writes it, with fingerprint, counts and seal made to fit."""
    values = copy.deepcopy(values)
    try:
        spec = RunSpec.from_dict(values["spec"])
        values["fingerprint"] = spec.fingerprint
        values["selection"]["kept"] = len(values["selection"]["cases"])
    except (BenchError, KeyError, TypeError, AttributeError, ValueError):
        pass  # what is no spec gets no fingerprint
    values.pop("seal", None)
    with contextlib.suppress(UnicodeEncodeError):
        values["seal"] = hashlib.sha256(canonical(values).encode()).hexdigest()
    text = json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False)
    return (text + "\n").encode(errors="surrogatepass")


def test_no_field_of_the_manifest_can_be_changed(folder: Path, original: Path) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_bytes())
    for place in fields(values):
        for changed in variants(values, place):
            text = json.dumps(changed, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
            path.write_bytes(text.encode(errors="surrogatepass"))
            assert outcome(folder, original) == "refused", place


def test_a_new_seal_changes_no_score(folder: Path, original: Path) -> None:
    """Fields that say who made the run can be rewritten with a new seal; what it was asked cannot."""
    path = folder / "manifest.json"
    values = json.loads(path.read_bytes())
    free = set()
    for place in fields(values):
        for changed in variants(values, place):
            if isinstance(changed, dict):
                path.write_bytes(sealed(changed))
                found = outcome(folder, original)
                assert found in ("refused", "same"), (place, changed)
                if found == "same" and json.loads(sealed(changed)) != values:
                    free.add(place[:2] if place[0] == "spec" else place[:1])
    editor = {"editor", "editor_version", "editor_settings", "editor_options", "editor_code", "artefact"}
    assert free <= {("spec", name) for name in (*editor, "walking_code", "limit", "seed")} | {
        ("artefact",), ("control",), ("source",),
    }  # fmt: skip
    if values["spec"]["protocol"] == "sequential":
        assert ("spec", "seed") not in free


def test_only_answers_in_the_records_move_a_score(folder: Path, original: Path) -> None:
    path = folder / "predictions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    seen, moved = set(), set()
    for number, raw in enumerate(lines):
        values = json.loads(raw)
        kind = (values["kind"], values["closes"], values.get("status"), values.get("moment"))
        if kind in seen:
            continue
        seen.add(kind)
        for place in fields(values):
            for changed in variants(values, place):
                try:
                    line = (canonical(changed) + "\n").encode()
                except UnicodeEncodeError:
                    line = dumped(changed) + b"\n"
                path.write_bytes(b"".join([*lines[:number], line, *lines[number + 1 :]]))
                found = outcome(folder, original)
                assert found != "partial"
                if found == "moved":
                    moved.add(place[2])
                    assert place[0] == "probes"
    assert moved <= {"answer", "argmax", "logprobs"} and "answer" in moved


def test_nothing_beside_the_records_is_believed(folder: Path, original: Path) -> None:
    for name in ("scores.json", "artefact.json", "timings.jsonl"):
        path = folder / name
        before = path.read_bytes()
        values = json.loads(before.splitlines()[0] if name == "timings.jsonl" else before)
        for changed in (other for place in fields(values) for other in variants(values, place)):
            path.write_bytes(dumped(changed) + b"\n")
            assert outcome(folder, original) == "same", (name, changed)
            if name == "scores.json":
                break  # it is not read at all
        path.write_bytes(before)
        path.unlink()
        assert outcome(folder, original) == "same"


def test_no_field_of_the_baseline_can_be_changed(folder: Path, original: Path) -> None:
    (path,) = (folder.parent / FOLDER).iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    for number in (0, len(lines) - 1):  # an answer to a request, and a case's readings
        values = json.loads(lines[number])
        for place in fields(values):
            for changed in variants(values, place):
                path.write_bytes(b"".join([*lines[:number], dumped(changed) + b"\n", *lines[number + 1 :]]))
                assert outcome(folder, original) == "refused", place


def test_a_baseline_of_ones_own_shares_no_table_with_the_others(tmp_path: Path) -> None:
    """Readings before the edit and the digest in the manifest, changed together: kept is all, alone."""
    honest, forged = made(tmp_path / "a"), made(tmp_path / "b", editor="forger")
    (path,) = (forged.parent / FOLDER).iterdir()
    run = checked_run(forged, SUITE)
    known = {ask.case: ask for ask in run.state.asks}
    lines = []
    for raw in path.read_bytes().splitlines():
        values = json.loads(raw)
        for probe, record in zip(values.get("probes", ()), known[values["case"]].probes, strict=False):
            probe |= {"answer": record.reading.answer, "argmax": list(record.reading.argmax or ())}
        lines.append(canonical(values) + "\n")
    path.write_text("".join(lines))
    values = json.loads((forged / "manifest.json").read_bytes())
    digest = read_baseline(path, DEFAULT).digest(
        run.selection.considered, [case.id for case in run.selection.cases]
    )
    (forged / "manifest.json").write_bytes(sealed(values | {"baseline": digest}))
    found = scored(forged, SUITE)
    assert found.family("generation").overall["locality"].value == 100
    assert len(blocks([found], "generation")) == 1
    with pytest.raises(BenchError, match="different baselines") as caught:
        blocks([scored(honest, SUITE), found], "generation")
    assert found.spec.folder_name in str(caught.value)


def test_two_that_claim_to_be_one_are_refused(tmp_path: Path) -> None:
    one, other = made(tmp_path / "a"), made(tmp_path / "b")
    assert len(blocks([scored(one, SUITE), scored(other, SUITE)], "generation")[0].rows) == 1
    values = json.loads((other / "manifest.json").read_bytes())
    (other / "manifest.json").write_bytes(sealed(values | {"artefact": "b" * 64}))
    with pytest.raises(BenchError, match="differ in artefact"):
        blocks([scored(one, SUITE), scored(other, SUITE)], "generation")


# ---- whole lines and units


def by_unit(lines: list[bytes]) -> list[list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in lines:
        found.setdefault(json.loads(line)["unit"], []).append(line)
    return list(found.values())


def renamed(unit: list[bytes], name: str) -> list[bytes]:
    return [(canonical(json.loads(line) | {"unit": name}) + "\n").encode() for line in unit]


def passed_off(unit: list[bytes]) -> list[bytes]:
    """Edits that failed, as though they had not."""
    values = [json.loads(line) for line in unit]
    mended = [one | {"status": "ok", "error": None} if "status" in one else one for one in values]
    return [(canonical(one) + "\n").encode() for one in mended]


def doubled(units: list[list[bytes]], place: int) -> list[list[bytes]]:
    return [*units[: place + 1], units[place], *units[place + 1 :]]


Units = list[list[bytes]]

UNIT_TRICKS: Mapping[str, tuple[Callable[[Units], Units], set[str]]] = {
    "the first deleted": (lambda units: units[1:], {"refused"}),
    "one in the middle deleted": (lambda units: [*units[:-2], units[-1]], {"refused"}),
    "the last deleted": (lambda units: units[:-1], {"partial"}),
    "all deleted": (lambda units: [], {"partial"}),
    "the first doubled": (lambda units: doubled(units, 0), {"refused"}),
    "the last doubled": (lambda units: doubled(units, len(units) - 1), {"refused"}),
    "reversed": (lambda units: units[::-1], {"refused"}),
    "renamed": (lambda units: [renamed(units[0], "new"), *units[1:]], {"refused"}),
    "a good one for a bad one": (lambda units: [units[-1], *units[1:]], {"refused"}),
    "under its name": (
        lambda units: [renamed(units[-1], json.loads(units[0][0])["unit"]), *units[1:]],
        {"refused"},
    ),
    "one more under a new name": (lambda units: [*units, renamed(units[0], "new")], {"refused"}),
    "a step left out": (lambda units: [units[0][1:], *units[1:]], {"refused"}),
    "a step twice": (lambda units: [[units[0][0], *units[0]], *units[1:]], {"refused"}),
    "steps in another order": (lambda units: [units[0][1::-1] + units[0][2:], *units[1:]], {"refused"}),
    "failures passed off": (lambda units: [passed_off(unit) for unit in units], {"refused"}),
    "nothing": (lambda units: units, {"same"}),
}


@pytest.mark.parametrize("name", list(UNIT_TRICKS))
def test_units(folder: Path, original: Path, name: str) -> None:
    trick, expected = UNIT_TRICKS[name]
    path = folder / "predictions.jsonl"
    units = trick(by_unit(path.read_bytes().splitlines(keepends=True)))
    path.write_bytes(b"".join(line for unit in units for line in unit))
    assert outcome(folder, original) in expected


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_selection_of_lines_passes_for_another_run(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Lines drawn at will: whatever is accepted is a beginning of the original."""
    folder = tmp_path_factory.mktemp("drawn") / original.name
    shutil.copytree(original, folder)
    lines = (original / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines)))
    chosen = lines[:start] + data.draw(st.lists(st.sampled_from(lines), max_size=4))
    (folder / "predictions.jsonl").write_bytes(b"".join(chosen))
    try:
        run = checked_run(folder, SUITE, original.parent / FOLDER)
    except BenchError:
        return
    records = read_run(original).records
    assert run.state.records == records[: len(run.state.records)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_crash_the_scorer(
    original: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A few bytes overwritten anywhere in any file: refused, or some answer's, or without effect."""
    out = tmp_path_factory.mktemp("bytes") / "runs"
    shutil.copytree(original.parent, out)
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != ".lock")
    path = data.draw(st.sampled_from(files))
    text = path.read_bytes()
    place = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.binary(min_size=1, max_size=4))
    path.write_bytes(text[:place] + new + text[place + len(new) :])
    assert outcome(out / original.name, original) != "moved" or path.name == "predictions.jsonl"


# ---- the files themselves

RECORDED = ("manifest.json", "predictions.jsonl", "baseline")


def file_of(folder: Path, name: str) -> Path:
    return next((folder.parent / FOLDER).iterdir()) if name == "baseline" else folder / name


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


def huge(path: Path) -> None:
    with path.open("ab") as file:  # sparse: it takes no room
        file.truncate((MOST_SMALL if path.name == "manifest.json" else MOST_BYTES) + 1)


def crlf(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def utf16(path: Path) -> None:
    path.write_bytes(path.read_text().encode("utf-16"))


def marked(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def doubled_key(path: Path) -> None:
    text = path.read_text()
    path.write_text(
        text.replace('"case":', '"case":"x","case":', 1).replace('"units":', '"units": 1, "units":', 1)
    )


def not_a_number(path: Path) -> None:
    text = path.read_text()
    path.write_text(
        text.replace("-0.25", "NaN", 1).replace("-0.5", "NaN", 1).replace('"units": ', '"units": NaN')
    )


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize(
    "trick", [linked, piped, foldered, huge, crlf, utf16, marked, doubled_key, not_a_number, Path.unlink]
)
def test_files_that_are_none(folder: Path, original: Path, name: str, trick: Callable[[Path], None]) -> None:
    path = file_of(folder, name)
    before = path.read_bytes()
    trick(path)
    plain = path.is_file() and not path.is_symlink()
    assert not plain or path.stat().st_size > MOST_SMALL or path.read_bytes() != before
    expected = {"refused"}
    if name == "predictions.jsonl" and trick is Path.unlink:
        expected = {"partial"}
    if name == "baseline" and trick in (crlf, marked):
        expected = {"refused", "same"}  # what is read is the same; its digest is taken of what is read
    assert outcome(folder, original) in expected


@pytest.mark.parametrize("name", ["scores.json", "timings.jsonl"])
@pytest.mark.parametrize("trick", [linked, piped, foldered, huge])
def test_notes_that_are_none_stop_nobody_for_ever(
    folder: Path, original: Path, name: str, trick: Callable[[Path], None]
) -> None:
    trick(folder / name)
    assert outcome(folder, original) == ("same" if name == "scores.json" else "refused")


def test_a_link_in_the_place_of_scores_is_replaced_and_not_followed(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / "scores.json").unlink()
    (folder / "scores.json").symlink_to(precious)
    score_run(folder, SUITE)
    assert precious.read_text() == "mine"
    assert not (folder / "scores.json").is_symlink()


def test_the_recipe_is_part_of_the_name(folder: Path, original: Path) -> None:
    path = folder / "manifest.json"
    values = json.loads(path.read_bytes())
    path.write_bytes(sealed(values | {"fingerprint_recipe": RECIPE - 1}))
    assert outcome(folder, original) == "refused"
