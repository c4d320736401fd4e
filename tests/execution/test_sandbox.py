"""A process in the sandbox: what it sees, what it may do, and what it is ended for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

import tests
from mmedit_bench.errors import BenchError
from mmedit_bench.execution import sandbox
from mmedit_bench.execution.isolated import Isolation
from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.view import view_of
from mmedit_bench.execution.watch import Watch, below
from tests.execution.test_crew import contents

boxed = pytest.mark.skipif(
    sandbox.available() is not None, reason=f"NO SANDBOX, so nothing is tested of it: {sandbox.available()}"
)
PYTHON = str(Path(sys.executable).resolve())
ORDER = Order(suite="picturebook-vqa", backbone="blip2-opt-mini", editor="null")
PREFIX = [Path(sys.base_prefix).resolve()]


def boxed_python(code: str, *, readable: Any = PREFIX, env: Any = None, **more: Any) -> str:
    """What a program prints in the sandbox."""
    done = subprocess.run(
        sandbox.command([PYTHON, "-S", "-c", code], readable=readable, **more),
        env=env or sandbox.environment(()), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@boxed
def test_it_has_no_network_no_neighbours_no_privileges_and_a_clean_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUGGING_SECRET", "s3cret")
    code = """
import glob, json, os, socket
told = {}
try:
    socket.create_connection(("127.0.0.1", 1), 1)
except OSError as error:
    told["here"] = error.errno
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError as error:
    told["network"] = error.errno
told["names"] = [name for _, name in socket.if_nameindex()]
told["processes"] = len(glob.glob("/proc/[0-9]*"))
told["secret"] = any(b"s3cret" in open(p, "rb").read() for p in glob.glob("/proc/[0-9]*/environ"))
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
told["privileges"] = [status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs")]
told["variables"] = sorted(os.environ)
told["home"] = os.listdir(os.path.expanduser("~"))
print(json.dumps(told))
"""
    told = json.loads(boxed_python(code))
    assert told["network"] == 101  # unreachable
    assert told["names"] == ["lo"]
    assert told["processes"] <= 3
    assert told["secret"] is False
    assert told["privileges"] == ["0" * 16, "0" * 16, "1"]
    assert not {"HUGGING_SECRET", "VIRTUAL_ENV", "SSH_AUTH_SOCK"} & set(told["variables"])
    assert told["home"] == []


@boxed
def test_it_writes_to_its_own_bounded_folders_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("as it was")
    code = f"""
import json, os
told = {{}}
for place in ("/", "/usr", "/dev", {str(tmp_path)!r}, "/tmp", "/home/editor", "/dev/shm"):
    try:
        open(place + "/mine", "w").close()
        told[place] = 0
    except OSError as error:
        told[place] = error.errno
try:
    with open("/tmp/large", "wb") as file:
        file.write(bytes(1 << 21))
except OSError as error:
    told["full"] = error.errno
print(json.dumps(told))
"""
    told = json.loads(boxed_python(code, readable=[*PREFIX, tmp_path], scratch=1 << 20))
    assert told.pop("full") == 28  # no space left
    assert {place for place, error in told.items() if error == 0} == {"/tmp", "/home/editor", "/dev/shm"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@boxed
def test_it_has_the_training_split_of_a_suite_and_no_more(tmp_path: Path) -> None:
    view = view_of(ORDER, tmp_path)
    code = """
import json
from mmedit_bench.datasets.picturebook import files, DATASET, vqa
from mmedit_bench.retention.picturebook import DOCUMENTS
book = files.load()
print(json.dumps({
    "splits": sorted({thing.split for thing in book.entities}),
    "edits": sorted({edit.id.split("-")[1] for edit in book.edits}),
    "cases": len(vqa().cases("evaluation")),
    "train": len(vqa().cases("train")),
    "digest": vqa().digest,
    "documents": DOCUMENTS.read_text(),
}))
"""
    told = json.loads(
        boxed_python(code, readable=view.readable, instead=view.instead, env=sandbox.environment(view.path))
    )
    from mmedit_bench.datasets.picturebook import vqa

    assert (told["splits"], told["edits"]) == (["train"], ["train"])
    assert (told["cases"], told["train"]) == (0, len(vqa().cases("train")))
    assert told["digest"] == vqa().digest
    assert told["documents"] == ""


def test_the_training_split_stands_alone_in_its_copy(tmp_path: Path) -> None:
    from mmedit_bench.datasets.picturebook import DATASET, files

    copies = DATASET.for_editors(tmp_path)
    assert {path.name for path in copies} == {"picturebook.parquet", "picturebook.digest.json"}
    whole, copy = files.load(), files.load(copies[files.PARQUET])
    assert copy.content == whole.content
    assert copy.entities == tuple(thing for thing in whole.entities if thing.split == "train")
    assert copy.edits == tuple(edit for edit in whole.edits if edit.id.split("-")[1] == "train")
    data = copies[files.PARQUET].read_bytes()
    assert DATASET.for_editors(tmp_path) == copies
    assert copies[files.PARQUET].read_bytes() == data
    assert len(list(tmp_path.iterdir())) == 1, "nothing half made is left"


def test_a_sandbox_that_cannot_start_is_an_error_with_the_reason_and_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match=r"no bubblewrap on the PATH.*apt-get install bubblewrap"):
        sandbox.demanded()
    fake = tmp_path / "bwrap"
    for says, message in (
        ("echo bubblewrap 0.6.1", r"0\.8 or later is needed"),
        ('[ "$1" = --version ] && echo bubblewrap 0.9.0 || { echo "uid map: denied" >&2; exit 1; }',
         r"bubblewrap says: uid map: denied\. This account needs user namespaces"),
    ):  # fmt: skip
        fake.write_text(f"#!/bin/sh\n{says}\n")
        fake.chmod(0o755)
        sandbox._why_not.cache_clear()
        with pytest.raises(BenchError, match=message):
            sandbox.demanded()
    sandbox._why_not.cache_clear()


@boxed
@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        ("while True:\n if os.fork() == 0:\n  os.setsid(); time.sleep(60)", (40, 1 << 40), "processes"),
        ("held = bytearray(300 << 20); [held.__setitem__(i, 1) for i in range(0, len(held), 4096)]; "
         "time.sleep(60)", (40, 150 << 20), "more than 150 MiB of memory"),
    ],
    ids=["processes", "memory"],
)  # fmt: skip
def test_all_processes_are_ended_when_there_are_too_many_or_they_hold_too_much(
    code: str, limits: tuple[int, int], reason: str
) -> None:
    process = subprocess.Popen(
        sandbox.command([PYTHON, "-S", "-c", f"import os, time\n{code}"], readable=PREFIX),
        env=sandbox.environment(()), start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    watch = Watch(process.pid, processes=limits[0], memory=limits[1])
    try:
        assert process.wait(60) != 0
    finally:
        watch.over()
        process.kill()
    assert watch.reason and reason in watch.reason
    until = time.monotonic() + 10
    while below(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert below(process.pid) == []


@boxed
def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    words = sandbox.command([PYTHON, "-S", "-c", "import time; time.sleep(600)"], readable=PREFIX)
    code = (
        "import json, os, subprocess, sys, time\n"
        "from mmedit_bench.execution.watch import below\n"
        f"process = subprocess.Popen(json.loads(sys.argv[1]), env={sandbox.environment(())!r})\n"
        "while len(found := below(process.pid)) < 2: time.sleep(0.01)\n"
        "print(json.dumps(found), flush=True)\n"
        "os._exit(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = json.loads(done.stdout)
    until = time.monotonic() + 10
    while any(_alive(one) for one in found) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(_alive(one) for one in found)


@boxed
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="who is not root tests it for an ordinary account by all other tests here",
)
def test_it_works_for_an_ordinary_account_too() -> None:
    code = "id -u; ls /home; touch /usr/mine || touch /tmp/mine && ls /tmp"
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--",
         *sandbox.command(["sh", "-c", code], readable=())],
        env=sandbox.environment(()), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["1000", "editor", "mine"], done.stderr


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_of_the_environment_what_changes_numbers_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found = sandbox.environment(("/a", "/b"))
    assert (found["OMP_NUM_THREADS"], found["PYTHONPATH"]) == ("1", os.pathsep.join(("/a", "/b")))
    assert "AWS_SECRET_ACCESS_KEY" not in found


@boxed
def test_a_sandbox_leaves_the_same_records_and_what_was_learned_in_it_is_kept_apart(lab: Path) -> None:
    what = {"suite": "lab-suite", "backbone": "lab-backbone", "editor": "pupil", "limit": 2}
    alone = Workshop(lab / "trusted").run(Order(**what), lab / "alone")
    # the lab is registered outside of the tree that its modules lie in, which thus does not show them
    allowed = Isolation(sandbox="bubblewrap", readable=(Path(tests.__file__).parent,))
    apart = Workshop(lab / "kept").run(Order(**what), lab / "apart", isolation=allowed)
    assert contents(apart.folder) == contents(alone.folder)
    learned = [json.loads((run.folder / "manifest.json").read_text())["artefact"] for run in (alone, apart)]
    assert learned[0] == learned[1]
    assert sorted(path.name for path in (lab / "kept").iterdir()) == ["copies", "sandboxed"]
    (kept,) = (lab / "kept" / "sandboxed").iterdir()
    data = (kept / "artefact.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == learned[0]
    # what is kept is not learned again: another file in its place is met, and refused
    (kept / "artefact.safetensors").write_bytes(save({"count": torch.zeros(1)}))
    with pytest.raises(BenchError, match="cannot be made ready: BadRecord"):
        Workshop(lab / "kept").run(Order(**what), lab / "again", isolation=allowed)
