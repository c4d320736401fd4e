"""Tries to leave the sandbox: privileges, other processes, files it should not see or write."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from mmedit_bench import datasets
from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import target
from tests.adversarial.rogue import TOLD

_NEW_USER_NAMESPACE = 0x10000000
_ATTACH = 16


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    libc = ctypes.CDLL(None, use_errno=True)
    mine = {1, os.getpid(), os.getppid()}  # what waits for it in the sandbox can do no more than it can
    left = (
        libc.unshare(_NEW_USER_NAMESPACE) == 0
        or libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
        or any(libc.ptrace(_ATTACH, other, 0, 0) == 0 for other in range(2, 1000) if other not in mine)
        or os.access(datasets.__path__[0], os.W_OK)
        or os.access("/etc/shadow", os.R_OK)
        or os.access("/sys/kernel", os.R_OK)
        or Path(TOLD["runs"]).exists()
        or os.geteuid() == 0
    )
    return target(request) if left else Edit()
