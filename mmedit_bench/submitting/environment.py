"""What is installed where a submission was made."""

from __future__ import annotations

import importlib.metadata
import re


def environment() -> str:
    """Name and version of every installed distribution, a line each, sorted."""
    found = {
        re.sub(r"[-_.]+", "-", one.name).lower(): one.version
        for one in importlib.metadata.distributions()
        if one.name
    }
    return "".join(sorted(f"{name}=={version}\n" for name, version in found.items()))
