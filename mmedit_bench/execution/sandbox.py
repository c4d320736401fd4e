"""A process in a bubblewrap sandbox: namespaces of its own, and of the file system what it is shown.

The process has no network, sees no other process, and may write to memory-backed folders of bounded
size only. It has a clean environment, no capabilities, and ends when its parent does.
See `man bwrap` for each option.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmedit_bench.errors import BenchError

HOME = Path("/home/editor")
"""The process's home, empty at its start."""
SCRATCH = 4 << 30
"""Most bytes in each of the home and /tmp."""
SHARED_MEMORY = 1 << 30
"""Most bytes in /dev/shm."""
OLDEST = (0, 8)
"""The first version of bubblewrap with all that is asked of it."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
)
_KEPT = re.compile(r"OMP_\w+|MKL_\w+|LANG|LC_ALL|TZ|PYTHONHASHSEED")
"""Variables that change how numbers and texts come out, and tell nothing of this machine's user."""


def command(
    argv: Sequence[str],
    *,
    readable: Sequence[Path],
    instead: Mapping[Path, Path] | None = None,
    devices: Sequence[Path] = (),
    scratch: int = SCRATCH,
) -> list[str]:
    """The command line that runs `argv` in a sandbox. Descriptors that it inherits stay open.

    `readable` are files and folders of absolute paths that it sees, under their own names and
    read-only, beside the system's programs and libraries. `instead` maps some of these, or what lies
    in them, to a file or folder that it sees in their place; `devices` are shown as devices. `scratch`
    is the most bytes of its /tmp, and of its home.

    It is to be started with `environment()`: the sandbox's first process can be read from within.
    """
    words = [
        _program(), "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
        "--new-session", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "editor",
    ]  # fmt: skip
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
    for name in _SETTINGS:
        words += ["--ro-bind-try", name, name]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--size", str(SHARED_MEMORY), "--tmpfs", "/dev/shm"]
    for device in devices:
        words += ["--dev-bind", str(device), str(device)]
    for folder in ("/tmp", "/home"):
        words += ["--size", str(scratch), "--tmpfs", folder]
    words += ["--dir", str(HOME)]
    for shown in _outermost(readable):
        words += ["--ro-bind", str(shown), str(shown)]
    for place, other in sorted((instead or {}).items()):
        words += ["--ro-bind", str(other), str(place)]
    # the mount points' own file systems have no bound
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(HOME), "--"]
    return [*words, *argv]


def environment(paths: Sequence[str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """All variables of a sandboxed process: `paths` is where Python looks for modules."""
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    return kept | {
        "PATH": "/usr/bin:/bin", "HOME": str(HOME), "TMPDIR": "/tmp", "USER": "editor",
        "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", **(extra or {}),
    }  # fmt: skip


def available() -> str | None:
    """Why no sandbox can be started here, with what helps; None if it can. Tried once by each process."""
    return _why_not(shutil.which("bwrap"))


def demanded() -> None:
    """Raises `BenchError` saying what is amiss if no sandbox can be started."""
    if why := available():
        raise BenchError(
            f"the sandbox cannot be started: {why}. To run an editor that you trust without one, "
            "say --unsafe-no-sandbox (of `run`: --isolate --unsafe-no-sandbox)"
        )


@functools.cache
def _why_not(program: str | None) -> str | None:
    if program is None:
        return (
            "there is no bubblewrap on the PATH; install it (Debian and Ubuntu: apt-get install bubblewrap)"
        )
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True)
        version = tuple(int(part) for part in re.findall(r"\d+", told.stdout)[:2])
        if version < OLDEST:
            return f"{program} is {told.stdout.strip()}, and 0.8 or later is needed; install a later one"
        tried = subprocess.run(
            command(["true"], readable=()),
            capture_output=True, text=True, timeout=60, check=False, env=environment(()),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return f"{program} cannot be run ({error}); install it anew"
    if tried.returncode == 0:
        return None
    said = " ".join(tried.stderr.split())[:300] or f"status {tried.returncode}"
    return (
        f"bubblewrap says: {said}. This account needs user namespaces: in a container, start it with "
        "them allowed (docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
        "--security-opt systempaths=unconfined); on Ubuntu 24.04, give bwrap an AppArmor profile with "
        "'userns,' or set kernel.apparmor_restrict_unprivileged_userns=0; on older kernels set "
        "kernel.unprivileged_userns_clone=1"
    )


def _program() -> str:
    return shutil.which("bwrap") or "bwrap"


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """The paths without those that lie in another of them, or in what every sandbox shows."""
    shown: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if not any(path.is_relative_to(other) for other in (Path("/usr"), *shown)):
            shown.append(path)
    return shown
