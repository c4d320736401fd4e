"""The rogue, its suite and the lab's plugins, installed where sandboxed processes find them too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.adversarial.table import TABLE
from tests.cli.conftest import ENTRY_POINTS

NAMES = [row.name for row in TABLE if row.where == "edit" and row.name != "mutate_base_model"]
"""The cheats that share a run, in the order of its cases."""

ROGUE = """
[mmedit_bench.editors]
rogue = tests.adversarial.rogue:Rogue
[mmedit_bench.suites]
rogue-suite = tests.adversarial.suite:RogueSuite
[mmedit_bench.data]
rogue-data = tests.adversarial.suite:DATASET
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with these plugins installed, and answers that are there to be found."""
    from tests.adversarial.suite import rows

    folder = tmp_path_factory.mktemp("lab")
    installed = folder / "installed"
    for name, points in (("lab", ENTRY_POINTS), ("rogue", ROGUE)):
        info = installed / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
    gold = installed / "gold.json"
    gold.write_text(json.dumps(rows(NAMES)))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(installed)
        patch.setenv("MMEDIT_BENCH_HOME", str(folder / "home"))
        patch.setenv("ROGUE_GOLD", str(gold))
        yield folder


@pytest.fixture(scope="package")
def port(lab: Path) -> Iterator[int]:
    """Of a server on this machine that serves the answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(lab / "installed"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
