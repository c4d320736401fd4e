"""One resumable stretch of training.

Batches are a function of (seed, step), so the state of a stage is its step, its parameters and its
optimisers' buffers: written as safetensors every `save_every` steps, and read back to go on as if
nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from mmedit_bench.backbones.training.muon import Muon
from mmedit_bench.runs.files import make_folder, write_whole

Report = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with (stage, step, steps, figures) now and then; draws the progress bar."""


@dataclass(frozen=True)
class Schedule:
    """Learning rates and length of a stage.

    Warm-up for `warmup` steps, full rate until `flat` of the steps are done, then a cosine to 2 %.
    """

    steps: int
    batch: int
    adam_lr: float = 2e-3
    muon_lr: float = 0.02
    warmup: int = 60
    flat: float = 0.4
    save_every: int = 200

    def rate(self, step: int) -> float:
        """Factor on both learning rates at `step` (0-based)."""
        warm = min(1.0, (step + 1) / self.warmup)
        done = step / self.steps
        if done < self.flat:
            return warm
        return warm * (0.02 + 0.49 * (1 + math.cos(math.pi * (done - self.flat) / (1 - self.flat))))


def run_stage(
    name: str,
    parameters: Mapping[str, Tensor],
    loss_at: Callable[[int], Tensor],
    schedule: Schedule,
    folder: Path,
    report: Report,
    identity: Mapping[str, object],
    evaluate: Callable[[], Mapping[str, float]] | None = None,
    adam_only: tuple[str, ...] = ("embed", "lm_head"),
) -> None:
    """Train `parameters` in place on `loss_at(step)`; done at once if `folder` holds the finished stage.

    Two-dimensional weights whose name contains none of `adam_only` go to Muon, the rest to AdamW.
    A state whose `identity` (recipe, data digest) differs is not resumed but started afresh.
    """
    make_folder(folder)
    path = folder / f"{name}.safetensors"
    matrices = [p for k, p in parameters.items() if p.ndim == 2 and not any(word in k for word in adam_only)]
    chosen = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in chosen]
    rates: list[tuple[float, torch.optim.Optimizer]] = []
    if others:
        adam = torch.optim.AdamW(others, lr=schedule.adam_lr, betas=(0.9, 0.98), weight_decay=0.01)
        rates.append((schedule.adam_lr, adam))
    if matrices:
        rates.append((schedule.muon_lr, Muon(matrices, lr=schedule.muon_lr)))
    optimisers = [optimiser for _, optimiser in rates]
    mark = json.dumps({**identity, "schedule": vars(schedule)}, sort_keys=True, default=str)
    start, spent, told = _load(path, parameters, optimisers, mark)
    smooth: float | None = None
    clock = time.process_time()
    for step in range(start, schedule.steps):
        for rate, optimiser in rates:
            for group in optimiser.param_groups:
                group["lr"] = rate * schedule.rate(step)
            optimiser.zero_grad(set_to_none=True)
        loss = loss_at(step)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimiser in optimisers:
            optimiser.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"stage {name}: loss is {value} at step {step}")
        smooth = value if smooth is None else 0.98 * smooth + 0.02 * value
        done = step + 1
        if done % schedule.save_every == 0 or done == schedule.steps:
            spent += time.process_time() - clock
            figures = dict(evaluate()) if evaluate else {}
            clock = time.process_time()
            told.append({"step": done, "loss": round(smooth, 4), **figures})
            _save(path, parameters, optimisers, mark, done, spent, told)
            report(name, done, schedule.steps, {"loss": smooth, "cpu_s": spent, **figures})
        elif done % 20 == 0:
            report(name, done, schedule.steps, {"loss": smooth})


def cpu_seconds(folder: Path, name: str) -> float:
    """CPU time a finished stage took, summed over its resumptions."""
    with safe_open(folder / f"{name}.safetensors", "pt") as file:
        return float(file.metadata()["spent"])


def history(folder: Path, name: str) -> list[dict[str, float]]:
    """What was measured whenever a finished stage was saved: "step", "loss" (smoothed) and its figures."""
    with safe_open(folder / f"{name}.safetensors", "pt") as file:
        found: list[dict[str, float]] = json.loads(file.metadata().get("history", "[]"))
    return found


def _buffers(optimisers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for i, optimiser in enumerate(optimisers):
        for j, p in enumerate(q for group in optimiser.param_groups for q in group["params"]):
            out.update({f"optimiser.{i}.{j}.{k}": v for k, v in optimiser.state.get(p, {}).items()})
    return out


def _save(
    path: Path,
    parameters: Mapping[str, Tensor],
    optimisers: list[torch.optim.Optimizer],
    mark: str,
    step: int,
    spent: float,
    told: list[dict[str, float]],
) -> None:
    tensors = {f"parameter.{k}": v.detach().contiguous() for k, v in parameters.items()}
    tensors.update(_buffers(optimisers))
    metadata = {"mark": mark, "step": str(step), "spent": str(spent), "history": json.dumps(told)}
    write_whole(path, save({k: v.clone() for k, v in tensors.items()}, metadata))


def _load(
    path: Path, parameters: Mapping[str, Tensor], optimisers: list[torch.optim.Optimizer], mark: str
) -> tuple[int, float, list[dict[str, float]]]:
    if not path.is_file():
        return 0, 0.0, []
    with safe_open(path, "pt") as file:
        meta = file.metadata()
        if meta["mark"] != mark:
            return 0, 0.0, []
        with torch.no_grad():
            for k, p in parameters.items():
                p.copy_(file.get_tensor(f"parameter.{k}"))
        by_place = [[q for group in o.param_groups for q in group["params"]] for o in optimisers]
        for key in file.keys():  # noqa: SIM118 - a safetensors handle is no mapping
            kind, *rest = key.split(".", 3)
            if kind == "optimiser":
                i, j, name = rest
                optimisers[int(i)].state[by_place[int(i)][int(j)]][name] = file.get_tensor(key)
        return int(meta["step"]), float(meta["spent"]), json.loads(meta.get("history", "[]"))
