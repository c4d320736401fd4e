"""Whether a backbone's weights and a suite's files are here, before either is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmedit_bench.backbones.published import PUBLISHED, Published
from mmedit_bench.datasets.prompts import as_they_stand
from mmedit_bench.errors import BenchError
from mmedit_bench.plugins.registry import BACKBONES, SUITES, Registry

DATA_SETS = Registry("mmedit_bench.data", "data set")
PAPER_BACKBONES = ("blip2-opt-2.7b", "minigpt4-7b")
"""Those that the UniKE paper measures."""
_ROWS = "mmedit_bench.backbones.published"
_GRAFTED = "mmedit_bench.backbones.zoo:minigpt4_qwen"


@dataclass(frozen=True, slots=True)
class Weights:
    """A checkpoint that is whole."""

    folder: Path
    commit: str | None
    """Of the hub repository, if it is one's files in the cache."""

    @property
    def nbytes(self) -> int:
        """Bytes of the weights' files."""
        return sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))


def published_row(backbone: str) -> Published | None:
    """The row of a published backbone; None for one that another distribution or this one's zoo makes."""
    made_here = BACKBONES.entry(backbone).value.startswith(_ROWS)
    return PUBLISHED.get(backbone) if made_here else None


def grafted_here(backbone: str, loading: Mapping[str, str]) -> Path | None:
    """The folder that a backbone with a language model of somebody else's is read from; None for others.

    It is put together if need be. Raises `BenchError` that says how to get the language model.
    """
    if BACKBONES.entry(backbone).value != _GRAFTED:
        return None
    from mmedit_bench.backbones.grafted import grafted
    from mmedit_bench.backbones.zoo import SMALL, shipped

    return grafted(shipped(SMALL), loading.get("language_model"))


def lacks_language_model(backbone: str) -> str | None:
    """Why the language model that a backbone ships without cannot be had unasked, and what to do; else None.

    Raises `BenchError` where what does ship is not here either.
    """
    if BACKBONES.entry(backbone).value != _GRAFTED:
        return None
    from mmedit_bench.backbones.grafted import grafted
    from mmedit_bench.backbones.zoo import SMALL, shipped

    folder = shipped(SMALL)
    try:
        grafted(folder, None)
    except BenchError as error:
        return str(error)
    return None


def weights_of(backbone: str, loading: Mapping[str, str]) -> Weights | None:
    """Where a backbone's weights are that do not ship, without fetching any; None for one whose do.

    Raises `BenchError` that names what is missing and what to do about it.
    """
    from mmedit_bench.backbones.checkpoint import PATTERNS, missing_files

    row = published_row(backbone)
    if row is None:
        own = grafted_here(backbone, loading)
        return None if own is None else Weights(own, None)
    source = loading.get("weights", row.source)
    if source is None:
        raise BenchError(
            f"{backbone} is published in parts: make a folder of them with `mmedit-bench assemble`, and name "
            "it with --weights"
        )
    folder, commit = Path(source), None
    if not folder.exists():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        revision = loading.get("revision", None if "weights" in loading else row.revision)
        try:
            folder = Path(
                snapshot_download(source, revision=revision, allow_patterns=PATTERNS, local_files_only=True)
            )
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError):
            at = f" --revision {revision}" if revision else ""
            raise BenchError(
                f"{source} is neither a folder nor in the hub's cache: `hf download {source}{at}` fetches it "
                "(or name a folder with --weights)"
            ) from None
        commit = folder.name
    if missing := missing_files(folder, row.template):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise BenchError(
            f"{folder} lacks {', '.join(missing[:3])}{more}: fetch them again, or name a whole folder with "
            "--weights"
        )
    return Weights(folder, commit)


def data_of(suite: str) -> str | None:
    """The data set that a suite's files belong to, by name; None for a suite that stands by itself.

    Suites bear the name of their data set, with more behind it.
    """
    named = [name for name in DATA_SETS.names() if suite == name or suite.startswith(f"{name}-")]
    return max(named, key=len, default=None)


def suites_of(data: str) -> tuple[str, ...]:
    """The suites of a data set, or the one suite of that name. Raises `UnknownName` for neither."""
    if data not in DATA_SETS.names():
        SUITES.entry(data)
        return (data,)
    own: tuple[str, ...] | None = getattr(DATA_SETS.load(data), "suites", None)
    return own or tuple(name for name in as_they_stand() if data_of(name) == data)


def data_problems(suites: Iterable[str]) -> dict[str, list[str]]:
    """By data set, every problem with the files of these suites; empty where all is well."""
    names = dict.fromkeys(name for suite in suites if (name := data_of(suite)))
    found = {name: list(DATA_SETS.load(name).check()) for name in names}
    return {name: problems for name, problems in found.items() if problems}
