"""A time limit for code in this process.

The alarm of the system interrupts Python code: a loop, a sleep, a call between two operations of
torch. A single operation that does not return to Python is not interrupted, and is late when it
returns; to end that too an editor needs a process of its own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmedit_bench.errors import BenchError

AGAIN = 1.0
"""Seconds after which code that caught the interruption is interrupted once more."""


class Late(Exception):
    """The time was up."""


class _Interruption(BaseException):
    """Raised inside the block; no `except Exception` of a stranger's catches it."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """End the block after so many seconds with `Late`; None lets it take as long as it likes.

    Raises `BenchError` outside of the main thread, where no alarm is heard.
    """
    if seconds is None:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise BenchError(
            "a time limit for edits needs the main thread; give the editor a process (--isolate)"
        )
    inside = fired = False

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal fired
        fired = True
        if inside:
            raise _Interruption

    before = signal.signal(signal.SIGALRM, ring)
    try:
        inside = True
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
        inside = False
    except _Interruption:
        inside = False
    except KeyboardInterrupt:
        raise
    except BaseException:
        inside = False
        if not fired:  # what a late block raises comes of the interruption
            raise
    finally:
        inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if fired:
        raise Late(f"took longer than {seconds:g} seconds")
