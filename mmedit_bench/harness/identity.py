"""Who an editor is: all that a run's name and manifest say of it.

It is read off the editor, by whichever process has its code. It tells runs apart; no number is
computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError
from mmedit_bench.harness.artefacts import fingerprint_of
from mmedit_bench.plugins.registry import MEASURES
from mmedit_bench.runs.provenance import code_digest, differing, resolved

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.datasets.suite import Suite
    from mmedit_bench.editors import Editor


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorIdentity:
    """What identifies an editor with its options on one backbone and suite."""

    name: str
    version: str
    settings: Mapping[str, Any] = field(hash=False)
    """All options as they hold on the backbone."""
    options: Mapping[str, Any] = field(hash=False)
    """Those among them that differ from what it does by default."""
    code: str
    """Digest of its code and of all it uses."""
    artefact: str | None
    """Fingerprint of the training it rests on; None for one that is not trained."""
    control: bool
    """Whether it calls itself a mark on the scale."""
    source: str
    """Distribution and version that it comes from."""

    def in_spec(self) -> dict[str, Any]:
        """The fields of a `RunSpec` that tell of the editor."""
        return {
            "editor": self.name,
            "editor_version": self.version,
            "editor_settings": self.settings,
            "editor_options": self.options,
            "editor_code": self.code,
            "artefact": self.artefact,
        }


def identity_of(
    editor: Editor, base: Backbone, suite: Suite, *, seed: int, options: Mapping[str, Any], source: str
) -> EditorIdentity:
    """The identity of an editor that was made with `options` and comes from `source`."""
    return EditorIdentity(
        name=editor.name,
        version=editor.version,
        settings=resolved(editor, base, options),
        options=differing(editor, base, options),
        code=code_digest(type(editor).__module__),
        artefact=fingerprint_of(editor, base, suite, seed),
        control=bool(getattr(editor, "control", False)),
        source=source,
    )


def measure_identity(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a measure's numbers: its code, and what its `identity(**options)` names, if it has one.

    Raises `BenchError` for an unknown measure and for options that it does not have.
    """
    measure = MEASURES.load(name)
    own = getattr(measure, "identity", None)
    try:
        told = dict(own(**options)) if own else {}
    except TypeError as error:
        raise BenchError(f"measure {name} cannot be taken with {dict(options)}: {error}") from None
    return {"code": code_digest(measure.__module__), **told}
