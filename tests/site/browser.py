"""A page in Debian's Chromium, driven by Playwright, with all that it complains of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, Playwright, Route

from tests.site import axe

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-component-update", "--disable-background-networking")


def launched(playwright: Playwright) -> Browser:
    """The browser, or a skip that says what is missing."""
    if CHROMIUM is None:
        axe.missing("NO BROWSER: the site is not tested; install chromium (apt-get install chromium)")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@dataclass
class Visit:
    """One page and what went wrong on it."""

    page: Page
    home: str
    """Address that the site lies under."""
    trouble: list[str] = field(default_factory=list)
    """Console errors and warnings, uncaught exceptions, dialogs, and requests to elsewhere."""

    def open(self, path: str) -> Page:
        """A page of the site, whose scripts are done with their first work."""
        self.page.goto(self.home + path)
        self.page.wait_for_load_state("load")
        return self.page

    def violations(self, **options: Any) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands."""
        if not self.page.evaluate("typeof window.axe === 'object'"):
            # evaluated by the debugger, which no Content-Security-Policy stops
            self.page.evaluate(axe.script() + "; undefined")
        found = self.page.evaluate("(options) => axe.run(document, options)", {"resultTypes": ["violations"], **options})
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"][:3])
            for one in found["violations"]
            if one["impact"] in axe.SERIOUS
        ]


@contextmanager
def visiting(browser: Browser, home: str, **context: Any) -> Iterator[Visit]:
    """A fresh window on a site, shut off from everything but the site itself."""
    window = browser.new_context(**context)
    visit = Visit(window.new_page(), home)

    def route(asked: Route) -> None:
        if asked.request.url.startswith((home, "data:", "blob:")):
            asked.continue_()
        else:
            visit.trouble.append(f"external request: {asked.request.url}")
            asked.abort()

    window.route("**/*", route)
    page = visit.page
    page.on("console", lambda said: visit.trouble.append(f"{said.type}: {said.text}") if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: visit.trouble.append(f"exception: {error}"))
    page.on("dialog", lambda dialog: (visit.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        yield visit
    finally:
        window.close()
