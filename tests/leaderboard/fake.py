"""A small suite with drawn pictures, and run folders as editors of various skill would leave them."""

from __future__ import annotations

import functools
import hashlib
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmedit_bench.cases import SORTS, EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.runs.baseline import BaseProbe
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.runs.spec import RunSpec
from tests.fakes.folder import SPEC, write_run

THINGS = ("tangerine", "umbrella", "trumpet", "snail", "kite", "lantern", "anchor", "cactus")
OTHERS = ("a violin", "two", "green", "no", "Lisbon", "the sea")

SHAPE = (
    ("reliability", "main", True),
    ("text_generality", "main", True),
    ("image_generality", "main", True),
    ("image_generality", "unseen_artist", True),
    ("text_image_generality", "main", True),
    ("text_locality", "main", False),
    ("text_locality", "same_relation", False),
    ("text_locality", "same_thing", False),
    ("image_locality", "main", True),
    ("image_locality", "same_image", True),
    ("image_locality", "same_question", True),
)
"""Kind, stratum, whether there is a picture."""


class FakeSuite:
    """`count` evaluation cases with every kind and stratum of Picturebook."""

    task = "vqa"
    splits = ("evaluation",)

    def __init__(self, name: str = "fake-vqa", count: int = 40) -> None:
        self.name = name
        self._cases = tuple(self._case(number) for number in range(count))

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.name, self._cases)).encode()).hexdigest()

    def cases(self, split: str) -> tuple[EditCase, ...]:
        assert split == "evaluation"
        return self._cases

    def _case(self, number: int) -> EditCase:
        name = f"{self.name}-{number:03d}"
        thing = THINGS[number % len(THINGS)]
        target = OTHERS[number % len(OTHERS)]
        question = f"What does the {thing} stand for?"
        pictures = [picture(number, artist) for artist in range(3)]
        probes = []
        for place, (kind, stratum, seen) in enumerate(SHAPE):
            artist = 2 if stratum == "unseen_artist" else int(kind.startswith(("image_g", "text_image")))
            image = pictures[artist] if seen else None
            if kind == "image_locality" and stratum != "same_image":
                image = picture(number + 1, 0)
            edited = kind.endswith(("reliability", "generality"))
            prompt = question if kind != "text_generality" else f"Tell me what the {thing} means."
            if not edited:
                prompt = f"{stratum.replace('_', ' ').capitalize()} question about no. {number}?"
            reference = target if edited else OTHERS[(number + place) % len(OTHERS)]
            probes.append(Probe(f"{name}/p{place:02d}", kind, Query(prompt, image), reference, stratum))
        request = EditRequest(name, probes[0].query, target)
        random.Random(name).shuffle(probes)
        return EditCase(request, tuple(probes), self.task, "evaluation", SORTS[number % 2])


@functools.cache
def picture(thing: int, artist: int) -> ImageRef:
    """A 64 px drawing; another artist draws the same thing in other colours."""
    from PIL import Image, ImageDraw

    rng = random.Random(thing)
    image = Image.new("RGB", (64, 64), ("white", "ivory", "honeydew")[artist])
    draw = ImageDraw.Draw(image)
    hues = [(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(3)]
    for hue in hues:
        x, y, r = rng.randrange(8, 40), rng.randrange(8, 40), rng.randrange(8, 20)
        shape = (draw.ellipse, draw.rectangle, draw.rounded_rectangle)[artist]
        shape((x, y, x + r, y + r), fill=hue[artist:] + hue[:artist], outline="black")
    file = io.BytesIO()
    image.save(file, "PNG")
    data = file.getvalue()
    return ImageRef(hashlib.sha256(data).hexdigest(), functools.partial(bytes, data))


@dataclass(frozen=True)
class FakeEditor:
    """Skill: how often a probe of a kind comes out as wanted."""

    name: str
    skill: Mapping[str, float] = field(default_factory=dict)
    default: float = 0.9
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.4
    nbytes: int = 3_200_000
    fails: int = 0
    """Number of cases, counted from the first, in which the editor raises."""
    control: bool = False
    stops: int | None = None
    """Number of cases after which the run was ended."""


EDITORS = (
    FakeEditor(
        "null", {"text_locality": 1, "image_locality": 1}, 0.0, seconds=0.0001, nbytes=0, control=True
    ),
    FakeEditor(
        "copy-target", {"text_locality": 0, "image_locality": 0}, 1.0, seconds=0.0002, nbytes=90, control=True
    ),
    FakeEditor("ft", {"reliability": 1, "text_locality": 0.8, "image_locality": 0.45}, 0.75, fails=2),
    FakeEditor("ike", {"text_locality": 0.7, "image_locality": 0.3}, 0.97, seconds=0.0031, nbytes=2_100),
    FakeEditor("unike", {"text_locality": 0.93, "image_locality": 0.88}, 0.95, nbytes=410_000),
    FakeEditor("t-patcher", {"image_locality": 0.86, "image_generality": 0.8}, 0.92, {"neurons": 4}, 8.2),
    FakeEditor("mend", {"image_locality": 0.7}, 0.9, seconds=0.08, nbytes=52_000_000, stops=12),
)


def fake_run(
    out: Path,
    suite: FakeSuite,
    editor: FakeEditor,
    *,
    backbone: str = "blip2-opt-mini",
    limit: int | None = None,
    source: str = "fakes 1.0",
    **changes: Any,
) -> Path:
    """Write a run folder and return it. `changes` replace fields of its spec."""
    values = SPEC | {
        "suite": suite.name, "suite_digest": suite.digest, "split": "evaluation",
        "backbone": backbone, "backbone_digest": hashlib.sha256(backbone.encode()).hexdigest(),
        "editor": editor.name, "editor_options": dict(editor.options), "limit": limit,
    }  # fmt: skip
    spec = RunSpec(**(values | changes))

    def reply(case: EditCase, probe: Probe, unit: str, edited: bool) -> Reading:
        return _reply(case, probe, unit, editor, spec, edited)

    return write_run(
        out,
        suite,
        spec,
        reply,
        base_probe,
        fails={case.id for case in suite.cases("evaluation")[: editor.fails]},
        stops=editor.stops,
        seconds=editor.seconds,
        nbytes=editor.nbytes,
        error="editing: ValueError: <b>no gradient</b>",
        control=editor.control,
        source=source,
    )


def base_probe(probe: Probe) -> BaseProbe:
    """What the unedited backbone says to a probe: right where it should stay right, wrong elsewhere."""
    target = (*probe.reference.encode(), 2)
    return BaseProbe(probe.id, target, _reading(_before(probe), target))


def _before(probe: Probe) -> str:
    if probe.kind.endswith("locality"):
        return probe.reference
    return f"{random.Random(probe.id).choice(OTHERS)} once"


def _reply(
    case: EditCase, probe: Probe, unit: str, editor: FakeEditor, spec: RunSpec, edited: bool
) -> Reading:
    before = _before(probe)
    skill = editor.skill.get(probe.kind, editor.default)
    good = random.Random(f"{probe.id} {unit} {editor.name} {spec.backbone}").random() < skill
    keep = probe.kind.endswith("locality")
    answer = {
        (True, False): probe.reference, (True, True): before,
        (False, False): before, (False, True): case.request.target + " indeed",
    }[good, keep]  # fmt: skip
    return _reading(answer if edited else before, (*probe.reference.encode(), 2))


def _reading(answer: str, target: tuple[int, ...]) -> Reading:
    said = (*answer.encode(), 2, *([0] * len(target)))[: len(target)]
    return Reading(answer, said, tuple(-0.5 if a == b else -4.0 for a, b in zip(said, target, strict=True)))
