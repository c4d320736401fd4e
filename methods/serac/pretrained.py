"""Published networks as parts of the editor: found, read, and built again from what an edit refers to."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from mmedit_bench.editors import BenchError

OWN = ("own", "")
"""Values of an option that name no checkpoint: a network of the editor's own."""
SCOPE, MODEL = "scope_encoder", "counterfactual"
"""The options, and what their networks are for: reading a question, and answering one."""
LONGEST = 512
"""Tokens that a network is shown at most, the positions of distilbert and T5."""
_FILES = (".json", ".txt", ".model", ".safetensors")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_MARKS = tuple(f"{role}_token" for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_CODE = ("auto_map", "attn_implementation", "experts_implementation", "quantization_config")
"""Fields of a configuration that name code to be fetched, or kernels; an edit may be a stranger's."""
_HUB_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


class Part(nn.Module):
    """A part of the editor around a published network."""

    network: Any
    blueprint: Blueprint


P = TypeVar("P", bound=Part)


@dataclass(frozen=True, eq=False)
class Blueprint:
    """A network without its weights: configuration and tokenizer, as plain values."""

    option: str
    config: Mapping[str, Any]
    tokenizer: str
    """What a tokenizer.json holds."""
    marks: Mapping[str, str]
    """Special tokens by role, such as "eos_token"."""

    def packed(self) -> Tensor:
        """All of it as bytes of JSON [n], so that it stands beside the weights."""
        plain = {name: getattr(self, name) for name in ("option", "config", "tokenizer", "marks")}
        data = json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()
        return torch.frombuffer(bytearray(data), dtype=torch.uint8)

    @classmethod
    def unpacked(cls, packed: Tensor) -> Self:
        """What `packed` gave. Raises `BenchError` for anything else."""
        try:
            plain = json.loads(bytes(packed.cpu().numpy()))
            marks = {name: str(own) for name, own in plain["marks"].items() if name in _MARKS}
            return cls(str(plain["option"]), dict(plain["config"]), str(plain["tokenizer"]), marks)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(f"serac: no blueprint of a network ({error!r}); get the edit anew") from None

    def fresh(self) -> Any:
        """The network, untrained, in single precision."""
        config = configured(self.config, self.option)
        return _bare(_kind(self.option, config).from_config(config, dtype=torch.float32))

    def words(self) -> Any:
        """The tokenizer."""
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(self.tokenizer), **self.marks)


def read_network(source: str, option: str) -> tuple[Any, Blueprint]:
    """The network of a checkpoint, in single precision, and its blueprint.

    safetensors and JSON only: no code of a checkpoint is run. Raises `BenchError` that names checkpoint
    and option, for what is not there and what cannot be read or lacks weights.
    """
    from transformers import AutoTokenizer

    folder = found(source, option)
    where = f"checkpoint {source} (option {option!r} of serac)"
    plain = _without_code(config_of(source, option))
    with _quiet(), _reading(where), torch.random.fork_rng():
        config = configured(plain, option)
        network, loading = _kind(option, config).from_pretrained(
            folder, config=config, dtype=torch.float32, local_files_only=True, use_safetensors=True,
            trust_remote_code=False, output_loading_info=True,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        backend = tokenizer.backend_tokenizer.to_str()
    network = _bare(network)
    marks = {name: str(own) for name in _MARKS if (own := getattr(tokenizer, name))}
    blueprint = Blueprint(option, plain, backend, marks)
    with torch.device("meta"):
        wanted = own_tensors(blueprint.fresh()).keys()
    absent = sorted((set(loading["missing_keys"]) & wanted) | (wanted ^ own_tensors(network).keys()))
    if absent:
        # transformers would go on with random numbers in their place
        raise BenchError(f"{where}: no weights for {', '.join(absent[:3])} ({len(absent)} in all)")
    return network, blueprint


def found(source: str, option: str) -> Path:
    """The folder with the files that an option names: itself, or where the hub's are in the local cache.

    They are fetched if need be. Raises `BenchError` if config.json or the weights are not to be had.
    """
    if Path(source).is_dir():
        folder = Path(source)
    elif (named := _HUB_ID.fullmatch(source)) and not Path(source).exists():
        folder = _from_hub(named[1], named[2], option)
    else:
        raise BenchError(
            f"serac: option {option!r} is {source!r}: there is no such folder, and a repository of the hub "
            f"is named owner/name or owner/name@revision; `own` is a network of the editor's own"
        )
    where = f"checkpoint {source} (option {option!r} of serac)"
    if not (folder / "config.json").is_file():
        raise BenchError(f"{where}: no config.json in {folder}; fetch it again")
    if not any((folder / file).is_file() for file in _WEIGHTS):
        raise BenchError(
            f"{where}: no {_WEIGHTS[0]} in {folder}, and weights in other formats are not read; where you "
            "trust them, load them once with transformers and `save_pretrained` model and tokenizer to a "
            f"folder, then set {option} to that folder"
        )
    return folder


def digest_of(source: str, option: str) -> str:
    """sha256 (hex) of a checkpoint's files; raises as `found`."""
    folder = found(source, option)
    files = sorted(path for path in folder.iterdir() if path.suffix in _FILES)
    stamps = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _digest(folder, stamps)


def config_of(source: str, option: str) -> Mapping[str, Any]:
    """The object in config.json. Raises `BenchError` as `found`, and for anything else in it."""
    path = found(source, option) / "config.json"
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: not JSON ({error}); fetch it again") from None
    if not isinstance(plain, dict):
        raise BenchError(f"{path}: holds a {type(plain).__name__}, not an object; fetch it again")
    return plain


def configured(plain: Mapping[str, Any], option: str) -> Any:
    """The configuration of a network that transformers itself has. Raises `BenchError` for any other."""
    from transformers import CONFIG_MAPPING

    kind = plain.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise BenchError(
            f"serac: option {option!r} names a checkpoint of model_type {kind!r}, "
            "which transformers does not have; choose another"
        )
    return CONFIG_MAPPING[kind].from_dict(_without_code(plain))


def positions(config: Any) -> int:
    """Tokens that a network may be shown."""
    return min(LONGEST, getattr(config, "max_position_embeddings", None) or LONGEST)


def padded(rows: Sequence[Sequence[int]], device: torch.device, left: bool = False) -> tuple[Tensor, Tensor]:
    """Token ids [rows, longest], and 1 where they are a row's own; 0 elsewhere in both."""
    longest = max(map(len, rows))
    spare = [[0] * (longest - len(row)) for row in rows]
    pairs = list(zip(rows, spare, strict=True))
    ids = [[*empty, *row] if left else [*row, *empty] for row, empty in pairs]
    mask = [[*empty, *[1] * len(row)] if left else [*[1] * len(row), *empty] for row, empty in pairs]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def own_tensors(part: nn.Module) -> dict[str, Tensor]:
    """A module's tensors by name; one that has several names (tied weights) stands under the first."""
    kept: dict[str, Tensor] = {}
    seen = set[int]()
    for name, tensor in part.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            kept[name] = tensor
    return kept


def rebuilt(make: Callable[[], P], tensors: Mapping[str, Tensor]) -> P:
    """The part that `make` makes, its `own_tensors` those that are given, without a copy.

    Raises `BenchError` for other names or shapes, before any memory is taken.
    """
    with torch.device("meta"), _reading("serac: the network that an edit rests on"):
        wanted = own_tensors(make())
    unlike = wanted.keys() ^ tensors.keys()
    unlike |= {n for n in wanted.keys() & tensors.keys() if wanted[n].shape != tensors[n].shape}
    if unlike:
        raise BenchError(
            f"serac: what was learned does not fit the network at {', '.join(sorted(unlike)[:3])}"
        )
    with torch.random.fork_rng():
        part = make()
    part.load_state_dict(dict(tensors), strict=False, assign=True)
    part.network.tie_weights()
    return part


def _without_code(plain: Any) -> Any:
    """A configuration, and those inside it, without what names code."""
    if not isinstance(plain, dict):
        return plain
    kept = {
        name: own for name, own in plain.items() if name.lstrip("_").removesuffix("_internal") not in _CODE
    }
    return {name: _without_code(own) for name, own in kept.items()}


def _kind(option: str, config: Any) -> Any:
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    if option == SCOPE:
        return AutoModel
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def _bare(network: Any) -> Any:
    """Without dropout, without what nothing here reads, and with no way of writing but the caller's."""
    from transformers import GenerationConfig

    if getattr(network, "pooler", None) is not None:
        network.pooler = None
    if getattr(network, "generation_config", None) is not None:
        network.generation_config = GenerationConfig()
    return network.eval()


def _from_hub(name: str, revision: str | None, option: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=[f"*{suffix}" for suffix in _FILES])
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        at = f" --revision {revision}" if revision else ""
        raise BenchError(
            f"serac: option {option!r} names checkpoint {name}, which is not on this machine and not to be "
            f"had from the hub ({error}); `hf download {name}{at}` where there is a network, or set {option} "
            "to a folder that holds it, or to `own`"
        ) from None


@functools.lru_cache
def _digest(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for name, _, _ in stamps:
        with (folder / name).open("rb") as file:
            whole.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Name what cannot be read: of a damaged or unsuited file, libraries raise whatever they come upon."""
    try:
        yield
    except (BenchError, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        raise BenchError(
            f"{where}: cannot be read ({type(error).__name__}: {error}); fetch it again, or choose another"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No bar, and no table of the weights that are not used; settings are put back afterwards."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
