"""A second distribution that offers an editor, or itself, under a name that is taken."""

from __future__ import annotations

from pathlib import Path


def spoil(folder: Path) -> None:
    for name, version, point in (
        ("alike", "1.0", "copy-target = alike:Editor"),
        ("mmedit-bench", "99.0", "better = alike:Editor"),
    ):
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[mmedit_bench.editors]\n{point}\n")
