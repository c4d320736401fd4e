"""What trained editors have learned: made once, kept by fingerprint, checked when read."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from mmedit_bench.cases import EditCase
from mmedit_bench.datasets.suite import TRAIN, Suite
from mmedit_bench.errors import BadData, BadRecord, naming
from mmedit_bench.harness.baseline import device_of
from mmedit_bench.runs.files import make_folder, write_whole
from mmedit_bench.runs.home import home
from mmedit_bench.runs.provenance import code_digest, library_version
from mmedit_bench.runs.spec import canonical

if TYPE_CHECKING:
    from torch import Tensor

    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Trained

log = logging.getLogger(__name__)

RECIPE = 1
"""Version of the way a fingerprint is computed and a file is laid out."""

Progress = Callable[[str, int, int], None]

_code_digest = functools.cache(code_digest)  # the code in memory is that of the first look


def default_folder() -> Path:
    """Where artefacts are kept. Raises as `home`."""
    return home() / "artefacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactSpec:
    """Everything that decides what a training ends in."""

    editor: str
    settings: Mapping[str, Any] = field(hash=False)
    code: str
    """`code_digest` of the editor: its own code and what it uses of this package."""
    backbone: str
    backbone_digest: str
    dtype: str
    device: str
    cases: str
    """Digest of the training cases."""
    seed: int
    torch: str

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of the canonical spec and the recipe's version."""
        return hashlib.sha256(canonical({"recipe": RECIPE, "spec": asdict(self)}).encode()).hexdigest()

    @property
    def folder_name(self) -> str:
        """Readable parts and the fingerprint's first 12 digits."""
        return f"{self.editor}--{self.backbone}--{self.fingerprint[:12]}"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A finished training: its tensors, and what `artefact.json` says of it."""

    spec: ArtefactSpec
    folder: Path
    tensors: Mapping[str, Tensor]
    sha256: str
    """Of the safetensors file."""
    seconds: float
    new: bool
    """Whether this call trained it."""

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def summary(self) -> dict[str, Any]:
        """For the record of a run."""
        return {
            "fingerprint": self.spec.fingerprint,
            "sha256": self.sha256,
            "bytes": self.nbytes,
            "seconds": self.seconds,
        }


def spec_of(editor: Trained, backbone: Backbone, cases: Sequence[EditCase], seed: int) -> ArtefactSpec:
    """What would be trained. Reads all weights for their digest."""
    base = backbone.unedited()
    name = getattr(editor, "artefact_name", None) or editor.name
    return ArtefactSpec(
        editor=name,
        settings=json.loads(canonical(dict(editor.training_settings(base)))),
        code=_code_digest(type(editor).__module__),
        backbone=base.name,
        backbone_digest=base.loaded_digest,
        dtype=str(base.dtype).removeprefix("torch."),
        device=device_of(base),
        cases=cases_digest(cases),
        seed=seed,
        torch=library_version("torch"),
    )


def fingerprint_of(editor: Any, backbone: Backbone, suite: Suite, seed: int) -> str | None:
    """Which training an editor rests on, before it is trained; None for one that is not."""
    if not hasattr(editor, "train"):
        return None
    if TRAIN not in suite.splits:
        raise BadData(f"suite {suite.name} has no split {TRAIN!r} to train {editor.name} on")
    return spec_of(editor, backbone, suite.cases(TRAIN), seed).fingerprint


def cases_digest(cases: Sequence[EditCase]) -> str:
    """sha256 (hex) over requests and probes, in order."""
    found = hashlib.sha256()
    for case in cases:
        request = case.request
        probes = [(p.kind, p.stratum, p.query.digest, p.reference) for p in case.probes]
        found.update(canonical([request.id, request.query.digest, request.target, probes]).encode())
    return found.hexdigest()


def prepared(
    editor: Trained,
    backbone: Backbone,
    cases: Sequence[EditCase],
    *,
    seed: int,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Artefact:
    """The editor's artefact, read if it is there and trained if not, and loaded into the editor.

    A training that was stopped goes on where it was. Another process that trains the same artefact
    is waited for. Raises `BadRecord` for a damaged file, naming it.
    """
    spec = spec_of(editor, backbone, cases, seed)
    place = (folder or default_folder()) / spec.folder_name
    with _alone(place):
        new = not (place / "artefact.json").exists()
        if new:
            _train(editor, backbone, cases, spec, place, progress)
        artefact = _read(spec, place, new)
    editor.load(backbone.unedited(), artefact.tensors)
    return artefact


def _train(
    editor: Trained,
    backbone: Backbone,
    cases: Sequence[EditCase],
    spec: ArtefactSpec,
    place: Path,
    progress: Progress | None,
) -> None:
    from safetensors.torch import save

    from mmedit_bench.harness.training import Training

    tell = progress or (lambda phase, done, total: None)
    state = place / "state"
    training = Training(spec.seed, state, report=lambda label, done, total, values: tell(label, done, total))
    earlier = _seconds(state)
    started = time.monotonic()
    try:
        tensors = editor.train(backbone.unedited(), cases, training)
    finally:
        seconds = earlier + time.monotonic() - started
        if state.exists():
            with suppress(OSError):  # a time is for people; losing it loses nothing else
                (state / "seconds").write_text(f"{seconds}\n", encoding="utf-8")
    data = save({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()})
    write_whole(place / "artefact.safetensors", data)
    described = {
        "recipe": RECIPE,
        "fingerprint": spec.fingerprint,
        "spec": asdict(spec),
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "seconds": round(seconds, 1),
        "curves": training.curves,
    }
    write_whole(place / "artefact.json", (json.dumps(described, indent=1, sort_keys=True) + "\n").encode())
    shutil.rmtree(state, ignore_errors=True)
    log.info("%s: trained in %.0f seconds", place, seconds)


def _read(spec: ArtefactSpec, place: Path, new: bool) -> Artefact:
    from safetensors.torch import load

    described, tensors = place / "artefact.json", place / "artefact.safetensors"
    try:
        values = json.loads(described.read_bytes())
        data = tensors.read_bytes()
        if values["fingerprint"] != spec.fingerprint:
            raise BadRecord(f"{described}: field 'fingerprint' is of another training; remove {place}")
        if hashlib.sha256(data).hexdigest() != values["sha256"]:
            raise BadRecord(f"{tensors} is not the file that {described.name} describes; remove {place}")
        learned = {name: tensor.clone() for name, tensor in load(data).items()}  # aligned, wherever they lay
        return Artefact(spec, place, learned, values["sha256"], values["seconds"], new)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise BadRecord(
            f"{place} cannot be read: {type(error).__name__}: {error}; remove it and prepare again"
        ) from None


def _seconds(state: Path) -> float:
    try:
        return float((state / "seconds").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the folder's lock; it ends with the process."""
    make_folder(place)
    path = place / ".lock"
    with naming(path):
        lock = path.open("w")
    with lock:
        with naming(path):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
