"""A run that is killed at random points, over and over, ends in the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path

from mmedit_bench.execution.local import Workshop
from mmedit_bench.execution.order import Order
from tests.execution.test_crew import contents, order

KILLS = 20
MOST = 30
"""Touches of the run's files until the kill, at most; a whole run takes about twice as many."""
TOUCHING = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
"""Audit events of a process that is about to touch a file."""


def lived(workshop: Workshop, what: Order, out: Path, most: int) -> bool:
    """Carry on in a process that is killed ahead of its `most`th touch of a file below `out`.

    Returns whether it came through.
    """
    child = os.fork()
    if not child:
        left = most

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in TOUCHING and str(arguments[0]).startswith(str(out)):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            workshop.run(what, out)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "a call ended by itself, with an error"
    return True


def test_killed_at_random_points(lab: Path) -> None:
    what = replace(
        order("fragile"), protocol="sequential", protocol_options={"orders": 3, "length": 2}, limit=2
    )
    workshop = Workshop()
    calm = workshop.run(what, lab / "calm").folder
    rng, kills, runs = random.Random(11), 0, 0
    while kills < KILLS:
        out = lab / f"wild-{runs}"
        while not lived(workshop, what, out, rng.randint(1, MOST)):
            kills += 1
        assert contents(out / calm.name) == contents(calm)
        assert sorted(path.name for path in (out / calm.name).iterdir()) == sorted(
            path.name for path in calm.iterdir()
        )
        runs += 1
