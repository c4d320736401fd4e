"""A safetensors file, looked at before any library reads it.

The format is the length of a header (eight bytes, little-endian), the header as JSON, and the
tensors' bytes without gaps (https://github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import math
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.doubles import parsed

MOST_HEADER = 4 << 20
"""Bytes of a header."""
MOST_TENSORS = 10_000
MOST_DIMENSIONS = 8
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
    "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
"""Number types that an edit may have, with the bytes of one."""


def notes_of(data: bytes) -> dict[str, str]:
    """The notes in the header of a safetensors file.

    Raises `BadRecord` for a header that does not describe exactly the bytes that follow it.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > min(MOST_HEADER, len(data) - 8):
        raise BadRecord(f"its header does not fit: {size} bytes of {len(data)}")
    header = parsed(data[8 : 8 + size])
    if not isinstance(header, dict) or len(header) > MOST_TENSORS + 1:
        raise BadRecord(f"its header is no mapping of at most {MOST_TENSORS} tensors")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise BadRecord("its metadata are not texts")
    spans = sorted(_span(name, own) for name, own in header.items())
    end = 0
    for begin, stop in spans:
        if begin != end:
            raise BadRecord("its tensors overlap, or leave gaps")
        end = stop
    if end != len(data) - 8 - size:
        raise BadRecord(f"its tensors fill {end} bytes of {len(data) - 8 - size}")
    return notes


def _span(name: str, own: Any) -> tuple[int, int]:
    """Where a tensor begins and ends."""
    if not isinstance(own, dict) or own.keys() != {"dtype", "shape", "data_offsets"}:
        raise BadRecord(f"tensor {name[:60]!r} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = own["dtype"], own["shape"], own["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise BadRecord(f"tensor {name[:60]!r} is of no number type that an edit may have")
    if not _wholes(shape) or len(shape) > MOST_DIMENSIONS or not _wholes(offsets) or len(offsets) != 2:
        raise BadRecord(f"tensor {name[:60]!r} has no finite shape and place")
    if offsets[1] - offsets[0] != math.prod(shape) * _BYTES[dtype]:
        raise BadRecord(f"tensor {name[:60]!r} has another size than its shape")
    return offsets[0], offsets[1]


def _wholes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
