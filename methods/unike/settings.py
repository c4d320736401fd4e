"""Options of UniKE. Every ablation and every other reading of the paper is a value of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmedit_bench.editors import LAYERS, option


@dataclass(frozen=True)
class UniKESettings:
    """The card says which value the paper states."""

    layers: int = option(4, "edited decoder layers, counted from the last", low=1, high=LAYERS)
    # intrinsic
    intrinsic: bool = option(True, "whether there are key-value pairs")
    pairs: int = option(10, "key-value pairs of a layer", low=1)
    init: str = option("query", "what the keys begin as", choices=("query", "random"))
    optimiser: str = option("adam", "who trains the pairs", choices=("adam", "sgd"))
    lr: float = option(0.01, "learning rate of the pairs", above=0)
    steps: int = option(40, "most steps of an edit", low=0)
    threshold: float = option(0.05, "training stops once the loss of the answer is below it", low=0)
    activation_weight: float = option(1.0, "weight of the loss that wakes a pair at its own token", low=0)
    memory_weight: float = option(0.03, "weight of the losses that keep the pairs quiet elsewhere", low=0)
    # external
    external: str = option(
        "latent",
        "what the model reads: nothing, states in its attention, or demonstrations as text",
        choices=("none", "latent", "context"),
    )
    top_k: int = option(40, "nearest states of the store that are read", low=0)
    own: str = option(
        "answer",
        "the request's own states in the memory: none, one as the store has it, or one per answer token",
        choices=("none", "final", "answer"),
    )
    examples: int = option(
        -1, "demonstrations, if external is context; -1: as many as `ike` has on the backbone", low=-1
    )
    # collaboration
    gate: str = option(
        "dynamic",
        "weight of the memory: a cosine, `weight`, or plain attention over both",
        choices=("dynamic", "fixed", "mass"),
    )
    weight: float = option(0.4, "weight of the memory, if gate is fixed", low=0, high=1)
    on_input: bool = option(False, "whether the cosine weighs the input and not the memory")
    space: str = option("state", "where the cosine is taken", choices=("state", "output"))
    floor: float = option(0.0, "cosines up to it count as 0", low=-1, high=1)
    zeta: str = option(
        "real", "which vector shifts the values", choices=("none", "random", "semantic", "real")
    )
    w_zeta: str = option(
        "edit",
        "who learns the map of that vector to the values: each edit, from zero, or the train split's store, "
        "once",
        choices=("edit", "store"),
    )
    beta: float = option(0.3, "size of that shift", low=0)
    # what is learned beforehand
    store: int = option(1000, "most triplets of the knowledge store", low=1)
    quiet: int = option(300, "train cases whose questions should not wake a pair", low=0)
    encoder_width: int = option(320, "width of the hidden layer of both encoders", low=1)
    encoder_steps: int = option(1000, "steps of their training", low=0)
    encoder_lr: float = option(1e-4, "their learning rate", above=0)
    encoder_batch: int = option(64, "triplets of a step", low=1)
    temperature: float = option(0.1, "temperature of the contrastive losses", above=0)
    anchor: bool = option(False, "whether a state is among its own positives")

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
