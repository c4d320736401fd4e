"""The process that an editor has to itself: `python -m mmedit_bench.execution.editor_process FD`."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.datasets.suite import only_train
from mmedit_bench.execution.channel import Channel, ChannelBroken

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.cases import Query
    from mmedit_bench.interventions import Intervention


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
    from mmedit_bench.errors import BenchError, out_of_memory
    from mmedit_bench.execution.crossing import packed, unpacked_parts
    from mmedit_bench.execution.order import Order
    from mmedit_bench.execution.parts import Parts
    from mmedit_bench.harness.editor_side import Carried, InProcess
    from mmedit_bench.harness.identity import identity_of
    from mmedit_bench.interventions import Edit, Shared, fold
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
    known: dict[str, Shared] = {}
    digest = base.digest
    while True:
        head, body = channel.receive()
        reply: dict[str, Any] = {}
        data = b""
        try:
            match head["do"]:
                case "ready":
                    reply["learned"] = side.ready(lambda phase, done, total: None)
                case "carry":
                    unpacked_parts(head, memoryview(body)[head["size"] :], known)
                    held[head["as"]] = Edit.from_bytes(body[: head["size"]], known)
                case "forget":
                    held = {handle: held[handle] for handle in head["held"] if handle in held}
                    known = {digest: known[digest] for digest in head["keep"] if digest in known}
                case "make":
                    image = ImageRef(head["picture"], partial(bytes, body)) if head["picture"] else None
                    request = EditRequest(head["id"], Query(head["prompt"], image), head["target"])
                    carried = [Carried(0, "", held[handle]) for handle in head["carried"]]
                    edit = side.make(request, carried, head["seed"])
                    if base.digest != digest:
                        reply["changed"] = True
                    else:
                        reply, data = packed(edit, known)
                        held[head["as"]] = edit
                case "answer":
                    texts: dict[int, str | None] = {}
                    for number, places in enumerate(head["routes"]):
                        routes = (held[handle].interventions[index] for handle, index in places)
                        own = [i for i, query in enumerate(head["queries"]) if query[0] == number]
                        queries = [
                            Query(prompt, picture and ImageRef(picture, partial(bytes, body[start:stop])))
                            for _, prompt, picture, start, stop in (head["queries"][i] for i in own)
                        ]
                        heard = _read(base.unedited(), fold(Edit((one,)) for one in routes), queries)
                        texts |= dict(zip(own, heard, strict=True))
                    reply["texts"] = [texts[i] for i in range(len(head["queries"]))]
        except (Exception, SystemExit) as error:
            said = "out of memory" if out_of_memory(error) else error  # how much was free differs
            reply = {"error": f"{type(error).__name__}: {said}"[:2000]}
            data = b""
        channel.send(reply | {"re": head["n"]}, data)


def _read(base: Backbone, routes: Sequence[Intervention], queries: Sequence[Query]) -> list[str | None]:
    """By query what the latest route in whose scope it is says; None if it is in none's."""
    found: list[str | None] = [None] * len(queries)
    for route in reversed(routes):
        left = [i for i, text in enumerate(found) if text is None]
        for i, text in route.answers(base, [queries[i] for i in left]).items():
            found[left[i]] = text
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
