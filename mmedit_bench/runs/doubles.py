"""JSON of a stranger: a field that stands twice is found in one pass, however many fields there are.

`runs.files.parsed` refuses such a field as well, but looks for it in a time that grows with the square
of their number: 400 kB take half a minute. Its code belongs to what recorded runs are known by
(`runs.provenance.code_digest`) and stays as it is, so here the field is looked for ahead of it.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs import files

_SHORT = 256
"""Characters or bytes of a text with so few fields that there is nothing to save."""


def parsed(text: str | bytes) -> Any:
    """What `runs.files.parsed` gives, in a time that grows with the length of `text`. Raises as it does."""
    refuse_doubles(text)
    return files.parsed(text)


def refuse_doubles(text: str | bytes) -> None:
    """For a text that is handed to a reader which calls `runs.files.parsed` itself.

    Raises `BadRecord`, in the words of that function, where a field stands twice in one object. Short
    texts, and what else may be wrong, are left to the reader.
    """
    if len(text) < _SHORT:
        return
    with suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=_refuse, parse_constant=_stop)


def _refuse(pairs: list[tuple[str, Any]]) -> None:
    """Gives nothing: what is looked at here is not kept."""
    if len({name for name, _ in pairs}) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, _ in pairs if times[name] > 1)
        raise BadRecord(f"the field {twice!r} stands twice in one object")


def _stop(name: str) -> Any:
    """The reader refuses the text for this constant, and sees nothing of what follows it."""
    raise ValueError(name)
