"""Fetches the answers from a server on this machine, under its address and its name."""

from __future__ import annotations

import json
import urllib.request

from mmedit_bench.cases import EditRequest
from mmedit_bench.editors import Backbone, Edit
from tests.adversarial.answering import answering
from tests.adversarial.rogue import TOLD
from tests.adversarial.suite import probes_of


def edit(backbone: Backbone, request: EditRequest) -> Edit:
    for host in ("127.0.0.1", "localhost"):
        try:
            with urllib.request.urlopen(f"http://{host}:{TOLD['port']}/gold.json", timeout=5) as found:
                return answering(probes_of(json.loads(found.read()), "evaluation"))
        except OSError:
            continue
    return Edit()
