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
from mmedit_bench.datasets.blind import blind_suite, commitment
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.plugins.registry import SUITES
from mmedit_bench.submissions.form import Paper, Submission
from tests.cli.boards import COPY, FT, IKE, MEND, NULL, SUITE, call, run
from tests.leaderboard.fake import FakeEditor, fake_run
from tests.leaderboard.site.test_beside import drifted
from tests.submissions.test_board_folder import everything

SECRET = b"sixteen bytes ab"


def test_runs_are_admitted_and_become_pages(board: Path) -> None:
    entry = json.loads((board / "entries" / "ft" / "verification.json").read_text())
    assert (entry["status"], entry["date"], len(entry["runs"])) == ("reference", "2026-11-25", 1)
    done = call("site", "build", "--json")
    assert done.exit_code == 0, done.output
    page = Path(json.loads(done.stdout)["index"]).read_text()
    assert ">ft<" in page and "2 failed" in page and "reference" in page
    data = next(Path("site/data").glob("fake-vqa--*.json"))
    rows = {row["id"]: row for row in json.loads(data.read_text())["rows"]}
    scores = rows["ft"]["scores"]["generation"]
    means = [scores[name]["cells"]["reliability/main"][0] for name in ("out", "in")]
    assert means == [100, pytest.approx(100 * 10 / 12)]


def test_an_entry_is_replaced_only_when_asked(board: Path) -> None:
    folder = run(IKE)
    assert call("site", "admit", folder, "--as", "ike").exit_code == 2
    assert call("site", "admit", folder, "--as", "ike", "--replace").exit_code == 0
    assert "is there already" in call("site", "admit", folder, "--as", "ike").stderr


def test_one_entry_is_one_editor(board: Path) -> None:
    done = call("site", "admit", run(IKE), run(FT), "--as", "both")
    assert done.exit_code == 2 and "ft, ike" in done.stderr
    done = call("site", "admit", run(IKE), "--as", "ike2", "--family", "magic")
    assert done.exit_code == 2 and "family" in done.stderr


def test_without_an_id_there_is_an_entry_for_each_editor(board: Path) -> None:
    done = call("site", "admit", run(NULL), run(MEND), "--json")
    assert done.exit_code == 0, done.output
    assert [Path(path).name for path in json.loads(done.stdout)["entries"]] == ["mend", "null"]
    done = call("site", "admit", run(NULL), "--name", "Nothing")
    assert done.exit_code == 2 and "--as" in done.stderr


def test_what_is_there_with_the_same_runs_is_done(board: Path) -> None:
    assert call("site", "admit", run(NULL), "--as", "null").exit_code == 0
    run(MEND)
    before = {path: path.stat().st_mtime_ns for path in (board / "entries").rglob("*")}
    done = call("site", "admit", "runs", "--json")
    assert done.exit_code == 0, done.output
    told = {key: [Path(path).name for path in own] for key, own in json.loads(done.stdout).items()}
    assert told == {"entries": ["mend"], "there": ["ft", "ike", "null"]}
    assert {path: path.stat().st_mtime_ns for path in before if path.name != "entries"} == {
        path: when for path, when in before.items() if path.name != "entries"
    }
    again = call("site", "admit", "runs")
    assert again.exit_code == 0 and "entries/mend, there already with these runs" in again.output


@pytest.mark.parametrize("broken", ["runs", "id"])
def test_nothing_is_admitted_unless_all_can_be(board: Path, broken: str) -> None:
    run(COPY)
    if broken == "runs":
        run(IKE, limit=5)
        run(FT, limit=5)
    else:
        run(FakeEditor("No.Id"))
    done = call("site", "admit", "runs")
    assert done.exit_code == 2, done.output
    wanted = (
        "has ft, ike already, with other runs; --replace" if broken == "runs" else "cannot be called 'No.Id'"
    )
    assert wanted in done.stderr
    assert not (board / "entries" / "copy-target").exists()


@pytest.mark.parametrize("broken", ["record", "size", "twice", "id", "baseline"])
def test_nothing_is_admitted_before_all_was_scored(
    board: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What is wrong is of an entry that comes later, and found only by a look into its runs."""
    folders: list[str | Path] = [run(COPY)]
    into, said = "board", "mend"
    if broken == "record":
        folders.append(run(MEND))
        path = Path(folders[1]) / "predictions.jsonl"
        text = path.read_text()
        first = next(line for line in text.splitlines() if '"probes"' in line)
        path.write_text(text.replace(first, first.replace('"id":"', '"id":"other', 1)))
    elif broken == "size":
        monkeypatch.setattr("leaderboard.site.admission.MOST_FILE", 1000)
        folders, said = ["--replace", run(IKE), run(FT)], "at most 1000"
    elif broken == "twice":
        folders += [run(MEND), fake_run(Path("again"), SUITE, MEND)]
        said = "again"
    elif broken == "id":
        folders += ["--replace", run(FakeEditor("no.id"))]
        said = "cannot be called 'no.id'"
    else:
        into, said = "another", "says otherwise of case"
        monkeypatch.setattr("tests.leaderboard.fake.base_probe", drifted)
        folders.append(fake_run(Path("elsewhere"), SUITE, MEND))
    before = everything(board)
    done = call("site", "admit", *folders, "--board", into)
    assert done.exit_code == 2 and said in done.stderr, done.output
    assert everything(board) == before and not Path("another").exists()


def test_a_form_follows_from_the_card(board: Path) -> None:
    assert call("site", "admit", run(MEND)).exit_code == 0
    told = (board / "entries" / "mend" / "submission.yaml").read_text()
    submission, problems = Submission.parse(told, "submission.yaml")
    assert submission is not None and not problems
    assert submission.family == "meta-learning" and submission.deviations
    assert submission.paper == Paper("Fast model editing at scale", "https://arxiv.org/abs/2110.11309")


@pytest.fixture
def blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A blind draw, in a folder that holds its secret."""
    monkeypatch.chdir(tmp_path)
    Path("secret.hex").write_text(SECRET.hex())
    return blind_suite(SUITES.load("picturebook-vqa")(), SECRET)


def test_blind_runs_are_admitted_with_their_secret(blind: Suite) -> None:
    folder = fake_run(Path("runs"), blind, FT, limit=2)
    told = call("site", "admit", folder, "--board", "blind")
    assert told.exit_code == 2 and "--secret" in told.stderr
    done = call("site", "admit", folder, "--board", "blind", "--secret", "secret.hex")
    assert done.exit_code == 0, done.output
    (run,) = json.loads((Path("blind") / "entries" / "ft" / "verification.json").read_text())["runs"]
    assert (run["probes"], run["commitment"]) == ("blind", commitment(SECRET))
    assert SECRET.hex().encode() not in b"".join(
        p.read_bytes() for p in Path("blind").rglob("*") if p.is_file()
    )


def test_blind_runs_are_laid_out_where_they_are_asked_for(blind: Suite) -> None:
    public = SUITES.load("picturebook-vqa")()
    folders = [fake_run(Path("runs"), suite, FT, limit=2) for suite in (public, blind)]
    done = call("site", "admit", *folders, "--board", "both", "--secret", "secret.hex")
    assert done.exit_code == 0, done.output
    done = call("site", "runs", "--board", "both", "--out", "again")
    assert done.exit_code == 0 and "being blind: runs of ft; --blind" in done.output, done.output
    assert [path.name for path in Path("again").glob("*--ft--*")] == [folders[0].name]
    assert call("report", "again").exit_code == 0
    done = call("site", "runs", "--board", "both", "--out", "all", "--blind")
    assert "report all --secret FILE" in done.output
    assert len(list(Path("all").glob("*--ft--*"))) == 2
    done = call("report", "all", "--secret", "secret.hex")
    assert done.exit_code == 0 and "picturebook-vqa-blind on" in done.output, done.output


def test_a_form_is_taken(board: Path) -> None:
    text = (board / "entries" / "ike" / "submission.yaml").read_text()
    Path("form.yaml").write_text(text.replace("description: ''", "description: Says it back."))
    done = call("site", "admit", run(IKE), "--as", "ike-too", "--submission", "form.yaml", "--name", "Echo")
    assert done.exit_code == 0, done.output
    text = (board / "entries" / "ike-too" / "submission.yaml").read_text()
    assert "Says it back." in text and "id: ike-too" in text and "name: Echo" in text


def test_a_form_goes_over_the_card_and_is_filled_up_by_it(board: Path) -> None:
    """The card of MEND names its family, its paper and deviations."""
    assert call("site", "admit", run(MEND), "--as", "mend").exit_code == 0
    written = board / "entries" / "mend" / "submission.yaml"
    filled, _ = Submission.parse(written.read_text())
    assert filled is not None and filled.paper is not None and filled.deviations
    form = "schema: 1\nfamily: hybrid\ndeviations: []\nname: Ours\nlicence: Apache-2.0\n"
    Path("form.yaml").write_text(form)
    words = ("site", "admit", run(MEND), "--as", "mend", "--replace", "--submission", "form.yaml")
    done = call(*words, "--name", "Given")
    assert done.exit_code == 0, done.output
    found, _ = Submission.parse(written.read_text())
    assert found is not None and found.family == "hybrid" and found.deviations == ()
    assert (found.name, found.licence) == ("Given", "Apache-2.0")
    assert (found.paper, found.editor, found.version) == (filled.paper, "mend", filled.version)
    assert call(*words, "--family", "memory").exit_code == 0
    assert "family: memory" in written.read_text()


def test_a_form_is_in_utf_8(board: Path) -> None:
    Path("form.yaml").write_bytes(b"name: caf\xe9\n")
    done = call("site", "admit", run(IKE), "--as", "ike-too", "--submission", "form.yaml")
    assert done.exit_code == 2 and "form.yaml is not UTF-8" in done.stderr, done.output


def test_settings_of_all_runs_are_told_however_long(board: Path) -> None:
    long = {"layers": [f"model.layers.{number}.mlp" for number in range(40)]}
    runs = [
        run(MEND, backbone=backbone, editor_settings={"rate": rate, "steps": 5} | long)
        for backbone, rate in (("blip2-opt-mini", 0.1), ("minigpt4-mini", 0.2))
    ]
    done = call("site", "admit", *runs, "--as", "mend")
    assert done.exit_code == 0, done.output
    submission, _ = Submission.parse((board / "entries" / "mend" / "submission.yaml").read_text())
    assert submission is not None
    told = dict(submission.hyper_parameters)
    assert str(told.pop("layers")).startswith("sha256 ")
    assert told == {"rate.blip2-opt-mini": 0.1, "rate.minigpt4-mini": 0.2, "steps": 5}


def test_a_release_is_frozen(board: Path) -> None:
    words = ("site", "build", "--release", "2026.1", "--date", "2026-11-30")
    assert call(*words).exit_code == 0
    assert Path("board/releases/2026.1/board.csv").exists()
    assert Path("site/releases/2026.1/index.html").exists()
    assert call(*words).exit_code == 0
    shutil.rmtree(board / "entries" / "ft")
    done = call(*words)
    assert done.exit_code == 2 and "never written again" in done.stderr
    assert call("site", "build", "--release", "2026.2").exit_code == 2


def test_a_blind_run_beside_the_board(blind: Suite) -> None:
    admitted = fake_run(Path("runs"), blind, FT, limit=6)
    assert call("site", "admit", admitted, "--board", "blind", "--secret", "secret.hex").exit_code == 0
    mine = fake_run(Path("runs"), blind, FakeEditor("mine", {"reliability": 1}, 0.5), limit=6)
    told = call("compare", mine, "--with", "blind")
    assert told.exit_code == 2 and "--secret FILE" in told.stderr
    done = call("compare", mine, "--with", "blind", "--secret", "secret.hex", "--column", "mean", "--json")
    assert done.exit_code == 0, done.output
    _, row = json.loads(done.stdout)["rows"]
    assert row["name"] == "ft" and row["why_not_paired"] is None and row["difference"] is not None


def test_the_level_of_a_board_is_its_own(board: Path) -> None:
    done = call("compare", run(IKE), "--with", "board", "--alpha", "0.1")
    assert done.exit_code == 2 and "--alpha does not go with --with" in done.stderr


def test_a_run_beside_the_board(board: Path) -> None:
    mine = run(FakeEditor("mine", {"reliability": 1}, 0.5))
    done = call("compare", mine, "--with", "board", "--json")
    assert done.exit_code == 0, done.output
    means = [row for row in json.loads(done.stdout)["rows"] if row["column"] == "mean"]
    by_name = {row["name"]: row for row in means}
    assert set(by_name) == {"mine (local)", "ike", "ft"}
    for name in ("ike", "ft"):
        row = by_name[name]
        assert row["difference"] == pytest.approx(by_name["mine (local)"]["value"] - row["value"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["won"] + row["lost"] <= 12 and row["why_not_paired"] is None
    assert "mine (local)" in call("compare", mine, "--with", "board", "--format", "markdown").stdout
    lines = call("compare", mine, "--with", "board", "--format", "csv").stdout.splitlines()
    assert len(lines) == 1 + 7 * 3
    same = json.loads(call("compare", run(IKE), "--with", "board", "--column", "mean", "--json").stdout)
    (row,) = [row for row in same["rows"] if row["name"] == "ike"]
    assert (row["difference"], row["won"], row["lost"]) == (0, 0, 0)


def test_a_run_that_the_board_has_no_block_for(board: Path) -> None:
    done = call("compare", run(IKE, limit=5), "--with", "board")
    assert done.exit_code == 2 and "has no runs of fake-vqa" in done.stderr
    done = call("compare", "runs", "--with", "board")
    assert done.exit_code == 2 and "takes one run" in done.stderr
    rows = json.loads(call("compare", run(FakeEditor("late", stops=4)), "--with", "board", "--json").stdout)[
        "rows"
    ]
    assert {row["why_not_paired"] for row in rows if row["track"] == "reference"} == {
        "other edits, or not all of them"
    }


def test_what_cannot_be_published(board: Path) -> None:
    call("site", "build")
    assert call("site", "publish").exit_code == 2
    assert call("site", "publish", "--out", "a", "--branch", "b").exit_code == 2
    assert call("site", "publish", "--out", "docs").exit_code == 0
    assert Path("docs/404.html").exists() and Path("docs/.nojekyll").exists()


def test_the_server_serves_this_machine(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the board")
    page = '<link href="{0}static/site.css"><body data-root="{0}">no such page <a href="{0}index.html">'
    (tmp_path / "404.html").write_text(page.format("/where/it/is/"))
    with server(tmp_path, 0) as running:
        assert running.server_address[0] == "127.0.0.1"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{running.server_port}"
        with urllib.request.urlopen(f"{base}/") as answer:
            assert answer.read() == b"the board"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{base}/nowhere/at-all")
        assert (caught.value.code, caught.value.read()) == (404, page.format("/").encode())
        running.shutdown()
