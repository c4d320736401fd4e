"""A small data set of annotation files with pictures, made on the spot."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from mmedit_bench.datasets.annotated.records import Source
from mmedit_bench.datasets.annotated.roots import Place
from mmedit_bench.datasets.annotated.suite import Layout

VARIABLE = "MMEDIT_BENCH_SMALL_PICTURES"


def value(number: int, **changes: Any) -> dict[str, Any]:
    """One record as it stands in a file."""
    return {
        "src": f"What is thing {number}?", "pred": "an old thing", "rephrase": f"Name thing {number}.",
        "alt": f"new thing {number}", "image": f"val/p{number}.png", "image_rephrase": f"val/r{number}.png",
        "loc": f"nq question: who made thing {number}", "loc_ans": "somebody", "m_loc": f"val/m{number}.png",
        "m_loc_q": "What colour is it?", "m_loc_a": "red",
    } | changes  # fmt: skip


def write(path: Path, values: Sequence[Any]) -> None:
    """An annotation file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(values), ensure_ascii=False), encoding="utf-8")


def png(seed: int) -> bytes:
    """A picture of eight pixels squared, another one for each seed below 2 ** 24."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (seed >> 16 & 255, seed >> 8 & 255, seed & 255)).save(buffer, "PNG")
    return buffer.getvalue()


def draw(folder: Path, values: Sequence[Mapping[str, Any]]) -> None:
    """All pictures that these records name, below `folder`."""
    names = sorted({own[key] for own in values for key in ("image", "image_rephrase", "m_loc")})
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(seed))


def layout(**changes: Any) -> Layout:
    """The suite `small` of the data set in small/: train.json and eval.json."""
    values: dict[str, Any] = {
        "name": "small", "dataset": "small", "task": "vqa", "sort": "correction",
        "places": (Place("val/", "", VARIABLE),), "training": Source("train.json"),
        "evaluation": Source("eval.json"), "group": image_of,
    }  # fmt: skip
    return Layout(**(values | changes))


def image_of(record: Any) -> str:
    """What a record is about."""
    return str(record.image)


def small(data: Path, train: Sequence[Any] | None = None, evaluation: Sequence[Any] | None = None) -> Path:
    """The data set's files below `data`, with all pictures; returns its folder."""
    trained = [value(number) for number in range(100, 140)] if train is None else list(train)
    edited = [value(number) for number in range(4)] if evaluation is None else list(evaluation)
    write(data / "small" / "train.json", trained)
    write(data / "small" / "eval.json", edited)
    draw(data / "small", [*trained, *edited])
    return data / "small"
