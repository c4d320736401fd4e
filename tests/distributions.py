"""Distributions made visible without installing them: their metadata is written next to nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path


def write_metadata(site: Path, name: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> Path:
    """Write what an installer leaves of a distribution: `site`/<name>-<version>.dist-info."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{point} = {value}" for point, value in points.items()), "")
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines))
    return folder


def write_metadata_of(project: Path, site: Path, groups: frozenset[str] | None = None) -> Path:
    """The same, from a project's pyproject.toml; with `groups`, only those entry-point groups."""
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    points = table["entry-points"]
    chosen = {group: points[group] for group in points if groups is None or group in groups}
    return write_metadata(site, table["name"], table.get("version", "0"), chosen)
