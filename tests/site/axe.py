"""axe-core, installed from the registry in the locked version; it is no part of this repository."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "axe_core"
"""Holds package.json and its lock; node_modules beside them is ignored by git."""
SERIOUS = ("serious", "critical")


def script() -> str:
    """The checker's source. Skips the test where it cannot be had, and fails it where it must."""
    wanted = json.loads((FOLDER / "package-lock.json").read_bytes())["packages"]["node_modules/axe-core"]
    installed = FOLDER / "node_modules" / "axe-core"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes, one folder
        if _version(installed) != wanted["version"]:
            _install()
    return (installed / "axe.min.js").read_text(encoding="utf-8")


def _version(package: Path) -> str | None:
    try:
        found: str = json.loads((package / "package.json").read_bytes())["version"]
    except FileNotFoundError:
        return None
    return found


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        missing("NO NPM: accessibility is not tested; install npm (apt-get install npm)")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    if done.returncode:
        missing(f"NO AXE-CORE: accessibility is not tested; `npm ci` says {done.stderr[-300:]}")


def missing(what: str) -> None:
    """Skip and say why; fail where MMEDIT_BROWSER=required says that nothing may be missing."""
    if os.environ.get("MMEDIT_BROWSER") == "required":
        pytest.fail(what)
    pytest.skip(what)
