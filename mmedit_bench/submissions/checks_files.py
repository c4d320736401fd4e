"""Whether the files of a submission are those that one consists of, and those that digests.json names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmedit_bench.submissions.digests import FILE as DIGESTS
from mmedit_bench.submissions.digests import Digests
from mmedit_bench.submissions.folder import RUN_FILES
from mmedit_bench.submissions.form import FILE as FORM
from mmedit_bench.submissions.form import Submission
from mmedit_bench.submissions.hostile import Contents, shown_path
from mmedit_bench.submissions.limits import MOST_FORM
from mmedit_bench.submissions.problems import Problem

ENVIRONMENT = "environment.txt"
CARD = "card.md"
MOST_ENVIRONMENT = MOST_FORM
"""Bytes of environment.txt: two thousand distributions and more."""

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==[A-Za-z0-9][A-Za-z0-9.+!_-]*", re.ASCII)
_OURS = ("scores.json", "baselines")
_AGAIN = "make the submission anew with `mmedit-bench submit`"


def layout_problems(contents: Contents, track: str | None) -> Iterator[Problem]:
    """Files that are missing, and files that belong nowhere; `track` is None where it could not be read."""
    for name in (FORM, DIGESTS, ENVIRONMENT):
        if name not in contents.sizes:
            yield Problem("missing-file", name, "it is missing", _AGAIN)
    runs = runs_of(contents)
    if not runs:
        yield Problem("missing-file", "runs", "there is no run", _AGAIN)
    for run in runs:
        for name in RUN_FILES[:2]:  # a run without an edit has no timings
            if f"runs/{run}/{name}" not in contents.sizes:
                yield Problem("missing-file", f"runs/{run}/{name}", "it is missing", _AGAIN)
    for path in contents.sizes:
        if why := _astray(path, runs, track):
            yield Problem("extra-file", path, why, "leave it out")


def runs_of(contents: Contents) -> list[str]:
    """Names of the folders under runs/, in order."""
    return sorted({path.split("/")[1] for path in contents.sizes if re.match("runs/[^/]+/.", path)})


def _astray(path: str, runs: Iterable[str], track: str | None) -> str | None:
    """Why a file belongs nowhere, if it does."""
    place, _, rest = path.partition("/")
    parts = rest.split("/")
    if place != "package" and any(part in _OURS for part in path.split("/")):
        return "scores and baselines are made anew by whoever verifies; none is taken"
    if not rest:
        return None if place in (FORM, DIGESTS, ENVIRONMENT, CARD) else "a submission has no such file"
    if place == "runs":
        known = len(parts) == 2 and parts[1] in RUN_FILES
        return None if known else f"the folder of a run holds {', '.join(RUN_FILES)} alone"
    if place == "edits":
        if track not in ("edits", None):
            return f"a submission in the track {track} ships no edits"
        if parts[0] not in runs:
            return "it belongs to no run of the submission"
        return None if path.endswith(".safetensors") else "edits are safetensors files"
    return None if place == "package" else "a submission has no such folder"


def digest_problems(contents: Contents, digests: Digests) -> Iterator[Problem]:
    """How the files differ from what digests.json says of them."""
    for name, told in digests.files.items():
        where = f"{DIGESTS}#files.{shown_path(name)}"
        if not _plain(name):
            yield Problem("traversal", where, "it leads out of the submission", "name files inside it")
        elif name == DIGESTS:
            yield Problem("digests", where, "no file can hold its own digest", "leave it out")
        elif name not in contents.sizes:
            yield Problem("missing-file", name, "digests.json names it, and it is not there", _AGAIN)
        elif contents.sizes[name] != told["bytes"] or contents.digests.get(name) != told["sha256"]:
            yield Problem("changed-file", name, "it is not the file that digests.json names", _AGAIN)
    for name in contents.sizes:
        if name not in digests.files and name != DIGESTS:
            yield Problem("extra-file", name, "digests.json does not name it", _AGAIN)


def _plain(name: str) -> bool:
    """Whether a path stays inside the folder it is relative to."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts)


def environment_problems(text: bytes, torch: set[str], transformers: set[str]) -> Iterator[Problem]:
    """What is wrong with environment.txt; the sets are the versions that the manifests name."""
    if len(text) > MOST_ENVIRONMENT:
        fix = f"it has at most {MOST_ENVIRONMENT}: run with what is needed alone"
        yield Problem("too-large", ENVIRONMENT, f"it has {len(text)} bytes", fix)
        return
    lines = text.decode().split("\n")
    if lines[-1]:
        yield Problem("environment", ENVIRONMENT, "its last line does not end", _AGAIN)
    names: list[str] = []
    versions: dict[str, str] = {}
    for number, line in enumerate(lines[:-1] if not lines[-1] else lines, start=1):
        found = _PIN.fullmatch(line)
        if found is None or len(line) > 200:
            yield Problem("environment", f"{ENVIRONMENT}:{number}", "it is not name==version", _AGAIN)
            continue
        name = re.sub("[._-]+", "-", found[1]).lower()
        names.append(name)
        versions[name] = line.partition("==")[2].partition("+")[0]
    if len(versions) < len(names):
        yield Problem("environment", ENVIRONMENT, "a name stands twice", _AGAIN)
    for name, wanted in (("torch", torch), ("transformers", transformers)):
        if wanted and {versions.get(name)} != wanted:
            said = versions.get(name, "no version")
            text_ = f"it says {said} of {name}, and the runs {', '.join(sorted(wanted))}"
            yield Problem("environment", ENVIRONMENT, text_, _AGAIN)


def card_of(contents: Contents, submission: Submission) -> str | None:
    """The editor's card, as text: the submission's own, or its package's."""
    for path in (CARD, f"package/{CARD}", f"package/{submission.editor}/{CARD}"):
        if path in contents.texts:
            return contents.texts[path].decode()
    return None
