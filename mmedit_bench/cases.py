"""The first noun: what is edited and what is asked afterwards.

All values are frozen. An editor is handed `EditRequest`s and, at inference, bare `Query`s;
`Probe`s (with their kind and reference answer) stay on the harness' side.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmedit_bench.errors import BadData

if TYPE_CHECKING:
    from PIL import Image

CHANGE_KINDS = ("reliability", "text_generality", "image_generality", "text_image_generality", "portability")
"""Probes whose reference is the new answer: the edit should reach them."""

KEEP_KINDS = ("text_locality", "image_locality")
"""Probes the edit should leave alone: they are compared with the unedited backbone."""

PROBE_KINDS = CHANGE_KINDS + KEEP_KINDS
SORTS = ("correction", "counterfactual")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A picture by the sha256 (hex) of its encoded bytes; the bytes are fetched when asked for."""

    digest: str
    opener: Callable[[], bytes] = field(compare=False, repr=False)

    def bytes(self) -> bytes:
        """The encoded picture. Raises `BadData` if it is not the picture its digest promises."""
        data = self.opener()
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise BadData(f"picture {self.digest[:12]}: its bytes have another digest; reinstall the data")
        return data

    def open(self) -> Image.Image:
        """The decoded picture, RGB."""
        from PIL import Image

        return Image.open(io.BytesIO(self.bytes())).convert("RGB")


@dataclass(frozen=True, slots=True)
class Query:
    """What a backbone is asked: a prompt, with or without a picture."""

    prompt: str
    image: ImageRef | None = None

    @property
    def digest(self) -> str:
        """sha256 over prompt and picture digest; equal queries have equal digests."""
        image = self.image.digest if self.image else "-"
        return hashlib.sha256(f"{image}\n{self.prompt}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class EditRequest:
    """From now on, `query` is to be answered with `target`."""

    id: str
    query: Query
    target: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A question asked after an edit.

    `stratum` divides a kind: "main" is what the headline number averages, other strata (near or
    harder probes) are reported beside it. `reference` is the edit's target, or what follows from it, of
    a probe that should change, and the truth of one that should stay: whether the unedited model knew
    it, and whether the edited one still does, is measured by it.
    """

    id: str
    kind: str
    query: Query
    reference: str
    stratum: str = "main"

    def __post_init__(self) -> None:
        if self.kind not in PROBE_KINDS:
            raise BadData(f"probe {self.id}: kind {self.kind!r} is not one of {', '.join(PROBE_KINDS)}")


@dataclass(frozen=True, slots=True)
class EditCase:
    """One edit and everything that is asked about it.

    `sort` is "correction" (the target is true and was withheld from the backbone) or
    "counterfactual" (the target is another value of the same relation).
    """

    request: EditRequest
    probes: tuple[Probe, ...]
    task: str
    split: str
    sort: str

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise BadData(f"case {self.request.id}: sort {self.sort!r} is not one of {', '.join(SORTS)}")

    @property
    def id(self) -> str:
        """The request's id."""
        return self.request.id
