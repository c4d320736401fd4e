"""The loop of a meta-training: progress, a curve, and state on disk from which it goes on.

Not to be confused with `backbones.training`, which makes the backbones.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from mmedit_bench.errors import BenchError
from mmedit_bench.runs.files import make_folder, write_whole

Step = Callable[[int, random.Random], Mapping[str, float]]
"""One step of a training: its index and its own random numbers -> values for the curve."""

Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with a label, the steps done and planned, and the latest values."""


class Training:
    """What an editor's `train` is given beside backbone and cases.

    With a folder, state is kept there from time to time, and a training that was stopped goes on
    from it with the same result as an undisturbed one, provided that everything that changes lives
    in the module (buffers included) or in the optimisers, and that steps draw from their `rng` only.
    """

    def __init__(
        self,
        seed: int = 0,
        folder: Path | None = None,
        *,
        report: Report | None = None,
        every_seconds: float = 20.0,
    ) -> None:
        self.seed = seed
        self.curves: dict[str, list[dict[str, float]]] = {}
        """By label, a row of values for about a hundred of the steps."""
        self._folder = folder
        self._report = report or (lambda label, done, total, values: None)
        self._every = every_seconds

    def run(
        self,
        steps: int,
        step: Step,
        *,
        module: nn.Module,
        optimisers: Sequence[Optimizer] = (),
        label: str = "train",
    ) -> None:
        """Call `step(index, rng)` for each index below `steps` that is not done yet.

        `label` tells several trainings of one editor apart. Raises `BenchError` for a loss that is
        not a number, and for kept state that does not fit.
        """
        if label in self.curves:
            raise BenchError(f"two trainings are labelled {label!r}; give each its own label")
        curve = self.curves[label] = []
        begin = self._resume(label, module, optimisers, curve)
        kept = time.monotonic()
        for index in range(begin, steps):
            values = dict(step(index, random.Random(f"{self.seed}/{label}/{index}")))
            if bad := [name for name, value in values.items() if value != value]:
                raise BenchError(
                    f"{label}: {bad[0]} is not a number at step {index}; lower the learning rate, or the "
                    "size that edits begin with"
                )
            if index % max(1, steps // 100) == 0 or index == steps - 1:
                curve.append({"step": index, **values})
            self._report(label, index + 1, steps, values)
            if self._folder and (index == steps - 1 or time.monotonic() - kept > self._every):
                self._keep(label, index + 1, module, optimisers, curve)
                kept = time.monotonic()

    def _path(self, label: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{label}.safetensors"

    def _keep(
        self,
        label: str,
        done: int,
        module: nn.Module,
        optimisers: Sequence[Optimizer],
        curve: list[dict[str, float]],
    ) -> None:
        tensors = {f"module.{name}": value for name, value in module.state_dict().items()}
        plain: list[dict[str, Any]] = []
        for number, optimiser in enumerate(optimisers):
            own, numbers = _flat(optimiser)
            tensors |= {f"optimiser.{number}.{name}": value for name, value in own.items()}
            plain.append(numbers)
        metadata = {"done": str(done), "optimisers": json.dumps(plain), "curve": json.dumps(curve)}
        path = self._path(label)
        make_folder(path.parent)
        copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        write_whole(path, save(copies, metadata))

    def _resume(
        self,
        label: str,
        module: nn.Module,
        optimisers: Sequence[Optimizer],
        curve: list[dict[str, float]],
    ) -> int:
        """Restore what is kept; returns how many steps are done."""
        if self._folder is None or not self._path(label).exists():
            return 0
        try:
            with safe_open(self._path(label), "pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            start = "module."
            module.load_state_dict(
                {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
            )
            for number, (optimiser, plain) in enumerate(
                zip(optimisers, json.loads(metadata["optimisers"]), strict=True)
            ):
                start = f"optimiser.{number}."
                own = {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
                _restore(optimiser, own, plain)
            curve += json.loads(metadata["curve"])
            return int(metadata["done"])
        except (SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise BenchError(
                f"{self._path(label)}: kept state does not fit ({error}); remove the file"
            ) from None


def _flat(optimiser: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and numbers of an optimiser's state, by "parameter.name"."""
    tensors, numbers = {}, {}
    for parameter, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{parameter}.{name}"] = value
            else:
                numbers[f"{parameter}.{name}"] = value
    groups = [
        {name: value for name, value in group.items() if name != "params"} for group in optimiser.param_groups
    ]
    return tensors, {"state": numbers, "groups": groups}


def _restore(optimiser: Optimizer, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    described = optimiser.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for name, value in (*tensors.items(), *plain["state"].items()):
        parameter, _, own = name.partition(".")
        state.setdefault(int(parameter), {})[own] = value
    groups = [
        group | dict(stored) for group, stored in zip(described["param_groups"], plain["groups"], strict=True)
    ]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
