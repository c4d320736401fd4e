"""An editor that is honest and listens: it writes down what it is asked, and where it stands."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmedit_bench.cases import EditRequest, Query
from mmedit_bench.editors import Backbone, Edit, Route, register_reader
from mmedit_bench.execution.order import Order
from tests.cli.lab import Echo
from tests.text_reader import TextReader


def noted(name: str, value: Any) -> None:
    """Add a line to a file of the folder that the environment names."""
    with Path(os.environ["HEARD"], name).open("a", encoding="utf-8") as file:
        file.write(json.dumps(value) + "\n")


class Hears(TextReader):
    """Answers by what it was edited with and what it is asked; of four questions it leaves one alone."""

    def in_scope(self, backbone: Any, queries: Sequence[Query]) -> list[bool]:
        noted("heard", [[self.text, query.prompt, query.image and query.image.digest] for query in queries])
        return [int(self._said(query)[:8], 16) % 4 > 0 for query in queries]

    def answer(self, backbone: Any, queries: Sequence[Query]) -> list[str]:
        return [self._said(query) for query in queries]

    def _said(self, query: Query) -> str:
        return hashlib.sha256(f"{self.text} {query.digest}".encode()).hexdigest()


register_reader("hears", Hears)


class Listener(Echo):
    """Answers by a hash of the question."""

    name = "listener"

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        orders = [repr(thing) for thing in gc.get_objects() if type(thing) is Order]
        noted("stands", [dict(os.environ), sys.argv, Path("/proc/self/cmdline").read_text(), orders])
        return Edit((Route(Hears(request.target), request.id),))
