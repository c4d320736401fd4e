"""Each thing that can be wrong with a submission is found by its own name, and beside all the others."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.errors import BenchError
from mmedit_bench.runs.spec import RunSpec, canonical
from mmedit_bench.submissions.limits import MOST_FILE
from tests.submissions import made

Spoil = Callable[[Path], object]


def predictions(folder: Path) -> Path:
    return made.run_of(folder) / "predictions.jsonl"


def edits(folder: Path) -> list[Path]:
    return sorted((folder / "edits" / made.run_of(folder).name).glob("*.safetensors"))


def replaced(name: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        path = made.run_of(folder) / name if name in ("predictions.jsonl", "manifest.json") else folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def line(kind: str, change: Callable[[Any], Any], skip: int = 0) -> Spoil:
    def spoil(folder: Path) -> None:
        path = predictions(folder)
        made.with_line(path, made.number_of(path, kind, skip), change)

    return spoil


def probe(**changes: Any) -> Callable[[Any], Any]:
    """The first probe of an ask, otherwise."""
    return lambda values: {**values, "probes": [values["probes"][0] | changes, *values["probes"][1:]]}


def lines(change: Callable[[list[str]], list[str]]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = predictions(folder)
        path.write_text("".join(change(path.read_text("utf-8").splitlines(keepends=True))), encoding="utf-8")

    return spoil


def written(name: str, data: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return spoil


def first_edit(data: bytes) -> Spoil:
    return lambda folder: edits(folder)[0].write_bytes(data)


def manifest(**changes: Any) -> Spoil:
    """Another manifest, sealed as if it were a run's own."""

    def spoil(folder: Path) -> None:
        path = made.run_of(folder) / "manifest.json"
        values = json.loads(path.read_text("utf-8"))
        for name, value in changes.items():
            if name in values["spec"]:
                values["spec"][name] = value
            else:
                values[name] = value
        spec = RunSpec.from_dict(values["spec"])
        values["fingerprint"] = spec.fingerprint
        del values["seal"]
        values["seal"] = hashlib.sha256(canonical(values).encode()).hexdigest()
        text = json.dumps(values, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
        if spec.folder_name != path.parent.name and len(spec.folder_name) < 200:
            old = path.parent
            path.parent.rename(old.parent / spec.folder_name)
            if (folder / "edits" / old.name).exists():
                (folder / "edits" / old.name).rename(folder / "edits" / spec.folder_name)

    return spoil


def measuring(measures: dict[str, Any]) -> Spoil:
    options = {"length": 2, "measures": measures}
    return manifest(protocol="sequential", protocol_version="2", protocol_options=options)


def selected(**changes: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        path = made.run_of(folder) / "manifest.json"
        values = json.loads(path.read_text("utf-8"))["selection"] | changes
        manifest(selection=values | {"kept": len(values["cases"])})(folder)

    return spoil


def linked(folder: Path) -> None:
    """A link to what another process can read."""
    (made.run_of(folder) / "timings.jsonl").unlink()
    (made.run_of(folder) / "timings.jsonl").symlink_to("/etc/passwd")


def bound(folder: Path) -> None:
    """A folder that is a link out of the submission."""
    (folder / "package" / "more").symlink_to("/etc", target_is_directory=True)


def hard(folder: Path) -> None:
    os.link(folder / "environment.txt", folder.parent / "elsewhere")


def listening(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as own:
            own.bind("package/sock")
    finally:
        os.chdir(here)


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "package" / "notes.txt", "w") as archive:
        archive.writestr("../../out.txt", "out")


def huge(folder: Path) -> None:
    with (folder / "package" / "notes.txt").open("wb") as file:
        file.truncate(MOST_FILE + 1)


def signed(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Another digests.json."""

    def spoil(folder: Path) -> None:
        path = folder / "digests.json"
        values = json.loads(path.read_text("utf-8"))
        change(values)
        path.write_text(json.dumps(values), encoding="utf-8")

    return spoil


def doubled(kept: list[str]) -> list[str]:
    return [*kept, *kept[:3]]


BOMB = "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n"
DEEP = b"[" * 100_000

SPOILT: Mapping[str, tuple[str, Spoil]] = {
    # the folder and its files as such
    "planted_link": ("link", linked),
    "folder_link": ("link", bound),
    "hard_link": ("link", hard),
    "fifo": ("special-file", lambda folder: os.mkfifo(folder / "package" / "pipe.txt")),
    "socket": ("special-file", listening),
    "hidden": ("name", written("package/.hidden.py", b"")),
    "spaces": ("name", written("package/a b.py", b"")),
    "escapes_in_name": ("name", written("package/\x1b[31m.py", b"")),
    "capitals": ("name", written("package/OUR_EDITOR.py", b"")),
    "long_path": ("name", written("package/" + "n" * 210 + ".py", b"")),
    "deep": ("too-deep", written("package/" + "a/" * 12 + "b.py", b"")),
    "huge": ("too-large", huge),
    "pickle_in_submission": ("pickle", written("package/weights.pkl", pickle.dumps({"x": 1}))),
    "torch_file": ("pickle", written("package/weights.pt", b"x")),
    "pickle_in_disguise": ("pickle", written("package/weights.json", pickle.dumps({"x": 1}))),
    "zip_in_disguise": ("archive", zipped),
    "archive": ("archive", written("package/more.tar.gz", b"x")),
    "program": ("program", written("package/run.txt", b"\x7fELF\x02\x01\x01")),
    "script": ("program", written("package/run.txt", b"#!/bin/sh\n")),
    "unknown_type": ("file-type", written("package/picture.svg", b"<svg/>")),
    "not_text": ("not-text", written("package/notes.txt", b"caf\xe9\n")),
    "null_character": ("not-text", written("package/notes.txt", b"a\x00b\n")),
    # what belongs to a submission
    "no_form": ("missing-file", lambda folder: (folder / "submission.yaml").unlink()),
    "no_digests": ("missing-file", lambda folder: (folder / "digests.json").unlink()),
    "no_predictions": ("missing-file", lambda folder: predictions(folder).unlink()),
    "no_runs": ("missing-file", lambda folder: shutil.rmtree(folder / "runs")),
    "stranger": ("extra-file", written("notes.txt", b"")),
    "poisoned_baseline": ("extra-file", written("runs/baselines/x.jsonl", b"{}\n")),
    "own_scores": ("extra-file", lambda folder: (made.run_of(folder) / "scores.json").write_bytes(b"{}")),
    # submission.yaml
    "no_field": ("missing-field", replaced("submission.yaml", "contact: '@author'\n", "")),
    "unknown_field": ("unknown-field", replaced("submission.yaml", "name:", "score: 100\nname:")),
    "traversal_in_id": ("bad-field", replaced("submission.yaml", "id: ours", "id: ../../ours")),
    "script_url": ("bad-field", replaced("submission.yaml", "code: null", "code: javascript:alert(1)")),
    "object_in_yaml": ("yaml", replaced("submission.yaml", "Ours", "!!python/object/apply:os.system [ls]")),
    "alias_bomb": ("yaml", lambda folder: (folder / "submission.yaml").write_text(BOMB)),
    "doubled_field": ("yaml", replaced("submission.yaml", "name:", "id: other\nname:")),
    "deep_yaml": ("yaml", lambda folder: (folder / "submission.yaml").write_bytes(b"a: " + DEEP[:2000])),
    # digests.json
    "changed": ("changed-file", written("package/our_editor.py", b"import os\n")),
    "traversal": (
        "traversal",
        signed(lambda v: v["files"].update({"../../x": {"sha256": "0" * 64, "bytes": 1}})),
    ),
    "deep_json": ("json", written("digests.json", DEEP)),
    "other_package": ("package", signed(lambda values: values["package"].update(sha256="0" * 64))),
    "other_data": ("digests", signed(lambda values: values["suites"].update(fakes="0" * 64))),
    "other_weights": ("digests", signed(lambda values: values.update(backbones={}))),
    # environment.txt
    "pins": ("environment", written("environment.txt", b"torch>=2\n")),
    "other_torch": ("environment", written("environment.txt", b"torch==1.0\ntransformers==5.0\n")),
    # manifest.json
    "broken_seal": ("manifest", replaced("manifest.json", '"seed": 0', '"seed": 1')),
    "deep_manifest": ("manifest", lambda folder: (made.run_of(folder) / "manifest.json").write_bytes(DEEP)),
    "folder_name": ("folder-name", lambda folder: made.run_of(folder).rename(folder / "runs" / "other")),
    "other_editor": ("editor", manifest(editor="mend")),
    "other_split": ("suite", manifest(split="train")),
    "other_suite": ("suite", manifest(suite="others")),
    "other_digest": ("suite", manifest(suite_digest="0" * 64)),
    "other_backbone": ("backbone", manifest(backbone="unknown")),
    "other_protocol": ("protocol", manifest(protocol="unknown")),
    "protocol_version": ("protocol", manifest(protocol_version="99")),
    "endless_protocol": (
        "protocol",
        manifest(protocol="sequential", protocol_version="2", protocol_options={"orders": 100_000}),
    ),
    "other_cases": ("cases", selected(cases=["../../etc/passwd"])),
    "order_of_cases": ("cases", selected(cases=["fakes-001", "fakes-000"])),
    "numbers_of_cases": ("cases", selected(considered=5)),
    "endless_batch": ("device", manifest(batch_size=10**12)),
    "no_batch": ("device", manifest(batch_size=-1)),
    "many_threads": ("device", manifest(threads=10**6)),
    "other_device": ("device", manifest(device="cuda:0; ls")),
    "code_of_a_task": ("measure", measuring({"lm-eval": {"tasks": ["package/task.yaml"]}})),
    "code_beside_tasks": ("measure", measuring({"lm-eval": {"include_path": "package"}})),
    "other_measure": ("measure", measuring({"theirs": None})),
    "other_schedule": ("schedule", manifest(units=7)),
    # predictions.jsonl
    "not_json": ("record", lines(lambda kept: ["{\n", *kept[1:]])),
    "deep_record": ("record", lines(lambda kept: ["[" * 5000 + "\n", *kept[1:]])),
    "other_spacing": ("record", replaced("predictions.jsonl", '"kind":"ask"', '"kind": "ask"')),
    "nan_outputs": ("not-finite", replaced("predictions.jsonl", "-0.25", "NaN")),
    "infinite": ("not-finite", replaced("predictions.jsonl", "-0.25", "-1e999")),
    "doubled_key": ("duplicate-field", replaced("predictions.jsonl", '"step":0', '"step":0,"step":0')),
    "torn": ("torn", lambda folder: predictions(folder).write_bytes(predictions(folder).read_bytes()[:-9])),
    "extra_ids": ("extra-id", line("apply", lambda values: values | {"unit": "another"})),
    "extra_probe": ("extra-id", line("ask", probe(id="another/p00"))),
    "missing_probe": ("missing-id", line("ask", lambda v: v | {"probes": v["probes"][1:]})),
    "missing_unit": ("missing-id", lines(lambda kept: kept[3:])),
    "duplicate_ids": ("duplicate-id", lines(doubled)),
    "duplicate_probe": ("duplicate-id", line("ask", lambda v: v | {"probes": [v["probes"][0]] * 2})),
    "unit_order": ("order", lines(lambda kept: [*kept[3:6], *kept[:3], *kept[6:]])),
    "probe_order": ("order", line("ask", lambda v: v | {"probes": v["probes"][::-1]})),
    "giant_answer": ("giant-answer", line("ask", probe(answer="x" * 5000))),
    "book": ("giant-answer", line("ask", probe(answer="x" * (1 << 20) + "x"))),
    "certain": ("probability", replaced("predictions.jsonl", "-0.25", "0.25")),
    "other_case": ("step", line("ask", lambda values: values | {"case": "fakes-005"})),
    "no_edit_in_force": ("step", line("ask", lambda values: values | {"edits": []})),
    "failed_and_in_force": ("step", line("apply", lambda v: v | {"status": "failed", "error": "none"})),
    # timings.jsonl
    "negative_time": (
        "timings",
        lambda folder: (made.run_of(folder) / "timings.jsonl").write_text(
            '{"unit":"fakes-000","step":0,"seconds":-5}\n'
        ),
    ),
    "endless_time": (
        "not-finite",
        lambda folder: (made.run_of(folder) / "timings.jsonl").write_text(
            '{"unit":"fakes-000","step":0,"seconds":Infinity}\n'
        ),
    ),
    "other_time": (
        "timings",
        lambda folder: (made.run_of(folder) / "timings.jsonl").write_text('{"unit":"x","step":0}\n'),
    ),
    # edits
    "no_edit": ("edit-missing", lambda folder: edits(folder)[0].unlink()),
    "edit_too_many": (
        "edit-extra",
        lambda folder: shutil.copy(edits(folder)[0], edits(folder)[0].with_name("999999-000000.safetensors")),
    ),
    "no_shared_part": ("edit-missing", lambda folder: shutil.rmtree(edits(folder)[0].parent / "shared")),
    "header": ("tensor-file", first_edit(b"\xff" * 100)),
    "short": ("tensor-file", first_edit(b"")),
    "infinite_shape": ("tensor-file", first_edit(made.tensor_file(x={"dtype": "F32", "shape": [1 << 60]}))),
    "negative_shape": (
        "tensor-file",
        first_edit(made.tensor_file(x={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]})),
    ),
    "objects": (
        "tensor-file",
        first_edit(made.tensor_file(x={"dtype": "O", "shape": [1], "data_offsets": [0, 8]})),
    ),
    "overlap": (
        "tensor-file",
        first_edit(made.tensor_file(y={"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})),
    ),
    "no_edit_inside": ("edit-file", first_edit(made.tensor_file())),
    "reader_of_others": ("foreign-code", first_edit(made.edit_file(reader="theirs"))),
}
"""By name of a cheat or an accident: the code that tells of it, and how it is done."""

UNSIGNED = {"changed", "no_digests", "stranger", "traversal", "deep_json", "other_package", "other_data"}
"""Those whose digests.json is as the spoiler left it; elsewhere it names the files as they are."""


def test_what_is_well_has_no_problem(valid: Path) -> None:
    examined = made.looked_at(valid)
    assert examined.problems == ()
    assert examined.submission is not None and len(examined.runs) == 1
    assert examined.runs[0].state.complete and examined.runs[0].failed


@pytest.mark.parametrize("track", ["code", "self-reported"])
def test_the_other_tracks_ship_no_edits(tmp_path: Path, track: str, valid: Path) -> None:
    folder = made.write(tmp_path, track=track)
    assert made.codes(folder) == set()
    shutil.copytree(valid / "edits", folder / "edits")
    made.sign(folder)
    assert made.codes(folder) == {"extra-file"}


def moved_to(folder: Path, module: str) -> None:
    """The editor's module under another name."""
    package = folder / "package"
    (package / "our_editor.py").rename(package / f"{module}.py")
    replaced("package/pyproject.toml", '"our_editor:', f'"{module}:')(folder)


GROUP = """[project.entry-points."mmedit_bench.{}"]
{} = "our_editor:Editor"

[project.e"""
CODE: Mapping[str, tuple[str, Spoil]] = {
    "no_package": ("package", lambda folder: shutil.rmtree(folder / "package")),
    "no_project": ("package", lambda folder: (folder / "package" / "pyproject.toml").unlink()),
    "no_module": ("package", lambda folder: (folder / "package" / "our_editor.py").unlink()),
    "not_toml": ("package", written("package/pyproject.toml", b"[project")),
    "deep_toml": ("package", written("package/pyproject.toml", b"x = " + DEEP)),
    "two_named_alike": ("taken-name", replaced("package/pyproject.toml", '"ours"', '"mmedit-bench"')),
    "name_of_a_library": ("taken-name", replaced("package/pyproject.toml", '"ours"', '"Torch"')),
    "name_of_an_editor": (
        "taken-name",
        replaced("package/pyproject.toml", "our-editor =", 'ft = "our_editor:Editor"\nour-editor ='),
    ),
    "module_of_another": ("taken-name", lambda folder: moved_to(folder, "tests")),
    "main_module": ("taken-name", lambda folder: moved_to(folder, "__main__")),
    "name_of_a_suite": (
        "taken-name",
        replaced("package/pyproject.toml", "[project.e", GROUP.format("suites", "picturebook-vqa")),
    ),
    "name_of_a_data_set": (
        "taken-name",
        replaced("package/pyproject.toml", "[project.e", GROUP.format("data", "picturebook")),
    ),
    "name_of_a_measure": (
        "taken-name",
        replaced("package/pyproject.toml", "[project.e", GROUP.format("measures", "lm-eval")),
    ),
    "other_version": ("package", replaced("package/pyproject.toml", '"1.0"', '"2.0"')),
    "link_in_package": ("link", bound),
}
"""The same in the track `code`."""


@pytest.mark.parametrize("name", CODE)
def test_each_problem_of_a_package_has_its_name(tmp_path: Path, name: str) -> None:
    folder = made.write(tmp_path, track="code")
    code, spoil = CODE[name]
    spoil(folder)
    resign(folder)
    assert code in made.codes(folder), [str(problem) for problem in made.looked_at(folder).problems]


@pytest.mark.parametrize("name", SPOILT)
def test_each_problem_has_its_name(folder: Path, name: str) -> None:
    code, spoil = SPOILT[name]
    spoil(folder)
    if name not in UNSIGNED and name != "other_weights":
        resign(folder)
    found = made.looked_at(folder).problems
    assert code in {problem.code for problem in found}, [str(problem) for problem in found]
    for problem in found:
        texts = (problem.code, problem.where, problem.text, problem.fix)
        assert all(texts) and all(text.isprintable() for text in (problem.code, problem.where))


def resign(folder: Path) -> None:
    """Name the files as they are, as far as whoever submits could."""
    try:
        made.sign(folder)
    except BenchError:  # links, pipes and giants have no digest
        return


def test_all_problems_are_in_one_list(folder: Path) -> None:
    wanted = set()
    for name in (
        "no_field",
        "fifo",
        "extra_ids",
        "unknown_type",
        "nan_outputs",
        "negative_time",
        "header",
        "pins",
    ):
        code, spoil = SPOILT[name]
        spoil(folder)
        wanted.add(code)
    assert wanted <= made.codes(folder)


def test_many_problems_of_one_kind_are_counted(folder: Path) -> None:
    path = predictions(folder)
    path.write_bytes(b"nonsense\n" * 3000)
    records = [p for p in made.looked_at(folder).problems if p.code == "record"]
    assert len(records) == 1001
    assert records[-1].text == "there are 2000 more of the same"


def test_answers_are_data(folder: Path) -> None:
    """Markup, formulas and commands in answers are nobody's problem but the renderer's."""
    for number, text in enumerate(
        ("<script>alert(1)</script>", "=HYPERLINK(1)", "\\input{/etc/passwd}", "\x1b[2J")
    ):
        line("ask", probe(answer=text), skip=number)(folder)
    made.sign(folder)
    assert made.codes(folder) == set()


def test_names_are_for_display_and_may_look_like_anything(folder: Path) -> None:
    text = made.form(name="=cmd|' /C calc'!A0", description="\\href{x}{<b>y</b>}").text()
    (folder / "submission.yaml").write_text(text, encoding="utf-8")
    made.sign(folder)
    assert made.codes(folder) == set()


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, mmedit_bench.submissions.checks, mmedit_bench.submissions.board_folder; "
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
