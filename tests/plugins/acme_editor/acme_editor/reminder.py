"""Reminds the model of the new answer before every question."""

from mmedit_bench.editors import Backbone, BenchError, Context, Edit, EditRequest


class Reminder:
    """One context: a word of warning, the edited prompt and its new answer."""

    name = "acme-reminder"
    version = "2"

    def __init__(self, word: str = "Remember:", **unknown: object) -> None:
        if unknown:
            raise BenchError(f"acme-reminder has no option {', '.join(sorted(unknown))} (known: word)")
        self._word = word

    def edit(self, backbone: Backbone, request: EditRequest) -> Edit:
        return Edit((Context(f"{self._word} {request.query.prompt} {request.target}\n"),))
