"""The process that an editor has to itself: `python -m mmedit_bench.execution.editor_process FD`."""

from __future__ import annotations

import resource
import socket
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.suite import only_train
from mmedit_bench.execution.channel import Channel, ChannelBroken


def main(descriptor: int) -> None:
    """Serve until the asking side hangs up."""
    channel = Channel(socket.socket(fileno=descriptor))
    told, _ = channel.receive()
    if limit := told["memory"]:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    only_train()
    with suppress(ChannelBroken):
        _serve(channel, told)


def _serve(channel: Channel, told: dict[str, Any]) -> None:
    from mmedit_bench.cases import EditRequest, ImageRef, Query
    from mmedit_bench.errors import BenchError
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.parts import Parts
    from mmedit_bench.harness.editor_side import Carried, InProcess
    from mmedit_bench.harness.identity import identity_of
    from mmedit_bench.interventions import Edit
    from mmedit_bench.plugins.registry import EDITORS

    artefacts = Path(told["artefacts"]) if told["artefacts"] else None
    order = Order(**told["order"])
    try:
        workshop = Parts(artefacts)
        editor, base, suite = workshop.editor(order), workshop.backbone(order), workshop.suite(order.suite)
        source = EDITORS.entry(order.editor).source
        who = identity_of(editor, base, suite, seed=order.seed, options=order.options, source=source)
    except BenchError as error:
        channel.send({"re": 0, "refused": str(error)})
        return
    channel.send({"re": 0, "identity": {name: getattr(who, name) for name in who.__slots__}})
    side = InProcess(editor, base, suite, seed=order.seed, artefacts=artefacts)
    held: dict[int, Edit] = {}
    digest = base.digest
    with tempfile.TemporaryDirectory() as spool:
        path = Path(spool) / "edit.safetensors"
        while True:
            head, body = channel.receive()
            reply: dict[str, Any] = {"re": head["n"]}
            data = b""
            try:
                match head["do"]:
                    case "ready":
                        reply["learned"] = side.ready(lambda phase, done, total: None)
                    case "carry":
                        path.write_bytes(body)
                        held[head["as"]] = Edit.load(path)
                    case "forget":
                        held.clear()
                    case "make":
                        image = None
                        if head["picture"]:
                            image = ImageRef(head["picture"], partial(bytes, body))
                        request = EditRequest(head["id"], Query(head["prompt"], image), head["target"])
                        carried = [Carried(0, "", held[handle]) for handle in head["carried"]]
                        edit = side.make(request, carried, head["seed"])
                        edit.save(path)
                        held[head["as"]], data = edit, path.read_bytes()
                        if base.digest != digest:
                            reply["changed"], data = True, b""
            except (Exception, SystemExit) as error:
                reply["error"] = f"{type(error).__name__}: {error}"[:2000]
                data = b""
            channel.send(reply, data)


if __name__ == "__main__":
    main(int(sys.argv[1]))
