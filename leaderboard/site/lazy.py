"""Data that pages fetch when they need it.

Each is written twice with the same content: as JSON, for programs, and as a script that hands it to
`mmeditData`, for a page that was opened from a file and may fetch nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaderboard.site.html import write_text

_SPELT = {ord("<"): "\\u003c", ord("\u2028"): "\\u2028", ord("\u2029"): "\\u2029"}
"""Inside a JSON text these can only stand in strings, where an escape says the same."""


def json_of(value: Any) -> str:
    """`value` on one line of JSON that may stand in a script. No NaN."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.translate(_SPELT) if any(chr(code) in text for code in _SPELT) else text


def write_data(out: Path, name: str, value: Any) -> None:
    """Write `out`/data/NAME.json and NAME.js. Raises `Unusable` for a file that cannot be written."""
    text = json_of(value)
    write_text(out / "data" / f"{name}.json", text + "\n")
    write_text(out / "data" / f"{name}.js", f"mmeditData({json.dumps(name)}, {text});\n")
