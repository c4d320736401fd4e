"""The wheel brings everything along that is not code, and works away from the clone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARRIED = {".parquet", ".safetensors", ".json", ".yaml", ".md", ".html", ".css", ".js", ".j2", ".svg", ".txt"}
"""Suffixes of data files. Whatever has one of them inside the packages must be in the wheel."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", out, ROOT], check=True)
    (built,) = out.glob("*.whl")
    return built


def test_data_files_are_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("mmedit_bench", "methods", "leaderboard")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and (path.suffix in CARRIED or path.name in ("NOTICE", "py.typed"))
    }
    assert wanted <= inside, sorted(wanted - inside)
    assert {Path(name).suffix for name in wanted} >= {".parquet", ".yaml", ".md", ".safetensors"}
    assert any(Path(name).name == "NOTICE" for name in wanted)
    assert not [name for name in inside if name.startswith("tests/") or "__pycache__" in name]


def test_it_works_away_from_the_clone(wheel: Path, tmp_path: Path) -> None:
    installed, work = tmp_path / "installed", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(installed)
    work.mkdir()
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); from mmedit_bench.cli import main; main()"

    def run(*words: str) -> str:
        command = [sys.executable, "-P", "-c", code, *words]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "no problems" in run("data", "check", "picturebook")
    order = "--suite picturebook-vqa --backbone blip2-opt-mini --editor copy-target --limit 2 --json"
    # The clone may be installed in this environment as well; what was imported must be the wheel's.
    assert str(installed) in run("data", "describe", "picturebook", "--json")
    assert '"status": "complete"' in run("run", *order.split())
    assert "reliability 100.0" in run("score", "runs")
    assert "demo/submission.yaml" in run("new-editor", "demo")
    assert "board/.github/workflows/check.yml" in run("new-board", "board")
