"""Settings of runs as the form of a submission holds them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from mmedit_bench.runs.spec import RunSpec, canonical
from mmedit_bench.submissions.fields import MOST_VALUE, MOST_WHOLE, PLACEHOLDER
from mmedit_bench.submissions.form import ParameterValue


def hyper_parameters(specs: Sequence[RunSpec]) -> dict[str, ParameterValue]:
    """The settings that runs were made with; what differs between backbones is told for each.

    A setting that is no single value is given as its JSON text, and a text that is too long for the form
    as its digest: after hours of runs, nothing about them may be refused.
    """
    by_backbone: dict[str, dict[str, ParameterValue]] = {}
    for spec in specs:
        own = {name: _single(value) for name, value in spec.editor_settings.items()}
        by_backbone.setdefault(spec.backbone, {}).update(own)
    names = list(dict.fromkeys(name for own in by_backbone.values() for name in own))
    found: dict[str, ParameterValue] = {}
    for name in names:
        values = {backbone: own[name] for backbone, own in by_backbone.items() if name in own}
        if len({canonical(value) for value in values.values()}) == 1 and len(values) == len(by_backbone):
            found[name] = next(iter(values.values()))
        else:
            found |= {f"{name}.{backbone}": value for backbone, value in values.items()}
    return found


def _single(value: Any) -> ParameterValue:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= MOST_WHOLE else str(value)[:MOST_VALUE]
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    text = value if isinstance(value, str) else canonical(value)
    if not text.isprintable():
        text = ascii(text)
    if len(text) <= MOST_VALUE and not text.startswith(PLACEHOLDER):
        return text
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"
