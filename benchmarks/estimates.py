"""Memory and hours of table 1 at the scale of the paper, estimated: nothing of that size is run.

    MMEDIT_BENCH_DATA=data python benchmarks/estimates.py [--rate 94] [--bandwidth 1.5] [--launch 0.5]

Memory is computed on the meta device (`mmedit_bench.backbones.memory`). Of time:

    pass     max(2 N r t / R, B / W, n L)   r questions of t tokens through N weights in n layers: R
                                            operations a second, B bytes of weights read at W bytes a
                                            second, and L seconds to have a layer begin at all
    back     the same over the layers from the edited one on: weights are frozen, so no second product
    step     of an edit: pass + back over the layers from the edited one on (those below stand still);
             of a training: pass + back, and 6 operations for each product of the editor's own network
    edit     (steps * step + what is read beside) * max(1, s / w)
    asking   a pass of all questions of a case, one more token by token for the longest target, and
             each picture once
    s / w    the measured small-scale ratio: s is the editor's seconds per edit in the embedded table
             over those of `ft` there, w the same ratio by the formula for `edit` with the settings there;
             each the median over the table's blocks

`R`, `W` and `L` are assumptions: 30% of 312 TFLOP/s and 75% of 2.0 TB/s, what an A100 of 80 GB is sold with,
and half a millisecond.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mmedit_bench.backbones.demand import Demand, Fit, Load, Pass, demand_of
from mmedit_bench.backbones.loads import counted, estimated
from mmedit_bench.backbones.memory import Memory
from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.backbones.shape import Shape
from mmedit_bench.datasets.suite import TRAIN
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, SUITES
from mmedit_bench.reproduce.plans import TABLE1
from mmedit_bench.reproduce.scales import BACKBONES as MOVED
from mmedit_bench.reproduce.scales import SUITES as WORDS

ROOT = Path(__file__).resolve().parents[1]
ANCHOR = "ft"
PICTURES = 3
"""Pictures of a case: the edited one, its counterpart, and that of image locality."""


@dataclass(frozen=True)
class Card:
    """An accelerator: operations and bytes a second, and seconds for a layer to begin."""

    rate: float
    bandwidth: float
    launch: float

    def passed(self, weights: float, size: int, rows: int, tokens: int, layers: float) -> float:
        """Seconds of a pass through so many weights of so many bytes each, in so many layers."""
        computed, read = 2 * weights * rows * tokens / self.rate, weights * size / self.bandwidth
        return max(computed, read, layers * self.launch)


@dataclass(frozen=True)
class Clock:
    """Seconds of one backbone under one load."""

    shape: Shape
    load: Load
    card: Card

    def whole(self, rows: int, tokens: int) -> float:
        """A pass through all layers and the head."""
        head = self.shape.vocabulary * self.shape.width
        weights, layers = self.shape.decoder_parameters + head, self.shape.layer_count
        return self.card.passed(weights, self._size, rows, tokens, layers)

    def upper(self, layer: int, rows: int, tokens: int) -> float:
        """A pass through the layers from one on, in one direction."""
        layers = max(self.shape.layer_count - layer, 0)
        weights = layers / self.shape.layer_count * self.shape.decoder_parameters
        return self.card.passed(weights, self._size, rows, tokens, layers)

    def picture(self) -> float:
        """One picture through the vision part."""
        config = self.shape.model.config.vision_config
        places = (config.image_size // config.patch_size) ** 2
        layers = int(config.num_hidden_layers)
        return self.card.passed(self.shape.vision_parameters, self._size, 1, places, layers)

    def edit(self, demand: Demand) -> float:
        """An edit, by the formula alone."""
        seconds = sum(own.times * self._fresh(own) for own in demand.passes)
        if demand.fit:
            seconds += sum(self._fresh(own) for own in demand.fit.passes)
            seconds += demand.fit.steps * sum(self._again(own) for own in demand.fit.passes)
        return seconds

    def training(self, fits: tuple[Fit, ...]) -> float:
        """All that is learned before the first edit."""
        return sum(
            fit.steps
            * (6 * fit.products / self.card.rate + sum(own.times * self._fresh(own) for own in fit.passes))
            for fit in fits
        )

    def asking(self, context: int, rows: int) -> float:
        """All questions of a case."""
        tokens = min(context + self.load.tokens, self.shape.max_positions)
        return (
            self.whole(rows, tokens)
            + self.load.answer * self.whole(rows, 1)
            + (PICTURES if self.load.picture else 0) * self.picture()
        )

    def _fresh(self, own: Pass) -> float:
        back = 0.0 if own.layer is None else self.upper(own.layer, own.rows, self.load.tokens)
        return self.whole(own.rows, self.load.tokens) + back

    def _again(self, own: Pass) -> float:
        seen = 2 * self.picture() if own.sight else 0.0
        return 2 * self.upper(own.layer or 0, own.rows, self.load.tokens) + seen

    @property
    def _size(self) -> int:
        return self.shape.dtype.itemsize


def demands(shape: Shape, load: Load) -> Iterator[tuple[str, str, Demand]]:
    """Editor, label and demand of each row of table 1 with an editor's own settings."""
    for row in TABLE1.rows:
        if row.options:
            continue
        found = demand_of(EDITORS.load(row.editor)(), shape, load)
        assert found is not None
        yield row.editor, row.label.partition(",")[0], found  # how many demonstrations hangs on the backbone


def ratios(table: Path, card: Card) -> dict[str, float]:
    """s / w by editor: above 1 where an edit took longer here than the formula says, beside `ft`."""
    measured: dict[str, list[float]] = {}
    for block in json.loads(table.read_bytes())["blocks"]:
        seconds = {
            row["editor"]: row["seconds_per_edit"] for row in block["rows"] if row["key"] == row["editor"]
        }
        for name, own in seconds.items():
            measured.setdefault(name, []).append(own / seconds[ANCHOR])
    computed: dict[str, list[float]] = {}
    for name in MOVED:
        backbone = BACKBONES.load(name)()
        shape = Shape.of(name, backbone.model)
        for words in WORDS:
            if words.endswith("mix"):
                continue
            suite = SUITES.load(words)()
            clock = Clock(shape, counted(backbone, suite.cases(TRAIN), suite.cases("evaluation")), card)
            seconds = {editor: clock.edit(demand) for editor, _, demand in demands(shape, clock.load)}
            for editor, own in seconds.items():
                computed.setdefault(editor, []).append(own / seconds[ANCHOR])
    return {
        name: statistics.median(measured[name]) / statistics.median(own)
        for name, own in computed.items()
        if statistics.median(own) > 0
    }


def main() -> None:
    """Print a table for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rate", type=float, default=0.30 * 312, help="TFLOP/s that are reached")
    parser.add_argument("--bandwidth", type=float, default=0.75 * 2.0, help="TB/s that are reached")
    parser.add_argument("--launch", type=float, default=0.5, help="milliseconds for a layer to begin")
    parser.add_argument("--table", type=Path, default=ROOT / "docs/results/embedded/table1.json")
    given = parser.parse_args()
    card = Card(given.rate * 1e12, given.bandwidth * 1e12, given.launch / 1e3)
    found = ratios(given.table, card)
    for name in MOVED.values():
        shape = Shape.of(name, PUBLISHED[name].on_meta(), torch.bfloat16)
        print(f"\n`{name}`, bfloat16: {shape.nbytes / 1e9:.1f} GB of weights\n")
        head = ("E-VQA: training h", "edits h", "E-IC: training h", "edits h")
        print("| editor | GB together | to train | to edit | s / w | " + " | ".join(head) + " |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for line in lines(shape, card, found):
            print(line)


def lines(shape: Shape, card: Card, found: dict[str, float]) -> Iterator[str]:
    """A row for each editor."""
    clocks: list[tuple[Clock, Memory, int, int]] = []
    for words in ("mmedit-vqa", "mmedit-caption"):
        suite = SUITES.load(words)()
        train, asked = suite.cases(TRAIN), suite.cases("evaluation")
        load = estimated(shape, train, asked, 16)
        clocks.append((Clock(shape, load, card), Memory(shape, load), len(asked), len(asked[0].probes)))
    columns = [list(demands(shape, clock.load)) for clock, *_ in clocks]
    for own in zip(*columns, strict=True):
        editor, label = own[0][:2]
        needs = [memory.need(demand) for (_, memory, *_), (_, _, demand) in zip(clocks, own, strict=True)]
        ratio = found.get(editor)
        cells: list[str] = []
        for (clock, _, count, probes), (_, _, demand) in zip(clocks, own, strict=True):
            edit = clock.edit(demand) * max(1.0, ratio or 1.0)
            hours = count * (edit + clock.asking(demand.context, probes)) / 3600
            trained = clock.training(demand.learned) / 3600
            cells += [f"{trained:.1f}" if demand.learned else "", f"{hours:.1f}"]
        most = max(needs, key=lambda need: need.total)
        gb: dict[str, Any] = {
            part: f"{(most.weights + most.held + getattr(most, part)) / 1e9:.1f}"
            for part in ("training", "editing")
        }
        training = gb["training"] if most.training else ""
        shown = f"{ratio:.1f}" if ratio else ""
        yield (
            f"| {label} | {most.total / 1e9:.1f} | {training} | {gb['editing']} | {shown} | "
            + " | ".join(cells) + " |"
        )  # fmt: skip


if __name__ == "__main__":
    main()
