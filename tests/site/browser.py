"""A page in Debian's Chromium, driven by Playwright, with all that it complains of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.site import axe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Route

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-component-update", "--disable-background-networking")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@contextmanager
def opened() -> Iterator[Browser]:
    """The browser. Skips what asks for it, and says why, where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        axe.missing("NO PLAYWRIGHT: the site is not tested; pip install -e '.[browser]'")
    if CHROMIUM is None:
        axe.missing("NO BROWSER: the site is not tested; install chromium (apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One window on a site, and what went wrong in it."""

    page: Page
    home: str
    """Address that the site lies under, with a slash at the end."""
    trouble: list[str] = field(default_factory=list)
    """Errors and warnings of the console (violations of the policy among them), exceptions, dialogs,
    and requests to elsewhere."""

    def open(self, path: str) -> Page:
        """A page of the site that has done its first work."""
        self.page.goto("about:blank")  # or a new hash would only be a change of the hash
        self.page.goto(self.home + path)
        if self.page.locator("[data-state]").count() or path.startswith(("compare", "edits/")):
            self.page.wait_for_selector('[data-state="ready"]')
        return self.page

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands."""
        if not self.page.evaluate("typeof window.axe === 'object'"):
            # the debugger evaluates it, which no Content-Security-Policy stops
            self.page.evaluate(f"{axe.script()}; undefined")
        options = {"resultTypes": ["violations"], "preload": False}  # preloading would fetch, from a file too
        found = self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{one['id']} ({one['impact']}): {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in axe.SERIOUS
        ]

    def overflows(self) -> bool:
        """Whether the page itself can be scrolled sideways."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width > 0


@contextmanager
def visiting(browser: Browser, home: str | Path, **context: Any) -> Iterator[Visit]:
    """A fresh window on a site, from its folder or an address, that nothing else can be reached from."""
    at = f"{home.as_uri()}/" if isinstance(home, Path) else home
    window = browser.new_context(**{"viewport": WIDE, **context})
    visit = Visit(window.new_page(), at)

    def route(asked: Route) -> None:
        if asked.request.url.startswith((at, "data:", "blob:")):
            asked.continue_()
        else:
            visit.trouble.append(f"external request: {asked.request.url}")
            asked.abort()

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.trouble.append(f"{message.type}: {message.text}")

    def asked(dialog: Dialog) -> None:
        visit.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    window.route("**/*", route)
    visit.page.on("console", said)
    visit.page.on("pageerror", lambda error: visit.trouble.append(f"exception: {error}"))
    visit.page.on("dialog", asked)
    try:
        yield visit
    finally:
        window.close()


def let_come(page: Page, held: Sequence[Route], name: str) -> None:
    """Let the one answer that was held back arrive, which brings the data `name`, and the page take it."""
    assert len(held) == 1
    held[0].continue_()
    page.evaluate(f"mmedit.load('{name}').then(() => null)")
    page.wait_for_timeout(100)
