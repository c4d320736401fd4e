"""The repository of results: pull requests are data, and only what is merged is published."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmedit_bench import __version__
from mmedit_bench.errors import BenchError
from mmedit_bench.scaffold.board import write_board

READING = {"contents": "read"}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    write_board(tmp_path / "base", 'A "board": #1')
    return tmp_path / "base"


def workflows(board: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    for path in sorted((board / ".github/workflows").iterdir()):
        yield path.name, yaml.safe_load(path.read_text())


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_the_board_begins_empty_and_pinned(board: Path) -> None:
    assert yaml.safe_load((board / "board.yaml").read_text())["title"] == 'A "board": #1'
    assert f"mmedit-bench=={__version__}\n" in (board / "requirements.txt").read_text()
    for name in ("submissions", "entries", "baselines", "releases"):
        assert [path.name for path in (board / name).iterdir()] == [".gitkeep"]


def test_what_starts_the_workflows(board: Path) -> None:
    # YAML 1.1 reads the word `on` as true
    assert {name: own[True] for name, own in workflows(board)} == {
        "check.yml": {"pull_request": None},
        "publish.yml": {
            "push": {
                "branches": ["main"],
                "paths": [
                    "board.yaml",
                    "requirements.txt",
                    "entries/**",
                    "baselines/**",
                    "releases/**",
                    "audit/**",
                ],
            }
        },
    }


def test_the_readme_says_what_a_secret_asks_of_the_repository(board: Path) -> None:
    text = " ".join((board / "README.md").read_text().split())
    assert "Keep this repository private while the secret is in use" in text and "`audit/`" in text


def test_what_the_workflows_may_do(board: Path) -> None:
    for name, own in workflows(board):
        assert own["permissions"] == READING, name
        more = {job: what["permissions"] for job, what in own["jobs"].items() if "permissions" in what}
        assert more == ({"deploy": {"pages": "write", "id-token": "write"}} if name == "publish.yml" else {})
        assert all("timeout-minutes" in job for job in own["jobs"].values())
    deploy = dict(workflows(board))["publish.yml"]["jobs"]["deploy"]
    assert all("run" not in step for step in deploy["steps"])  # who may write runs nothing of ours


def test_no_secret_and_no_trigger_that_has_them(board: Path) -> None:
    for path in (board / ".github").rglob("*.yml"):
        text = path.read_text()
        assert not re.search(r"pull_request_target|workflow_run|secrets|github\.token|GITHUB_TOKEN", text), (
            path
        )
        assert not re.search(r"write-all|contents: write|pull-requests: write", text), path


def test_nothing_that_a_stranger_writes_reaches_a_shell(board: Path) -> None:
    for name, own in workflows(board):
        for step in steps(own):
            assert "${{" not in step.get("run", ""), name
        told = re.findall(r"\$\{\{ *([\w.]+) *\}\}", (board / ".github/workflows" / name).read_text())
        assert set(told) <= {
            "github.event.pull_request.number",
            "steps.deployment.outputs.page_url",
        }


def test_actions_are_pinned_and_leave_no_credentials(board: Path) -> None:
    for _, own in workflows(board):
        for step in steps(own):
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_validator_comes_from_the_base_branch(board: Path) -> None:
    ((_, check),) = [one for one in workflows(board) if one[0] == "check.yml"]
    (head,) = [step["with"] for step in steps(check) if step.get("uses", "").startswith("actions/checkout")]
    assert (head["path"], head["fetch-depth"], head["submodules"], head["lfs"]) == ("head", 2, False, False)
    assert "ref" not in head  # the merge that GitHub made, whose first parent is the base branch
    runs = [step["run"] for step in steps(check) if "run" in step]
    assert runs == [
        "git -C head worktree add --detach ../base HEAD^1",
        "pip install --extra-index-url https://download.pytorch.org/whl/cpu -r base/requirements.txt",
        "python -P base/.github/check.py base head problems",
    ]


def checked(board: Path, head: Path, verdict: int = 0) -> tuple[int, str, list[str]]:
    """Status and output of the check with a `mmedit-bench` that notes what it is called with."""
    tools = board.parent / "tools"
    tools.mkdir(exist_ok=True)
    problem = {"code": "x", "where": "submission.yaml#id", "text": "it is \u202e", "fix": "mend it"}
    told = json.dumps({"problems": [problem] * verdict})
    program = tools / "mmedit-bench"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {tools}/calls\ncat <<'E'\n{told}\nE\nexit {verdict}\n")
    program.chmod(0o755)
    (tools / "calls").write_text("")
    done = subprocess.run(
        [sys.executable, "-P", "base/.github/check.py", "base", head.name, "problems"],
        cwd=board.parent, env={"PATH": f"{tools}:{os.environ['PATH']}"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert not done.stderr
    return done.returncode, done.stdout, (tools / "calls").read_text().splitlines()


@pytest.fixture
def head(board: Path) -> Path:
    """A pull request that hands one submission in."""
    write_board(board.parent / "head", 'A "board": #1')
    place = board.parent / "head/submissions/mine"
    place.mkdir()
    (place / "submission.yaml").write_text("schema: 1\n")
    return board.parent / "head"


def test_what_is_handed_in_is_verified_as_data(board: Path, head: Path) -> None:
    status, said, calls = checked(board, head)
    assert (status, calls) == (0, ["verify head/submissions/mine --json --no-rerun"]), said
    assert "nothing is wrong" in said
    status, said, _ = checked(board, head, verdict=1)
    assert status == 1 and "submission.yaml#id: it is \\u202e; mend it" in said
    assert json.loads((board.parent / "problems/mine.json").read_text())["problems"]


@pytest.mark.parametrize(
    "at",
    ["board.yaml", ".github/check.py", "entries/x/submission.yaml", "baselines/b.jsonl.gz",
     "submissions/Mine/a", "submissions/loose.txt", "requirements.txt"],
)  # fmt: skip
def test_a_change_elsewhere_is_refused(board: Path, head: Path, at: str) -> None:
    (head / at).parent.mkdir(parents=True, exist_ok=True)
    (head / at).write_text("changed")
    status, said, _ = checked(board, head)
    assert status == 1 and f"'{at}': is no part of a submission" in said


def test_links_are_not_followed(board: Path, head: Path) -> None:
    (head / "submissions/linked").symlink_to("/etc")
    (head / "link").symlink_to("submissions/mine")
    status, said, calls = checked(board, head)
    assert status == 1 and "'submissions/linked'" in said and "'link'" in said
    assert calls == ["verify head/submissions/mine --json --no-rerun"]


@pytest.mark.parametrize("at", ["entries/aaa", "aaa", "submissions/aaa", "submissions/mine/edits"])
def test_an_empty_folder_is_refused(board: Path, head: Path, at: str) -> None:
    """Git has none: it is another repository, of which a checkout without submodules shows nothing else."""
    (head / at).mkdir()
    status, said, _ = checked(board, head)
    assert status == 1 and f"{at!r}: is no part of a submission" in said


def test_an_empty_folder_that_is_there_may_go(board: Path, head: Path) -> None:
    (board / "submissions/mine/edits").mkdir(parents=True)
    status, said, _ = checked(board, head)
    assert status == 0, said


def test_a_submission_is_not_removed_by_a_pull_request(board: Path, head: Path) -> None:
    (board / "submissions/old").mkdir()
    (board / "submissions/old/submission.yaml").write_text("schema: 1\n")
    status, said, _ = checked(board, head)
    assert status == 1 and "submissions/old: is removed" in said


def test_a_mode_counts_as_a_change(board: Path, head: Path) -> None:
    (head / "README.md").chmod(0o755)
    status, said, _ = checked(board, head)
    assert status == 1 and "'README.md'" in said


@pytest.mark.parametrize("title", ["", " ", "two\nlines", "x" * 101])
def test_titles_are_a_line(tmp_path: Path, title: str) -> None:
    with pytest.raises(BenchError, match="--title"):
        write_board(tmp_path / "board", title)


def test_nothing_is_overwritten(board: Path) -> None:
    with pytest.raises(BenchError, match="nothing is overwritten"):
        write_board(board, "A board")


def git(*words: str, at: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=at, check=True, capture_output=True)


def checked_out(board: Path) -> Path:
    """Where a workflow begins: the merge, and beside it the base branch, by the workflow's very commands."""
    runner = board.parent / "runner"
    runner.mkdir()
    git("clone", "--depth", "2", f"file://{board}", "head", at=runner)
    git("-C", "head", "worktree", "add", "--detach", "../base", "HEAD^1", at=runner)
    return runner


def test_the_base_is_what_the_pull_request_was_merged_into(board: Path, head: Path) -> None:
    """With git, on a board that went on meanwhile."""
    git("init", "-b", "main", at=board)
    git("add", ".", at=board)
    git("commit", "-m", "board", at=board)
    git("checkout", "-b", "theirs", at=board)
    (head / "submissions/mine").rename(board / "submissions/mine")
    git("add", ".", at=board)
    git("commit", "-m", "mine", at=board)
    git("checkout", "main", at=board)
    (board / "entries/other").mkdir()
    (board / "entries/other/submission.yaml").write_text("schema: 1\n")
    git("add", ".", at=board)
    git("commit", "-m", "meanwhile", at=board)
    git("merge", "--no-ff", "-m", "merge", "theirs", at=board)
    runner = checked_out(board)
    status, said, calls = checked(runner / "base", runner / "head")
    assert (status, calls) == (0, ["verify head/submissions/mine --json --no-rerun"]), said


@pytest.mark.parametrize("at", ["entries/aaa", "submissions/aaa"])
def test_another_repository_is_no_part_of_a_board(board: Path, at: str) -> None:
    """Without .gitmodules nothing else of it is to be seen."""
    git("init", "-b", "main", at=board)
    git("add", ".", at=board)
    git("commit", "-m", "board", at=board)
    git("checkout", "-b", "theirs", at=board)
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{at}", at=board)
    git("commit", "-m", "a repository in a repository", at=board)
    git("checkout", "main", at=board)
    git("merge", "--no-ff", "-m", "merge", "theirs", at=board)
    runner = checked_out(board)
    assert not list((runner / "head" / at).iterdir())
    status, said, calls = checked(runner / "base", runner / "head")
    assert status == 1 and f"{at!r}: is no part of a submission" in said and not calls
