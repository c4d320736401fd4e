"""What the self-contained page says of its ranks."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from tests.leaderboard.fake import FakeEditor, FakeSuite
from tests.leaderboard.test_build import ROWS, SUITES, Reading, build


def summaries(page: Reading) -> set[str]:
    """What ranks are said to come from."""
    told = [re.search(r"intervals of (.*) allow", str(item.get("title"))) for item in page.all("abbr")]
    return {found[1] for found in told if found}


def emphasised(page: Reading) -> set[int]:
    """Places of the bold cells in their rows, counted in numbers with a title."""
    places: set[int] = set()
    place = 0
    for tag, attributes in page.tags:
        place = 0 if tag == "tr" else place
        if tag == "td" and attributes.get("title"):
            places |= {place} if "ranking" in str(attributes.get("class")).split() else set()
            place += 1
    return places


def test_what_rows_are_ranked_by_is_said_and_emphasised(tmp_path: Path) -> None:
    text = build(tmp_path, SUITES[:1], ROWS)
    page = Reading(text)
    assert summaries(page) == {"Hard"} and "<dt>Hard</dt>" in text
    places = emphasised(page)
    suite = FakeSuite(count=6)
    suite._cases = tuple(
        dataclasses.replace(
            case, probes=tuple(probe for probe in case.probes if probe.stratum != "unseen_artist")
        )
        for case in suite._cases
    )
    plain = Reading(build(tmp_path / "plain", [suite], [FakeEditor("ft")]))
    assert summaries(plain) == {"Mean"}
    # there is no column of an unseen artist then, and Hard, without a number, still stands before Mean
    assert len(places) == len(emphasised(plain)) == 1
    assert max(places) == 11 and max(emphasised(plain)) == 11
