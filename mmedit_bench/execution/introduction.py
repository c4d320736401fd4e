"""What an editor's process says of the editor, taken as a stranger's word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmedit_bench.errors import BenchError
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.identity import EditorIdentity
from mmedit_bench.plugins.registry import EDITORS

MOST_TEXT = 200
"""Most characters of a version."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def introduced(told: Mapping[str, Any], order: Order) -> EditorIdentity:
    """The identity that a process told, of the editor that was ordered.

    Raises `BenchError` for any other name or source, and for fields that are none of an identity's.
    """
    if told.keys() != {field.name for field in fields(EditorIdentity)}:
        raise BenchError(f"editor {order.editor}: its process does not say who it is")
    digests = [told["code"], *([] if told["artefact"] is None else [told["artefact"]])]
    right = {
        "name": told["name"] == order.editor,
        "source": told["source"] == EDITORS.entry(order.editor).source,
        "version": isinstance(told["version"], str) and len(told["version"]) <= MOST_TEXT,
        "code": all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in digests),
        "settings": isinstance(told["settings"], dict) and isinstance(told["options"], dict),
        "control": isinstance(told["control"], bool),
    }
    if wrong := [name for name, is_right in right.items() if not is_right]:
        raise BenchError(f"editor {order.editor}: its process tells a false {wrong[0]}")
    return EditorIdentity(**told)
