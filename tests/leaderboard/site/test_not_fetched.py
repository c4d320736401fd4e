"""Boards of data that has to be fetched, built where it was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from leaderboard.site.build import build
from leaderboard.site.details_asked import data_of
from leaderboard.site.details_block import edits_of
from leaderboard.site.details_pictures import FOLDER, NOT_AT_HAND, Gallery
from leaderboard.site.loading import at_hand
from leaderboard.site.model import Block, Site, load, registered
from leaderboard.site.views import INTERVALS, PAIRED
from mmedit_bench.cases import EditCase, ImageRef, Query
from mmedit_bench.datasets.annotated.pictures import PictureFile
from mmedit_bench.datasets.annotated.roots import DATA, Root
from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BadData
from tests.datasets.small import png
from tests.site.synthetic import suite_of

EDITS = 20


@dataclass(frozen=True)
class Fetched:
    """A suite of the synthetic board as one whose files are pinned: it knows its digest without them."""

    suite: Suite
    why: str | None = None
    """What `absent` says."""
    put: Callable[[ImageRef], ImageRef] = lambda image: image
    """What stands in the place of a picture."""

    @property
    def name(self) -> str:
        return self.suite.name

    @property
    def task(self) -> str:
        return self.suite.task

    @property
    def digest(self) -> str:
        return self.suite.digest

    @property
    def splits(self) -> tuple[str, ...]:
        return self.suite.splits

    def absent(self) -> str | None:
        return self.why

    def cases(self, split: str) -> tuple[EditCase, ...]:
        if self.why is not None:
            raise BadData(self.why)
        return tuple(map(self._case, self.suite.cases(split)))

    def _case(self, case: EditCase) -> EditCase:
        def asked(query: Query) -> Query:
            return replace(query, image=self.put(query.image)) if query.image else query

        request = replace(case.request, query=asked(case.request.query))
        return replace(
            case, request=request, probes=tuple(replace(one, query=asked(one.query)) for one in case.probes)
        )


def unfetched(name: str) -> Fetched:
    return Fetched(suite_of(name, EDITS), f"{name} is not part of this package")


def in_files(folder: Path) -> Callable[[str], Fetched]:
    """The suites with their annotations, and their pictures as files of `folder`."""
    return lambda name: Fetched(
        suite_of(name, EDITS), None, lambda image: PictureFile(Root(folder, DATA), image.digest, "a record")
    )


def ranked_by(site: Site, protocol: str) -> set[str]:
    views = [view for block in site.blocks if block.key.protocol == protocol for view in block.views.values()]
    return {view.ranked_by for view in views if any(one.rank for one in view.rows)}


def block_of(site: Site, protocol: str) -> Block:
    (found,) = [one for one in site.blocks if (one.key.protocol, one.key.probes) == (protocol, "public")][:1]
    return found


def test_without_its_files_a_suite_is_not_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place in (None, tmp_path):
        monkeypatch.delenv(DATA, raising=False)
        if place:
            monkeypatch.setenv(DATA, str(place))
        for name in ("mmedit-vqa", "mmedit-vqa-liveedit", "vlkeb"):
            assert registered(name) is not None and at_hand(registered, name) is None
    assert at_hand(registered, "picturebook-vqa") is not None and at_hand(registered, "nobody's") is None


def test_a_board_is_built_without_the_data(board: Path, tmp_path: Path) -> None:
    site = load(board, suites=unfetched)
    assert ranked_by(site, "one-step") == {INTERVALS}
    assert not any(run.parts for entry in site.entries for run in entry.runs)
    block = block_of(site, "one-step")
    why = data_of(block.rows[0].run.spec, unfetched, blind=False).why
    assert why == f"The suite {block.key.suite} was not at hand when these pages were built."
    out = build(board, tmp_path / "site", suites=unfetched)
    assert json.loads((out / "data" / "details" / block.slug / "index.json").read_text())["why"] == why


def test_a_board_is_built_without_the_pictures(board: Path, loaded: Site, tmp_path: Path) -> None:
    suites = in_files(tmp_path / "none")
    out = build(board, tmp_path / "site", suites=suites)
    assert not (out / FOLDER).exists()
    site = load(board, suites=suites)
    # single edits need no picture; which edits stand in one sequence follows from them
    assert (ranked_by(site, "one-step"), ranked_by(loaded, "one-step")) == ({PAIRED}, {PAIRED})
    folder = out / "data" / "details" / block_of(site, "one-step").slug
    chunk = json.loads((folder / "0000.json").read_text())
    assert chunk["edits"][0]["pictures"][0] == ["Edited picture", *NOT_AT_HAND]
    shown = [one["picture"] for one in chunk["edits"][0]["probes"] if "picture" in one]
    assert shown and all(one == list(NOT_AT_HAND) for one in shown)


def test_sequences_are_not_compared_without_the_pictures_that_they_follow_from(
    board: Path, tmp_path: Path
) -> None:
    site = load(board, suites=in_files(tmp_path))
    runs = [run for entry in site.entries for run in entry.runs]
    assert {run.spec.protocol for run in runs if not run.parts} == {"sequential"}
    edits = edits_of(site, block_of(site, "sequential"))
    assert edits.columns == () and "were made together follows from them" in edits.data.why


def test_a_damaged_picture_is_no_missing_one(board: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for case in suite_of("synthetic-vqa", EDITS).cases("evaluation"):
        for query in (case.request.query, *(probe.query for probe in case.probes)):
            if query.image:
                (folder / query.image.digest).write_bytes(b"no picture")
    file = next(folder.iterdir())
    image = PictureFile(Root(folder, DATA), file.name, "a record")
    with pytest.raises(BadData, match="no whole picture"):
        Gallery(tmp_path / "out").add(image)
    with pytest.raises(BadData, match="no whole picture"):
        load(board, suites=in_files(folder))


def test_a_picture_that_is_there_beside_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(png(1))
    gallery = Gallery(tmp_path / "out")
    one, other = (PictureFile(Root(tmp_path, DATA), name, "a record") for name in ("there.png", "gone.png"))
    assert gallery.add(other) == NOT_AT_HAND
    name, *size = gallery.add(one)
    assert size == [8, 8] and (tmp_path / "out" / FOLDER / name).exists()
