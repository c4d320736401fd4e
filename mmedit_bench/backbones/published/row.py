"""What is known of a published backbone before any of its weights are at hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.errors import BenchError

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Published:
    """A backbone of full size: where its weights are published and how it is asked."""

    name: str
    source: str | None
    """Repository of the Hugging Face hub; None for one that is assembled from parts."""
    revision: str | None
    """Commit of the repository that is loaded unless another is asked for; None: its newest."""
    parameters: int
    """Weights of its full-size configuration, shared ones counted once."""
    template: str
    """Words around a prompt; what a chat template puts around these comes with the checkpoint."""
    ends: tuple[str, ...]
    """Texts of one token that end an answer; the first closes a target. None: the tokenizer's end."""
    licence: str
    """Of the weights, as their publisher states it."""
    notes: str
    """What one who loads it should know."""

    def config(self) -> Any:
        """The full-size configuration, a `transformers.PreTrainedConfig`, read from the package."""
        from transformers import AutoConfig

        fields = json.loads((CONFIGS / f"{self.name}.json").read_bytes())
        return AutoConfig.for_model(fields.pop("model_type"), **fields)

    def on_meta(self) -> Any:
        """The model at its full size without weights: shapes and names on torch's meta device."""
        import torch
        from transformers import AutoModelForImageTextToText

        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(self.config())

    def load(
        self,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        batch_size: int = 16,
        revision: str | None = None,
        weights: str | None = None,
        device_map: str | None = None,
    ) -> Backbone:
        """The backbone with its weights, from the hub's cache or fetched into it.

        `weights` is a folder or a hub repository to read instead, `revision` a commit, tag or branch of
        whichever repository that is. `device_map` spreads the model over devices: see
        `backbones.checkpoint`. Raises `BenchError` naming what is missing or unreadable.
        """
        from mmedit_bench.backbones.base import Backbone
        from mmedit_bench.backbones.checkpoint import folder_of

        source = weights or self.source
        if source is None:
            raise BenchError(
                f"{self.name} is published in parts: make a folder of them with `mmedit-bench assemble` "
                "and name it with --weights"
            )
        folder, commit = folder_of(source, revision if weights else revision or self.revision)
        made = Backbone.load(
            folder,
            name=self.name,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
            template=self.template,
            ends=self.ends,
            device_map=device_map,
        )
        made.origin = {
            "source": source if commit else folder.resolve().name,
            **({"revision": commit} if commit else {}),
            **({"device_map": dict(made.placed)} if device_map else {}),
        }
        return made
