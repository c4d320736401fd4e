"""Frames between the two sides of a run: a JSON head and bytes, both of bounded size. No pickle."""

from __future__ import annotations

import json
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from mmedit_bench.errors import BadRecord
from mmedit_bench.runs.doubles import parsed

MOST_HEAD = 16 << 20
"""Most bytes of a frame's head."""
MOST_BODY = 2 << 30
"""Most bytes of a frame's body."""

_SIZES = struct.Struct(">4sIQ")
_MARK = b"mmeb"


class ChannelBroken(Exception):
    """The other side is gone, or what came is no frame."""


class Channel:
    """One end of a connected socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, head: dict[str, Any], body: bytes = b"", seconds: float | None = None) -> None:
        """Raises `ChannelBroken`, and `TimeoutError` if it takes longer than `seconds`."""
        told = json.dumps(head).encode()
        if len(told) > MOST_HEAD or len(body) > MOST_BODY:
            raise ChannelBroken(f"a frame of {len(told)} and {len(body)} bytes is too large")
        self._end.settimeout(seconds)
        try:
            self._end.sendall(_SIZES.pack(_MARK, len(told), len(body)) + told + body)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelBroken(str(error)) from None

    def receive(
        self, seconds: float | None = None, most_body: int = MOST_BODY
    ) -> tuple[dict[str, Any], bytes]:
        """The next frame, with a body of at most `most_body` bytes. Raises as `send`."""
        until = None if seconds is None else time.monotonic() + seconds
        mark, head, body = _SIZES.unpack(self._exactly(_SIZES.size, until))
        if mark != _MARK or head > MOST_HEAD or body > min(most_body, MOST_BODY):
            raise ChannelBroken("what came is no frame")
        try:
            told = parsed(self._exactly(head, until))
        except BadRecord:
            raise ChannelBroken("a frame's head is no JSON") from None
        if not isinstance(told, dict):
            raise ChannelBroken("a frame's head is no mapping")
        return told, self._exactly(body, until)

    def quiet(self) -> None:
        """Raises `ChannelBroken` if the other side has said more than was received, or is gone."""
        self._end.settimeout(None)
        with suppress(BlockingIOError):
            waiting = self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            raise ChannelBroken("it spoke unasked" if waiting else "the other side hung up")

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _exactly(self, count: int, until: float | None) -> bytes:
        found = bytearray()  # grows with what comes: a forged length reserves nothing
        while len(found) < count:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self._end.settimeout(left)
            try:
                part = self._end.recv(min(count - len(found), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise ChannelBroken(str(error)) from None
            if not part:
                raise ChannelBroken("the other side hung up")
            found += part
        return bytes(found)
