"""A built site where the web can read it: a folder, or a branch that GitHub Pages serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leaderboard.site.build import MARK, led_to, made_beside, replace_folder
from mmedit_bench.errors import BadRecord, BenchError, naming

MOST_FILE = 100 << 20
"""Bytes of a file that GitHub takes, at most."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a site went."""

    place: str
    commit: str | None
    """Of a branch; None for a folder."""
    changed: bool


def to_folder(site: Path, out: Path) -> Published:
    """Copy a built site to `out`, or to where that leads as a link, whole or not at all.

    Raises `BenchError` where anything else lies there.
    """
    _built(site)
    if out.resolve().is_relative_to(site.resolve()):
        raise BenchError(f"{out} lies inside the site; name a folder elsewhere")
    place = led_to(out)
    work = made_beside(place)
    try:
        with naming(out):
            shutil.copytree(site, work, dirs_exist_ok=True)
        replace_folder(work, place)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Published(str(out), None, True)


def to_branch(site: Path, branch: str, repository: Path, message: str) -> Published:
    """Commit a built site as all of a branch, which need not exist; the work tree is left alone.

    Nothing is committed where the branch says the same already. Raises `BenchError` for a branch that
    is checked out, a file that GitHub refuses, and whatever git refuses.
    """
    _built(site)
    for path in _files(site):
        if path.stat().st_size > MOST_FILE:
            raise BenchError(f"{path} has more than {MOST_FILE >> 20} MiB, the most that GitHub takes")
    git = _Git(repository)
    ref = f"refs/heads/{branch}"
    git("check-ref-format", ref)
    if f"branch {ref}" in git("worktree", "list", "--porcelain").splitlines():
        raise BenchError(f"branch {branch} is checked out; name one that only holds the site")
    with tempfile.TemporaryDirectory() as work:
        index = {"GIT_INDEX_FILE": str(Path(work) / "index")}
        plain = (
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.attributesFile=/dev/null",
            "-c",
            "core.fileMode=false",
        )
        git(*plain, f"--work-tree={site.resolve()}", "add", "--all", "--force", ".", cwd=site, more=index)
        tree = git("write-tree", more=index)
    old = git("rev-parse", "--verify", "--quiet", ref, fails=True)
    if old and git("rev-parse", f"{old}^{{tree}}") == tree:
        return Published(branch, old, False)
    parents = ("-p", old) if old else ()
    commit = git("commit-tree", tree, *parents, "-m", message)
    git("update-ref", "-m", "mmedit-bench site publish", ref, commit, old or "0" * len(commit))
    return Published(branch, commit, True)


def _built(site: Path) -> None:
    if not (site / MARK).exists():
        raise BadRecord(f"{site} is no built site; make one with `mmedit-bench site build`")


def _files(site: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(site):
        yield from (Path(folder) / name for name in names)


class _Git:
    """git in one repository."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        if shutil.which("git") is None:
            raise BenchError("git is not installed; publish to a folder with --out")
        self._place: tuple[str, ...] = ()
        self._place = (f"--git-dir={self('rev-parse', '--absolute-git-dir')}",)

    def __call__(
        self, *words: str, cwd: Path | None = None, more: Mapping[str, str] | None = None, fails: bool = False
    ) -> str:
        """Its output; empty if it `fails` and may. Raises `BenchError` with what it says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        identity = {name: value for name, value in os.environ.items() if name.startswith(_WHO)}
        with naming(cwd or self._repository):
            done = subprocess.run(
                ["git", *self._place, *words], cwd=cwd or self._repository, capture_output=True, text=True,
                env=kept | identity | dict(more or {}), check=False,
            )  # fmt: skip
        if done.returncode and not fails:
            said = " ".join(done.stderr.split()) or f"status {done.returncode}"
            raise BenchError(f"git {words[0]} in {self._repository}: {said}")
        return "" if done.returncode else done.stdout.strip()


_WHO = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG")
