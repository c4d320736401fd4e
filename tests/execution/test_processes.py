"""How processes of this machine begin."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from mmedit_bench.execution import processes
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.pool import look_first, look_over


def _seen() -> dict[str, str]:
    return dict(os.environ)


def _loaded() -> tuple[int, set[str]]:
    return os.getppid(), set(sys.modules)


def test_a_process_has_the_environment_that_its_caller_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):  # the server began at the first, or before
        monkeypatch.setenv("MMEDIT_BENCH_HOME", value)
        with processes.own_process() as pool:
            assert pool.submit(_seen).result() == dict(os.environ)
    monkeypatch.delenv("MMEDIT_BENCH_HOME")
    with processes.own_process() as pool:
        assert "MMEDIT_BENCH_HOME" not in pool.submit(_seen).result()


@pytest.mark.skipif(
    processes.context().get_start_method() == "spawn", reason="no process begins as a fork here"
)
def test_a_process_begins_with_torch_and_without_an_editor() -> None:
    with processes.own_process() as pool:
        parent, loaded = pool.submit(_loaded).result()
    assert parent != os.getpid()  # what this process holds is not in it
    assert {"torch", "transformers.models.blip_2.modeling_blip_2"} <= loaded
    assert not [name for name in loaded if name.split(".")[0] == "methods"]


def test_what_needs_an_accelerator_is_spawned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.setattr(sys, "platform", "linux")
    assert processes.context().get_start_method() == "forkserver"
    assert processes.context(1).get_start_method() == "spawn"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))  # no place for a socket's name
    assert processes.context().get_start_method() == "spawn"
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert processes.context().get_start_method() == "spawn"


@pytest.mark.parametrize(("device", "accelerators"), [("cpu", 0), ("cuda", 1)])
def test_what_looks_at_orders_begins_as_their_workers_do(
    monkeypatch: pytest.MonkeyPatch, device: str, accelerators: int
) -> None:
    """A look at orders loads their backbones, which on CUDA a fork cannot."""
    asked: list[int] = []

    def told(accelerators: int = 0) -> None:
        asked.append(accelerators)
        raise InterruptedError

    monkeypatch.setattr(processes, "context", told)
    order = Order(
        suite="picturebook-vqa", backbone="minigpt4-mini", editor="ft", device=device, options={"lr": 0.1}
    )
    for look in (lambda: look_over([order]), lambda: look_first(order)):
        with pytest.raises(InterruptedError):
            look()
    assert asked == [accelerators, accelerators]
