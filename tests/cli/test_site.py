"""From runs to a board, from a board to pages, and a run beside the board."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mmedit_bench.cli.serving import server
from tests.cli.conftest import Call


def run(call: Call, editor: str, *more: str) -> Path:
    done = call(
        "run", "--suite", "lab-suite", "--backbone", "lab-backbone", "--editor", editor, *more, "--json"
    )
    assert done.exit_code in (0, 3), done.output
    return Path(json.loads(done.stdout)["folder"])


@pytest.fixture
def board(call: Call) -> Path:
    """A board of two reference editors, one of which fails on every other edit."""
    for editor, family in (("echo", "in-context"), ("fragile", "other")):
        done = call(
            "site", "admit", run(call, editor), "--as", editor, "--family", family, "--date", "2026-11-25"
        )
        assert done.exit_code == 0, done.output
    return Path("board")


def test_runs_are_admitted_and_become_pages(call: Call, board: Path) -> None:
    entry = json.loads((board / "entries" / "fragile" / "verification.json").read_text())
    assert (entry["status"], entry["date"], len(entry["runs"])) == ("reference", "2026-11-25", 1)
    done = call("site", "build", "--json")
    assert done.exit_code == 0, done.output
    page = Path(json.loads(done.stdout)["index"]).read_text()
    assert "fragile" in page and "3 failed" in page and "reference" in page
    data = next(Path("site/data").glob("lab-suite--*.json"))
    rows = {row["id"]: row for row in json.loads(data.read_text())["rows"]}
    scores = rows["fragile"]["scores"]["generation"]
    assert scores["out"]["cells"]["reliability/main"][0] == 100 > scores["in"]["cells"]["reliability/main"][0]


def test_an_entry_is_replaced_only_when_asked(call: Call, board: Path) -> None:
    folder = run(call, "echo")
    assert call("site", "admit", folder, "--as", "echo").exit_code == 2
    assert call("site", "admit", folder, "--as", "echo", "--replace").exit_code == 0
    assert "is there already" in call("site", "admit", folder, "--as", "echo").stderr


def test_one_entry_is_one_editor(call: Call, board: Path) -> None:
    done = call("site", "admit", run(call, "echo"), run(call, "fragile"), "--as", "both")
    assert done.exit_code == 2 and "echo, fragile" in done.stderr
    done = call("site", "admit", run(call, "echo"), "--as", "echo2", "--family", "magic")
    assert done.exit_code == 2 and "family" in done.stderr


def test_a_form_is_taken(call: Call, board: Path) -> None:
    text = (board / "entries" / "echo" / "submission.yaml").read_text()
    Path("form.yaml").write_text(text.replace("description: ''", "description: Says it back."))
    done = call(
        "site", "admit", run(call, "echo"), "--as", "echo-too", "--submission", "form.yaml", "--name", "Echo"
    )
    assert done.exit_code == 0, done.output
    text = (board / "entries" / "echo-too" / "submission.yaml").read_text()
    assert "Says it back." in text and "id: echo-too" in text and "name: Echo" in text


def test_a_release_is_frozen(call: Call, board: Path) -> None:
    words = ("site", "build", "--release", "2026.1", "--date", "2026-11-30")
    assert call(*words).exit_code == 0
    assert Path("board/releases/2026.1/board.csv").exists()
    assert Path("site/releases/2026.1/index.html").exists()
    assert call(*words).exit_code == 0
    shutil.rmtree(board / "entries" / "fragile")
    done = call(*words)
    assert done.exit_code == 2 and "never written again" in done.stderr
    assert call("site", "build", "--release", "2026.2").exit_code == 2


def test_a_run_beside_the_board(call: Call, board: Path) -> None:
    mine = run(call, "echo", "--set", "shout=true")
    done = call("compare", mine, "--with", "board", "--json")
    assert done.exit_code == 0, done.output
    means = [row for row in json.loads(done.stdout)["rows"] if row["column"] == "mean"]
    assert [row["name"] for row in means] == ["echo (local)", "echo", "fragile"]
    by_name = {row["name"]: row for row in means}
    assert (by_name["echo"]["difference"], by_name["echo"]["won"], by_name["echo"]["lost"]) == (0, 0, 0)
    local, other = by_name["echo (local)"]["value"], by_name["fragile"]["value"]
    assert by_name["fragile"]["difference"] == pytest.approx(local - other)
    assert by_name["fragile"]["won"] + by_name["fragile"]["lost"] == 3
    text = call("compare", mine, "--with", "board", "--format", "markdown").stdout
    assert "echo (local)" in text
    done = call("compare", run(call, "echo", "--limit", "5"), "--with", "board")
    assert done.exit_code == 2 and "has no runs of lab-suite" in done.stderr


def test_what_cannot_be_published(call: Call, board: Path) -> None:
    call("site", "build")
    assert call("site", "publish").exit_code == 2
    assert call("site", "publish", "--out", "a", "--branch", "b").exit_code == 2
    assert call("site", "publish", "--out", "docs").exit_code == 0
    assert Path("docs/404.html").exists() and Path("docs/.nojekyll").exists()


def test_the_server_serves_this_machine(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the board")
    (tmp_path / "404.html").write_text("no such page")
    with server(tmp_path, 0) as running:
        assert running.server_address[0] == "127.0.0.1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{running.server_port}"
        with urllib.request.urlopen(f"{base}/") as answer:
            assert answer.read() == b"the board"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{base}/nowhere/at-all")
        assert (caught.value.code, caught.value.read()) == (404, b"no such page")
        running.shutdown()
