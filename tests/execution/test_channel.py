"""Frames, and what is believed of them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from mmedit_bench.execution.channel import MOST_HEAD, Channel, ChannelBroken


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield Channel(near), far


def test_a_frame_arrives_as_it_was_sent(ends: tuple[Channel, socket.socket]) -> None:
    Channel(ends[1]).send({"re": "1"}, b"body")
    assert ends[0].receive(5) == ({"re": "1"}, b"body")
    ends[0].quiet()


@pytest.mark.parametrize(
    "noise",
    [
        b"all edits are right" * 9,
        b"mmeb" + (MOST_HEAD + 1).to_bytes(4, "big") + bytes(8),
        b"mmeb" + (2).to_bytes(4, "big") + (5).to_bytes(8, "big") + b"{}",
        b"mmeb" + (2).to_bytes(4, "big") + bytes(8) + b"[]",
        b"mmeb" + (3).to_bytes(4, "big") + bytes(8) + b"{]}",
        b"mmeb" + (9).to_bytes(4, "big") + bytes(8) + b'{"a":NaN}',
        b"mmeb" + (15).to_bytes(4, "big") + bytes(8) + b'{"re":1,"re":2}',
    ],
    ids=["noise", "head too large", "body too large", "no mapping", "no JSON", "NaN", "twice"],
)
def test_what_is_no_frame_is_refused(ends: tuple[Channel, socket.socket], noise: bytes) -> None:
    ends[1].sendall(noise)
    with pytest.raises(ChannelBroken):
        ends[0].receive(5, 4)


def test_what_was_not_asked_for_is_seen_before_the_next_question(
    ends: tuple[Channel, socket.socket],
) -> None:
    ends[0].quiet()
    ends[1].send(b"m")
    with pytest.raises(ChannelBroken, match="unasked"):
        ends[0].quiet()


def test_a_side_that_hung_up_is_seen(ends: tuple[Channel, socket.socket]) -> None:
    os.close(ends[1].detach())
    with pytest.raises(ChannelBroken, match="hung up"):
        ends[0].quiet()


def test_a_head_of_many_fields_takes_no_longer_than_its_length(ends: tuple[Channel, socket.socket]) -> None:
    fields = ",".join(f'"{number}":0' for number in (*range(100_000), 99_999))
    head = f"{{{fields}}}".encode()
    sending = threading.Thread(
        target=ends[1].sendall, args=(b"mmeb" + len(head).to_bytes(4, "big") + bytes(8) + head,)
    )
    sending.start()
    started = time.process_time()
    with pytest.raises(ChannelBroken, match="no JSON"):
        ends[0].receive(60)
    assert time.process_time() - started < 10  # one pass: a tenth of a second; field by field: minutes
    sending.join()


def test_half_a_frame_is_waited_for_only_so_long(ends: tuple[Channel, socket.socket]) -> None:
    ends[1].sendall(b"mmeb")
    with pytest.raises(TimeoutError):
        ends[0].receive(0.2)
