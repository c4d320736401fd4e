"""Options of UniKE. Every ablation and every other reading of the paper is a value of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmedit_bench.editors import BenchError

CHOICES = {
    "external": ("none", "latent", "context"),
    "own": ("none", "final", "answer"),
    "gate": ("dynamic", "fixed", "mass"),
    "space": ("state", "output"),
    "zeta": ("none", "random", "semantic", "real"),
    "init": ("query", "random"),
    "optimiser": ("adam", "sgd"),
}


@dataclass(frozen=True)
class UniKESettings:
    """See the card for what each option means and which value the paper states."""

    layers: int = 4
    # intrinsic
    intrinsic: bool = True
    pairs: int = 10
    init: str = "query"
    optimiser: str = "adam"
    lr: float = 0.01
    steps: int = 40
    threshold: float = 0.05
    activation_weight: float = 1.0
    memory_weight: float = 0.03
    # external
    external: str = "latent"
    top_k: int = 40
    own: str = "answer"
    examples: int = 8
    # collaboration
    gate: str = "dynamic"
    weight: float = 0.4
    on_input: bool = False
    space: str = "state"
    floor: float = 0.0
    zeta: str = "real"
    beta: float = 0.3
    # what is learned beforehand
    store: int = 1000
    quiet: int = 300
    encoder_width: int = 320
    encoder_steps: int = 1000
    encoder_lr: float = 1e-4
    encoder_batch: int = 64
    temperature: float = 0.1
    anchor: bool = False

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise BenchError(f"unike: option {name!r} is {value!r}; choose one of {', '.join(known)}")

    def training(self) -> dict[str, Any]:
        """The options that decide what is learned beforehand."""
        first = ("layers", "store", "quiet", "temperature", "anchor")
        second = ("encoder_width", "encoder_steps", "encoder_lr", "encoder_batch")
        return {name: getattr(self, name) for name in (*first, *second)}


@dataclass(frozen=True)
class AsPrintedSettings(UniKESettings):
    """The paper to the letter: Eq. 4 with each state among its own positives and, as Eq. 5, without a
    temperature; Eq. 7 with alpha on the input, projected states, one own pair, 10 steps, and no loss
    but that of the answer."""

    own: str = "final"
    on_input: bool = True
    space: str = "output"
    threshold: float = 0.0
    steps: int = 10
    activation_weight: float = 0.0
    memory_weight: float = 0.0
    temperature: float = 1.0
    anchor: bool = True
    beta: float = 1.0
