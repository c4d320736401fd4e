import dataclasses
import hashlib
import io
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from PIL import Image

from leaderboard.build import write_site
from leaderboard.commands import run_command
from leaderboard.pictures import LARGEST, Pictures
from mmedit_bench.cases import EditCase, ImageRef, Query
from mmedit_bench.errors import BadData, BadRecord
from mmedit_bench.runs.evidence import Reading as Answered
from mmedit_bench.runs.folder import read_run
from mmedit_bench.runs.records import Asked, ProbeRecord, lines_of
from mmedit_bench.scoring.scores import TEXT_ALONE, TOO_FEW
from tests.leaderboard.fake import EDITORS, FakeEditor, FakeSuite, fake_run

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


SUITES = [FakeSuite("fake-a", 15), FakeSuite("fake-b", 15)]
ROWS = (*EDITORS, FakeEditor("late", stops=4))


class Reading(HTMLParser):
    """Tags, attributes and script texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_endtag(self, tag) -> None:
        self._inside = False

    def handle_data(self, data) -> None:
        if self._inside:
            self.scripts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def build(tmp_path: Path, suites: list[FakeSuite], editors=EDITORS, **changes) -> str:
    runs = [fake_run(tmp_path / "runs", suite, editor, **changes) for suite in suites for editor in editors]
    by_name = {suite.name: suite for suite in suites}
    page = write_site(runs, tmp_path / "site", suites=by_name.__getitem__)
    assert page == tmp_path / "site" / "index.html"
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(tmp_path_factory.mktemp("board"), SUITES, ROWS)


@pytest.fixture(scope="module")
def page(text: str) -> Reading:
    return Reading(text)


def test_one_section_is_shown_at_first(page: Reading) -> None:
    sections = [item for item in page.all("section") if item.get("class") == "section"]
    assert ["hidden" in item for item in sections] == [False, True]
    views = [item for item in page.all("div") if item.get("class") == "view"]
    assert ["hidden" in item for item in views] == [False, True, True] * 2


def test_the_page_opens_on_the_block_of_the_first_run(text: str, tmp_path: Path) -> None:
    turned = build(tmp_path, SUITES[::-1], ROWS)
    for html, opening in ((text, "fake-a"), (turned, "fake-b")):
        choices = re.search(r'<select name="suite">(.*?)</select>', html, re.S)
        assert choices and re.findall(r"fake-[ab]", choices[1])[0] == opening
        shown = re.search(r"<h2[^>]*>(.*?)</h2>", html, re.S)
        assert shown and opening in shown[1]


def test_everything_is_inside(page: Reading) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    policy = next(item for item in page.all("meta") if item.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])


def test_tables_are_described(page: Reading, text: str) -> None:
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in item for item in page.all("th"))
    for label in ("generation_exact", "agreement_top1", "agreement_exact"):
        assert label in text
    assert "95 % interval" in text


def test_titles_hold_exact_values(page: Reading, tmp_path: Path) -> None:
    titles = [item["title"] for item in page.all("td") if item.get("title")]
    interval = f"(95 % interval [\\d.]+ to [\\d.]+|{TOO_FEW})"
    pattern = rf"[\d.]+ %, {interval}, n = \d+ probes of \d+ edits, (harmonic mean: )?\w+( \+ \w+)?"
    assert any(TOO_FEW in str(title) for title in titles)  # the late editor made four
    assert titles and all(re.fullmatch(pattern, str(title)) for title in titles)


def test_bars_stay_on_their_axis(page: Reading) -> None:
    for item in page.all("span"):
        for number in re.findall(r"(?:left|right):(-?[\d.]+)%", item.get("style") or ""):
            assert 0 <= float(number) <= 100


def test_pictures_are_stored_once(page: Reading) -> None:
    uris = [str(item["href"]) for item in page.all("image")]
    assert len(uris) == len(set(uris)) > 3
    ids = {item["id"] for item in page.all("symbol")}
    assert {str(item["href"])[1:] for item in page.all("use")} == ids
    assert all(item["class"] == "pixelated" for item in page.all("image"))


def test_ten_edits_by_rule(page: Reading) -> None:
    edits = [item for item in page.all("details") if item.get("class") == "edit"]
    assert len(edits) == 20
    assert sum("open" in item for item in edits) == 2


def test_states_are_words(text: str) -> None:
    for word in ("12 of 15, unranked", "2 failed", "control", "edit failed", "not run", "took", "disturbed"):
        assert word in text


def test_provenance(text: str, tmp_path: Path) -> None:
    suite = SUITES[0]
    for editor in ROWS:
        spec = read_run(fake_run(tmp_path, suite, editor)).manifest.spec
        assert spec.fingerprint in text
    assert suite.digest in text
    assert "mmedit-bench run --suite fake-a" in text


def test_embedded_numbers(page: Reading) -> None:
    data = json.loads(next(script for script in page.scripts if '"sections"' in script))
    assert [section["suite"] for section in data["sections"]] == ["fake-a", "fake-b"]
    row = next(row for row in data["sections"][0]["rows"] if row["editor"] == "null")
    cell = dict(zip(data["fields"], row["scores"]["all"]["locality"], strict=True))
    assert (cell["value"], cell["label"]) == (100, "generation_same")


def test_same_runs_same_bytes(text: str, tmp_path: Path) -> None:
    assert build(tmp_path, SUITES, ROWS) == text


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    suite = FakeSuite("fake-a", 3)

    def spoiled(case: EditCase) -> EditCase:
        request = dataclasses.replace(
            case.request, target=NASTY, query=Query(f"{NASTY}?", case.request.query.image)
        )
        probes = tuple(
            dataclasses.replace(probe, reference=NASTY, query=Query(NASTY, probe.query.image))
            for probe in case.probes
        )
        return dataclasses.replace(case, request=request, probes=probes)

    suite._cases = tuple(map(spoiled, suite._cases))
    editor = FakeEditor("ft", options={"note": NASTY}, fails=1)
    found = Reading(build(tmp_path, [suite], [editor], editor_version=NASTY, source=NASTY))
    assert [item.get("type") for item in found.all("script")] == ["application/json", None]
    assert not found.all("img")
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    json.loads(next(script for script in found.scripts if '"sections"' in script))


def test_no_runs(tmp_path: Path) -> None:
    assert "No runs yet" in build(tmp_path, [])


def test_only_a_run_that_has_not_begun(tmp_path: Path) -> None:
    assert "0 of 4, unranked" in build(tmp_path, [FakeSuite(count=4)], [FakeEditor("ft", stops=0)])


def test_a_suite_without_pictures(tmp_path: Path) -> None:
    suite = FakeSuite("plain", 3)

    def blind(case: EditCase) -> EditCase:
        request = dataclasses.replace(case.request, query=Query(case.request.query.prompt))
        probes = tuple(probe for probe in case.probes if probe.query.image is None)
        return dataclasses.replace(case, request=request, probes=probes)

    suite._cases = tuple(map(blind, suite._cases))
    found = Reading(build(tmp_path, [suite], [FakeEditor("ft")]))
    assert not found.all("symbol")


def test_spoiled_pictures_are_refused(tmp_path: Path) -> None:
    suite = FakeSuite(count=3)
    folder = fake_run(tmp_path, suite, FakeEditor("ft"))

    def spoiled(query: Query) -> Query:
        return Query(query.prompt, query.image and dataclasses.replace(query.image, opener=lambda: b"other"))

    suite._cases = tuple(
        dataclasses.replace(
            case,
            probes=tuple(dataclasses.replace(probe, query=spoiled(probe.query)) for probe in case.probes),
        )
        for case in suite._cases
    )
    with pytest.raises(BadData, match="another digest"):
        write_site([folder], tmp_path / "site", suites=lambda name: suite)


def test_numbers_without_intervals_and_empty_cells_are_explained(tmp_path: Path) -> None:
    """Three edits give no interval; a route's text gives no reading under teacher forcing."""
    suite = FakeSuite(count=3)
    folder = fake_run(tmp_path, suite, FakeEditor("ft"))
    kinds = read_run(folder).manifest.spec.evidence
    lines = []
    for record in read_run(folder).records:
        if isinstance(record, Asked):
            texts = [ProbeRecord(probe.id, Answered(probe.reading.answer)) for probe in record.probes]
            record = dataclasses.replace(record, probes=tuple(texts))
        lines.append(record)
    (folder / "predictions.jsonl").write_bytes(lines_of(lines, kinds))
    page = write_site([folder], tmp_path / "site", suites=lambda name: suite).read_text(encoding="utf-8")
    assert f"{TEXT_ALONE} (ft)" in page and f"{TOO_FEW} (ft)" in page
    found = Reading(page)
    titles = [str(item["title"]) for item in found.all("td") if item.get("title")]
    assert {title for title in titles if "%" not in title} == {TEXT_ALONE}
    assert not any("95 %" in title for title in titles)
    data = json.loads(next(script for script in found.scripts if '"sections"' in script))
    by_family = {row["family"]: row["scores"]["all"]["mean"] for row in data["sections"][0]["rows"]}
    place = data["fields"].index("reason")
    assert by_family["generation"][place] == TOO_FEW
    assert by_family["teacher_forced_token"][place] == TEXT_ALONE


def test_scores_beside_a_run_are_not_believed(tmp_path: Path) -> None:
    suite = FakeSuite(count=3)
    folder = fake_run(tmp_path, suite, FakeEditor("ft"))
    page = write_site([folder], tmp_path / "site", suites=lambda name: suite).read_bytes()
    (folder / "scores.json").write_text('{"families": "perfect"}')
    assert write_site([folder], tmp_path / "site", suites=lambda name: suite).read_bytes() == page
    assert (folder / "scores.json").read_text() == '{"families": "perfect"}'
    shutil.rmtree(tmp_path / "baselines")
    with pytest.raises(BadRecord, match="which is not there"):
        write_site([folder], tmp_path / "site", suites=lambda name: suite)


def test_large_pictures_are_reduced() -> None:
    file = io.BytesIO()
    Image.effect_noise((900, 600), 80).save(file, "PNG")
    data = file.getvalue()
    picture = Pictures().add(ImageRef(hashlib.sha256(data).hexdigest(), lambda: data))
    assert (picture.width, picture.height, picture.pixelated) == (LARGEST, 171, False)
    assert picture.uri.startswith("data:image/jpeg") and len(picture.uri) < 80_000


def test_commands_survive_a_shell(tmp_path: Path) -> None:
    options = {
        "rate": 1e-3,
        "steps": 20,
        "layer": "last",
        "flag": True,
        "text": "on",
        "odd": "a 'b' $c",
        "none": None,
    }
    folder = fake_run(tmp_path, FakeSuite(count=2), FakeEditor("ft", options=options), limit=2)
    words = shlex.split(run_command(read_run(folder).manifest.spec))
    assert words[:4] == ["mmedit-bench", "run", "--suite", "fake-vqa"]
    assert words[words.index("--limit") + 1] == "2"
    pairs = [words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "--set"]
    assert {name: yaml.safe_load(value) for name, value in pairs} == options
