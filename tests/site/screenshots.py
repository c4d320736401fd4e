"""Pictures of a built site for the documentation, to be made by hand when a page has changed:

    mmedit-bench site build --board board --out site
    python -m tests.site.screenshots --site site

`--board` builds a site first. Board, comparison and drill-down, light and dark, on a desktop and on a
phone, in docs/images/site; each at most 150 kB.
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
from pathlib import Path

from PIL import Image

from leaderboard.site.build import build
from tests.site.browser import PHONE, WIDE, opened, visiting
from tests.site.synthetic import Suites

OUT = Path(__file__).parents[2] / "docs" / "images" / "site"
MOST = 150_000
SIZES = {"desktop": {**WIDE, "height": 1240}, "phone": {**PHONE, "height": 1200}}
COLOURS = 96
"""Of the palette: pages have few colours, and a picture with a palette is a third of one without."""


def pages_of(site: Path, block: str | None, runs: str | None, edit: str | None) -> dict[str, str]:
    """The pages shown, by name; the board's first block where none is named."""
    if block is None:
        found = re.search(r'href="edits/([^"/]+)/index\.html"', (site / "index.html").read_text())
        assert found, "the site has no block of edits"
        block = found[1]
    return {
        "board": f"index.html#block={block}",
        "compare": f"compare.html#block={block}" + (f"&runs={runs}" if runs else ""),
        "edits": f"edits/{block}/index.html" + (f"#{edit}" if edit else ""),
    }


def packed(picture: bytes) -> bytes:
    """A screenshot as a small PNG. Raises `ValueError` for one that stays too large."""
    opened_ = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    opened_.save(file, "png", optimize=True)
    if file.tell() > MOST:
        raise ValueError(f"a picture of {file.tell()} bytes is too large for the documentation")
    return file.getvalue()


def take(site: Path, out: Path, pages: dict[str, str]) -> None:
    """Take all pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with opened() as browser:
        for size, viewport in SIZES.items():
            for scheme in ("light", "dark"):
                with visiting(browser, site.resolve(), color_scheme=scheme, viewport=viewport) as visit:
                    for name, path in pages.items():
                        page = visit.open(path)
                        page.wait_for_load_state("networkidle")
                        picture = packed(page.screenshot())
                        (out / f"{name}-{size}-{scheme}.png").write_bytes(picture)
                        print(f"{name}-{size}-{scheme}.png {len(picture)} bytes")
                    assert visit.trouble == [], visit.trouble


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--site", type=Path, help="a site that was built")
    parser.add_argument("--board", type=Path, help="a board to build one of")
    parser.add_argument("--synthetic", type=int, metavar="EDITS", help="the board is a synthetic one")
    parser.add_argument("--results", type=Path, help="as `site build --results`")
    parser.add_argument("--block", help="the block shown; by default the board's first")
    parser.add_argument("--runs", help="runs compared, with commas between")
    parser.add_argument(
        "--edit", help="what the drill-down shows, as in its address: editor=ft&outcome=harmed"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        site = chosen.site
        if chosen.board is not None:
            more = {} if chosen.synthetic is None else {"suites": Suites(chosen.synthetic)}
            site = build(chosen.board, Path(work) / "site", results=chosen.results, **more)
        if site is None:
            parser.error("name a --site or a --board")
        take(site, chosen.out, pages_of(site, chosen.block, chosen.runs, chosen.edit))


if __name__ == "__main__":
    main()
