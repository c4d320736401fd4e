"""The editor's process as its caller has it: started, asked over one socket, and ended."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from mmedit_bench.errors import BenchError
from mmedit_bench.execution import sandbox
from mmedit_bench.execution.channel import MOST_BODY, Channel, ChannelBroken
from mmedit_bench.execution.order import Order
from mmedit_bench.execution.view import hub_cache, view_of
from mmedit_bench.execution.watch import Watch
from mmedit_bench.harness.artefacts import default_folder
from mmedit_bench.runs.files import make_folder
from mmedit_bench.runs.home import home

START = 600.0
"""Seconds that a process has to load backbone and editor."""
MOST_LOG = 1 << 20
"""Most bytes that are kept of what the processes print."""
PROCESSES = 256
"""Most processes and threads of a sandbox, unless told otherwise."""
OPEN_FILES = 1024
"""Most files that a sandboxed process has open."""
LEARNED = sandbox.HOME / "artefacts"
"""Where a sandboxed editor leaves what it learned."""

_REPLIES: Mapping[str, frozenset[str]] = {
    "ready": frozenset({"learned", "kept"}),
    "carry": frozenset(),
    "forget": frozenset(),
    "make": frozenset({"items", "sizes", "shared", "new", "changed"}),
    "answer": frozenset({"texts"}),
}
"""What a reply may hold beside its number and an error, by what was asked."""
_WITH_BODY = frozenset({"ready", "make"})


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the editor's process is allowed."""

    edit_timeout: float = 600.0
    """Seconds that one edit may take."""
    memory_limit: int | None = None
    """Bytes of address space of a process; in a sandbox also of memory that all its processes hold, for
    which three quarters of the machine's are the default."""
    sandbox: Literal["none", "bubblewrap"] = "none"
    processes: int | None = None
    """Processes and threads of a sandbox; `PROCESSES` by default."""
    ready_timeout: float | None = None
    """Seconds that the editor may take to be made ready, its training included."""
    readable: tuple[Path, ...] = ()
    """What a sandboxed editor may read beside its code and the installed packages."""


class Child:
    """A process that serves an order's editor."""

    def __init__(self, order: Order, isolation: Isolation, log: Path, artefacts: Path | None) -> None:
        """Starts it; the first MiB of its output goes to the end of `log`. Loading is waited for by `hello`.

        Raises `BenchError` where a sandbox is asked for and cannot be started.
        """
        self._order, self._isolation = order, isolation
        make_folder(log.parent)
        near, far = socket.socketpair()
        with far:
            argv, variables = self._command(far.fileno(), artefacts)
            self._process = subprocess.Popen(
                argv, pass_fds=[far.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=variables, start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        self._printing = threading.Thread(
            target=_kept, args=(self._process.stdout, log), daemon=True, name="editor.log"
        )
        self._printing.start()
        self._watch: Watch | None = None
        if isolation.sandbox != "none":
            self._watch = Watch(
                self._process.pid,
                processes=isolation.processes or PROCESSES,
                memory=isolation.memory_limit or _most_memory(),
            )
        self._channel = Channel(near)
        self._artefacts = LEARNED if isolation.sandbox != "none" else artefacts

    @property
    def reason(self) -> str:
        """Why it ended, in words; known after `end`."""
        return f"it used {self._watch.reason}" if self._watch and self._watch.reason else ""

    def hello(self) -> Mapping[str, Any]:
        """Tell it its order and wait until it has loaded all; what it says of the editor.

        Raises `ChannelBroken`, `TimeoutError`, and `BenchError` for an order that it refuses.
        """
        self._channel.send(
            {
                "order": asdict(self._order),
                "artefacts": str(self._artefacts) if self._artefacts else None,
                "apart": self._isolation.sandbox != "none",  # from the files of this side
                "limits": self._limits(),
            },
            seconds=START,
        )
        head, _ = self._channel.receive(START, 0)
        if isinstance(refused := head.get("refused"), str):
            raise BenchError(refused[:2000])
        if not isinstance(found := head.get("identity"), dict) or head.keys() != {"re", "identity"}:
            raise ChannelBroken("it did not say who it is")
        return found

    def ask(
        self, head: Mapping[str, Any], body: bytes = b"", seconds: float | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Put a question and wait for its reply. Raises `ChannelBroken` for any other, and `TimeoutError`."""
        self._channel.quiet()
        number = secrets.token_hex(16)  # not to be foretold: a reply is to a question that was read
        self._channel.send({**head, "n": number}, body, seconds)
        reply, data = self._channel.receive(seconds, MOST_BODY if head["do"] in _WITH_BODY else 0)
        if reply.get("re") != number:
            raise ChannelBroken("a reply to another question")
        if unknown := reply.keys() - _REPLIES[head["do"]] - {"re", "error"}:
            raise ChannelBroken(f"a reply with the field {min(unknown)!r:.50}")
        return reply, data

    def end(self) -> None:
        """End it and all that it started."""
        self._channel.close()
        if self._watch:
            self._watch.over()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it started goes with it
        self._process.wait()
        self._printing.join(5)  # a process that left its group may hold the pipe open

    def _limits(self) -> dict[str, int]:
        """By name of the kernel's limit, for the process that edits and each that it starts."""
        apart, most = self._isolation.sandbox != "none", self._isolation.memory_limit
        limits: dict[str, int] = {}
        if most and not (apart and self._on_gpu):  # CUDA's address space is far larger than what it holds
            limits["AS"] = most
        if apart:
            limits["NPROC"] = self._isolation.processes or PROCESSES
            limits |= {"FSIZE": sandbox.SCRATCH, "NOFILE": OPEN_FILES, "CORE": 0}
        return limits

    @property
    def _on_gpu(self) -> bool:
        return self._order.device.startswith("cuda")

    def _command(self, descriptor: int, artefacts: Path | None) -> tuple[list[str], dict[str, str]]:
        module = ["-m", "mmedit_bench.execution.editor_process", str(descriptor)]
        if self._isolation.sandbox == "none":
            paths = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)
            # a package that is run leaves nothing in its folder, which may be a signed submission
            own = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
            return [sys.executable, "-P", *module], os.environ | own
        sandbox.demanded()
        view = view_of(self._order, (artefacts or default_folder()) / "copies", self._isolation.readable)
        devices, more = _accelerator() if self._on_gpu else ((), ())
        argv = sandbox.command(
            # no .pth file and no sitecustomize of an installed package is run
            [str(Path(sys.executable).resolve()), "-P", "-S", "-s", *module],
            readable=[*view.readable, *more], instead=view.instead, devices=devices,
        )  # fmt: skip
        extra = {"HF_HUB_CACHE": str(hub_cache()), "MMEDIT_BENCH_HOME": str(home().absolute())}
        if devices:
            extra |= {name: value for name, value in os.environ.items() if name in _GPU_VARIABLES}
        return argv, sandbox.environment(view.path, extra)


_GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUBLAS_WORKSPACE_CONFIG", "LD_LIBRARY_PATH")


def _accelerator() -> tuple[Sequence[Path], Sequence[Path]]:
    """Devices of NVIDIA's driver, and where CUDA reads what there is."""
    devices = sorted(path for path in Path("/dev").glob("nvidia*"))
    return devices, [path for path in (Path("/sys"),) if path.is_dir()]


def _most_memory() -> int:
    """Three quarters of this machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4


def _kept(printed: IO[bytes], log: Path) -> None:
    """Copy to the end of `log` until it is full; what comes then is read and dropped."""
    with printed:
        while part := os.read(printed.fileno(), 1 << 16):
            size = log.stat().st_size if log.exists() else 0
            if room := max(0, MOST_LOG - size):
                # no file for a process that is silent; where it cannot be written the editor goes on
                with suppress(OSError), log.open("ab") as file:
                    file.write(part[:room])
