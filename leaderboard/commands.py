"""The command lines that repeat a run."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import yaml

from mmedit_bench.runs.evidence import DEFAULT
from mmedit_bench.runs.spec import RunSpec

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def run_command(spec: RunSpec) -> str:
    """`mmedit-bench run` with everything that was chosen, quoted for a POSIX shell."""
    words = ["mmedit-bench", "run"]
    for name in ("suite", "backbone", "editor", "protocol", "split"):
        words += [f"--{name}", getattr(spec, name)]
    words += [] if spec.limit is None else ["--limit", str(spec.limit)]
    words += ["--seed", str(spec.seed), "--device", spec.device, "--dtype", spec.dtype]
    words += ["--batch-size", str(spec.batch_size)]
    words += ["--threads", str(spec.threads)] if spec.threads > 1 else []
    for name, value in sorted(spec.protocol_options.items()):
        words += [] if value in (None, {}, []) else ["--protocol-set", f"{name}={_spelled(value)}"]
    for kind in spec.evidence:
        words += [] if kind in DEFAULT else ["--evidence", kind]
    for name, value in sorted(spec.editor_options.items()):
        words += ["--set", f"{name}={_spelled(value)}"]
    return shlex.join(words)


def _spelled(value: Any) -> str:
    """As the command line reads it back: YAML, of which JSON is a part. Plain words go without quotes."""
    plain = isinstance(value, str) and _WORD.fullmatch(value) and yaml.safe_load(value) == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
