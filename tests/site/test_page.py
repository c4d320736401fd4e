"""The page in a real browser."""

import base64
import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from leaderboard.build import write_site
from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO BROWSER: the page is not tested; install chromium (apt-get install chromium)"
)


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a browser made of a page."""

    dom: str
    log: str

    def shown(self, kind: str, name: str) -> list[str]:
        """`name` attributes of the elements of class `kind` that are not hidden."""
        tags = re.findall(rf'<(?:section|div) class="{kind}"[^>]*>', self.dom)
        return [re.search(rf'{name}="([^"]*)"', tag)[1] for tag in tags if "hidden" not in tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    suites = {name: FakeSuite(name, 12) for name in ("fake-a", "fake-b")}
    runs = [fake_run(folder / "runs", suite, editor) for suite in suites.values() for editor in EDITORS]
    runs.append(fake_run(folder / "runs", suites["fake-a"], EDITORS[2], backbone="other-mini"))
    return write_site(runs, folder, suites=suites.__getitem__)


QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-extensions", "--disable-component-update", "--disable-background-networking"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000"),
)


def visit(page: Path, tmp_path: Path, *, hash: str = "", flags: tuple[str, ...] = ()) -> Seen:
    """Open the page, let its script run, and return the document and the browser's log."""
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", *flags]
    # Whatever the page asked a network for would fail, and the failure would be logged.
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", f"{page.as_uri()}{hash}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return Seen(done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line))


def framed(page: Path, tmp_path: Path, script: str, *, width: int = 1360, frame: str = "") -> str:
    """The page in a frame of `width`; returns as JSON what `script` makes of its document `page`."""
    outer = tmp_path / "frame.html"
    outer.write_text(
        f'<iframe {frame} src="{page.as_uri()}" width="{width}" height="900"></iframe><script>'
        "onload = () => { const page = document.querySelector('iframe').contentDocument;"
        f"document.title = JSON.stringify((() => {{ {script} }})()); }};</script>"
    )
    return title(visit(outer, tmp_path, flags=("--allow-file-access-from-files", "--window-size=1500,1000")))


def with_script(page: Path, tmp_path: Path, script: str) -> Path:
    """A copy of the page that runs `script` after its own and leaves the result in the title."""
    copy = tmp_path / "scripted.html"
    probe = f"<script>document.title = JSON.stringify((() => {{ {script} }})());</script></body>"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    return copy


def title(seen: Seen) -> str:
    found = re.search(r"<title>(.*?)</title>", seen.dom, re.S)
    assert found
    return found[1]


def test_opens_from_a_file_without_errors(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path)
    assert seen.log == ""
    assert seen.shown("section", "id") == ["block-0"]
    assert set(seen.shown("view", "data-family")) == {"generation"}
    assert re.search(r'<form class="choice">', seen.dom)  # shown once the script runs


def test_the_hash_chooses(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path, hash="#suite=fake-b&backbone=blip2-opt-mini&scorer=teacher_forced_token")
    assert seen.log == ""
    (section,) = seen.shown("section", "id")
    assert f'id="{section}-title">fake-b' in seen.dom
    assert set(seen.shown("view", "data-family")) == {"teacher_forced_token"}


def test_a_choice_without_runs_says_so(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path, hash="#suite=fake-b&backbone=other-mini")
    assert seen.shown("section", "id") == []
    assert re.search(r'<p class="empty" id="no-match" role="status">', seen.dom)


def test_nonsense_in_the_hash_is_ignored(page: Path, tmp_path: Path) -> None:
    seen = visit(page, tmp_path, hash="#suite=%3Cscript%3E&backbone&scorer=bleu&&=")
    assert seen.log == ""
    assert seen.shown("section", "id") == ["block-0"]


def test_choosing_rewrites_the_hash(page: Path, tmp_path: Path) -> None:
    script = """
      const choose = (name, value) => {
        const select = document.querySelector(".choice").elements.namedItem(name);
        select.value = value;
        select.dispatchEvent(new Event("change"));
      };
      choose("suite", "fake-b");
      choose("scorer", "teacher_forced_exact");
      return location.hash;
    """
    seen = visit(with_script(page, tmp_path, script), tmp_path)
    assert seen.log == ""
    assert "suite=fake-b" in title(seen) and "scorer=teacher_forced_exact" in title(seen)
    assert set(seen.shown("view", "data-family")) == {"teacher_forced_exact"}


CSV = """
  let caught = null;
  const make = window.Blob;
  window.Blob = class extends make {
    constructor(parts, options) { super(parts, options); caught = parts[0]; }
  };
  document.querySelector("button.csv").click();
  return btoa(unescape(encodeURIComponent(caught)));
"""


def csv_of(page: Path, tmp_path: Path) -> list[str]:
    seen = visit(with_script(page, tmp_path, CSV), tmp_path)
    return base64.b64decode(title(seen).strip('"')).decode().splitlines()


def test_csv_holds_the_numbers(page: Path, tmp_path: Path) -> None:
    lines = csv_of(page, tmp_path)
    assert lines[0].startswith('"suite","backbone","setting","family","editor"')
    assert any(
        '"null"' in line and '"locality","generation_same","100","100","100"' in line for line in lines
    )


def test_no_cell_of_the_csv_is_a_formula(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert '"setting": "' in text
    odd = tmp_path / "odd.html"
    odd.write_text(
        text.replace('"setting": "', '"setting": "=1+').replace('"editor": "ft"', '"editor": "-3"')
    )
    lines = csv_of(odd, tmp_path)[1:]
    assert lines and all(""","'=1+""" in line for line in lines)
    assert any(',"-3",' in line for line in lines)  # a number stays


def test_without_script_everything_is_shown(page: Path, tmp_path: Path) -> None:
    script = """
      const all = (query) => [...page.querySelectorAll(query)];
      const shown = (query) => all(query).filter((item) => item.offsetHeight > 0).length;
      return [shown(".section"), shown(".view"), shown(".scores"), shown(".choice")];
    """
    # A sandbox without "allow-scripts" is a browser whose scripts are switched off.
    sections, views, tables, forms = json.loads(
        framed(page, tmp_path, script, frame='sandbox="allow-same-origin"')
    )
    assert (sections, views, tables, forms) == (3, 9, 9, 0)


@pytest.mark.parametrize("width", [360, 800, 1360])
def test_the_page_itself_never_scrolls_sideways(page: Path, tmp_path: Path, width: int) -> None:
    """Wide tables scroll in their own boxes, and the first column stays in view."""
    script = """
      page.querySelectorAll("details").forEach((item) => { item.open = true; });
      const box = page.querySelector(".scroll");
      box.scrollLeft = 300;
      const name = page.querySelector(".scores tbody th").getBoundingClientRect();
      const moved = Math.round(name.left - box.getBoundingClientRect().left);
      return [page.documentElement.scrollWidth, page.documentElement.clientWidth, moved, box.scrollLeft];
    """
    inner, outer, moved, scrolled = json.loads(framed(page, tmp_path, script, width=width))
    assert inner <= outer
    assert moved == 0
    assert scrolled > 0 or width > 1100


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast(page: Path, tmp_path: Path, dark: bool) -> None:
    """At least 4.5 : 1 between every text colour in use and the ground, in both themes."""
    script = """
      const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
        const linear = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
      };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      const tags = "h1,p,th,td,small,summary,caption,dt,dd,footer,label,.good,.bad,.badge,.quiet,.name";
      const found = [...document.querySelectorAll(tags)];
      const colours = new Set(found.map((item) => getComputedStyle(item).color));
      const ratios = [...colours].map((colour) => {
        const [a, b] = [light(colour), ground].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
      });
      return [ground, Math.min(...ratios), ratios.length];
    """
    flags = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    seen = visit(with_script(page, tmp_path, script), tmp_path, flags=flags)
    ground, worst, count = json.loads(title(seen))
    assert (ground < 0.1) == dark
    assert count >= 4
    assert worst >= 4.5
