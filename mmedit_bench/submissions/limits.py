"""How large what is submitted may be. Whoever writes a submission and whoever reads one hold to these."""

from __future__ import annotations

MOST_FORM = 64 << 10
"""Bytes of submission.yaml, and of a package's pyproject.toml."""
MOST_FILE = 64 << 20
"""Bytes of any one file."""
MOST_BYTES = 1 << 30
"""Bytes of a submission."""
MOST_FILES = 20_000
"""Files of a submission."""
MOST_DEPTH = 8
"""Folders in one another."""
MOST_PATH = 200
"""Characters of a file's path inside its submission."""
