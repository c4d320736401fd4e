"""What fully determines the predictions of a run, and the name that follows from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mmedit_bench.errors import BadData

RECIPE = 3
"""Version of the way a fingerprint is computed; raised when fields are added or change meaning."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+]|-(?!-))*")
"""Names become parts of a folder's name, joined by "--"."""


_TYPES: Mapping[str, Any] = {
    "evidence": list | tuple, "editor_settings": Mapping, "editor_options": Mapping,
    "artefact": str | None, "protocol_options": Mapping, "measures": Mapping, "limit": int | None,
    "seed": int, "batch_size": int, "threads": int,
}  # fmt: skip
"""Types of the fields that are no texts, as JSON gives them."""


def canonical(value: Any) -> str:
    """`value` as JSON with one spelling: sorted keys, no spaces, no NaN. Raises `BadData`."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadData(f"{value!r} cannot be written as JSON: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything that changes what a run predicts, and nothing else (no paths, no dates)."""

    suite: str
    suite_digest: str
    split: str
    backbone: str
    backbone_digest: str
    evidence: tuple[str, ...]
    """What is recorded of each reply."""
    editor: str
    editor_version: str
    editor_settings: Mapping[str, Any] = field(hash=False)
    """All options as they hold on this backbone, defaults included."""
    editor_options: Mapping[str, Any] = field(hash=False)
    """Those among them that differ from what the editor does by default: they tell its rows apart."""
    editor_code: str
    """Digest of the editor's code and of all it uses."""
    artefact: str | None
    """Fingerprint of the training that the editor rests on; None for one that is not trained."""
    protocol: str
    protocol_version: str
    protocol_options: Mapping[str, Any] = field(hash=False)
    measures: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """By measure that the protocol takes, what decides its numbers: code, and what it says of itself."""
    limit: int | None
    """Most cases kept, counted after selection; None keeps all."""
    seed: int
    dtype: str
    device: str
    """Device type, without an index."""
    batch_size: int
    threads: int
    """Threads of the processor that share one sum, which decides its last bits; 0 on another device."""
    asking_code: str
    """Digest of the code that asks the unedited backbone."""
    walking_code: str
    """Digest of the code that walks the schedule, the protocol's included."""
    torch: str
    transformers: str

    def __post_init__(self) -> None:
        for part in ("suite", "backbone", "editor", "protocol"):
            name = getattr(self, part)
            if not _NAME.fullmatch(name):
                raise BadData(
                    f"{part} is called {name!r}; a name consists of letters, digits and single . _ + - "
                    "and starts with a letter or digit"
                )
        if self.limit is not None and self.limit < 1:
            raise BadData(f"limit is {self.limit}; it must be at least 1, or left out")
        # One spelling (a tuple is a list in JSON), and a copy that no caller can change later.
        for part in ("editor_settings", "editor_options", "protocol_options", "measures"):
            object.__setattr__(self, part, json.loads(canonical(dict(getattr(self, part)))))
        object.__setattr__(self, "evidence", tuple(self.evidence))

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical spec and the recipe's version."""
        return hashlib.sha256(canonical({"recipe": RECIPE, "spec": self.as_dict()}).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Readable parts first; the fingerprint's first 12 digits tell apart runs that share them."""
        names = (self.suite, self.backbone, self.editor, self.protocol, self.fingerprint[:12])
        return "--".join(names)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self) | {"evidence": list(self.evidence)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`. Raises `BadData` naming missing and unknown fields."""
        known = {item.name for item in dataclasses.fields(cls)}
        if missing := sorted(known - values.keys()):
            raise BadData(f"run spec lacks {', '.join(missing)}")
        if unknown := sorted(values.keys() - known):
            raise BadData(f"run spec has unknown fields {', '.join(unknown)}")
        for name, value in values.items():
            wanted = _TYPES.get(name, str)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise BadData(f"run spec: {name} has the wrong type, {type(value).__name__}")
        if not all(isinstance(kind, str) for kind in values["evidence"]):
            raise BadData("run spec: evidence must be a list of names")
        return cls(**values)
