"""Names, where they come from, and what is said when something is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmedit_bench.errors import BenchError, Collision, UnknownName
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, PROTOCOLS, SUITES, Entry, Registry
from tests.distributions import write_metadata

GROUP = "mmedit_bench.tests.things"
THINGS = Registry(GROUP, "thing")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path with two distributions."""
    site = tmp_path / "site"
    write_metadata(site, "first-things", "1.0", {GROUP: {"hammer": "json:dumps", "saw": "first_saw:Saw"}})
    write_metadata(site, "other-things", "2.1", {GROUP: {"drill": "math:sqrt"}})
    monkeypatch.syspath_prepend(site)
    return site


def test_names_are_sorted_over_distributions(site: Path) -> None:
    assert THINGS.names() == ("drill", "hammer", "saw")


def test_an_entry_tells_where_it_comes_from(site: Path) -> None:
    entry = THINGS.entry("drill")
    assert entry == Entry("drill", "math:sqrt", "other-things", "2.1", site)
    assert entry.source == "other-things 2.1"
    assert str(entry) == f"drill = math:sqrt from other-things 2.1 ({site})"


def test_loads_only_what_is_asked_for(site: Path) -> None:
    import math

    assert THINGS.load("drill") is math.sqrt  # saw cannot be imported, and is not


def test_an_unknown_name_brings_a_suggestion_and_the_list(site: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        THINGS.entry("hamer")
    assert str(caught.value) == "there is no thing 'hamer'. Did you mean 'hammer'? Known: drill, hammer, saw."
    with pytest.raises(UnknownName, match=r"no thing 'xyz'\. Known"):
        THINGS.load("xyz")


def test_an_empty_group_says_so() -> None:
    with pytest.raises(UnknownName, match="none: no installed distribution registers any"):
        Registry("nothing.here", "nothing").load("x")


def test_a_collision_names_both_distributions(site: Path) -> None:
    write_metadata(site, "rival-things", "0.1", {GROUP: {"drill": "math:floor", "level": "math:ceil"}})
    for access in (THINGS.entry, THINGS.load):
        with pytest.raises(Collision) as caught:
            access("drill")
        message = str(caught.value)
        assert "other-things 2.1" in message and "rival-things 0.1" in message
    assert THINGS.names() == ("drill", "hammer", "level", "saw")
    assert THINGS.entry("level").distribution == "rival-things"  # other names are not affected


def test_a_distribution_seen_twice_is_no_collision(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_metadata(tmp_path / "again", "other-things", "2.1", {GROUP: {"drill": "math:sqrt"}})
    monkeypatch.syspath_prepend(tmp_path / "again")
    assert THINGS.entry("drill").source == "other-things 2.1"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "ModuleNotFoundError: No module named 'first_saw'"),
        ("import does_not_exist", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("raise RuntimeError('needs a licence')", "RuntimeError: needs a licence"),
        ("Sew = 1", "AttributeError: module 'first_saw' has no attribute 'Saw'"),
    ],
)
def test_a_broken_plugin_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch, source: str | None, problem: str
) -> None:
    monkeypatch.delitem(sys.modules, "first_saw", raising=False)
    if source is not None:
        (site / "first_saw.py").write_text(source)
    with pytest.raises(BenchError) as caught:
        THINGS.load("saw")
    assert str(caught.value) == (
        f"thing 'saw' cannot be imported: first_saw:Saw of first-things 1.0 raises {problem}. "
        "Mend or uninstall first-things."
    )


def test_the_four_groups() -> None:
    groups = [registry.group for registry in (EDITORS, BACKBONES, SUITES, PROTOCOLS)]
    assert groups == [f"mmedit_bench.{name}" for name in ("editors", "backbones", "suites", "protocols")]


def test_needs_no_torch() -> None:
    code = (
        "import sys, mmedit_bench.plugins.registry as r; r.EDITORS.names(); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
