"""An edit's question with one half taken away: its words without the picture, its picture without words.

Neither half asks for what was edited. What the edited model says to them shows which half the edit
hangs on: a model that gives the target to the bare words gives it to every picture, and one that
gives it to the picture alone, to every question.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmedit_bench.datasets.picturebook import wordings
from mmedit_bench.datasets.picturebook.edits import Asked, StoredEdit

SPLITS = ("validation", "evaluation")
"""Where they are asked. Training cases stay as they are: editors learn from them, and these teach nothing."""


def halves(edit: StoredEdit) -> Iterator[Asked]:
    """The two probes, made from what is stored of the edit.

    The picture is shown with the words of a caption, which ask nothing about it in particular. A
    caption edit has no other words, so its picture is never without its question: one probe only.
    """
    yield Asked("reliability", "text_alone", edit.prompt, "", edit.target)
    if edit.relation != "caption":
        words = wordings.CAPTION_PROMPTS[0]
        yield Asked("reliability", "picture_alone", words, edit.picture, edit.target)
