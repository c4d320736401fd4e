"""Plants links to a file of whoever reads the submission."""

from __future__ import annotations

from pathlib import Path


def spoil(folder: Path) -> None:
    (folder / "package" / "notes.py").symlink_to("/etc/passwd")
    path = next((folder / "runs").iterdir()) / "timings.jsonl"
    path.unlink()
    path.symlink_to("/etc/passwd")
