"""What a rule on the bare query earns that edits nothing: it guesses whether a probe should change.

    python benchmarks/kind_rule.py --suite picturebook-vqa --backbone blip2-opt-mini --secrets 5

A rule is told the request (prompt, target, picture) and a query (prompt, picture). It answers the
target if it takes the query for one that should change, and else what the unedited backbone says:
just what an editor could do that recognises kinds of probes. Its mean is that of the headline by
generation, over the cases that need an edit. Rules see digests of pictures unless they are said to
look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from mmedit_bench.cases import CHANGE_KINDS, EditCase, EditRequest, ImageRef, Probe, Query
from mmedit_bench.datasets.blind import blind_suite
from mmedit_bench.datasets.picturebook import files
from mmedit_bench.datasets.picturebook.blind import drawn_by, probes
from mmedit_bench.datasets.picturebook.edits import SplitPool
from mmedit_bench.plugins.registry import BACKBONES, SUITES
from mmedit_bench.scoring.normalize import normalize

WEIGHTS = {
    "reliability": 1 / 3, "text_generality": 1 / 6, "image_generality": 1 / 6,
    "text_locality": 1 / 6, "image_locality": 1 / 6,
}  # fmt: skip
"""What a kind's main stratum counts in the headline's mean."""

NEAR = 9.0
"""Mean distance of colours, in steps of 256, below which two drawings are one that was moved by a pixel."""


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


POINTING = words("this picture image pictured shown here drawing sketch see caption describe")
"""Words of the public wordings that point at what is shown."""


@dataclass(frozen=True)
class Guess:
    """A probe of the headline as a rule meets it, and what either guess would earn."""

    request: EditRequest
    query: Query
    kind: str
    target: bool
    """Whether the target is counted as right."""
    base: bool
    """Whether the unedited backbone's answer is."""


Rule = Callable[[EditRequest, Query], bool]


def guesses(cases: Iterable[EditCase], answer: Callable[[Sequence[Query]], list[str]]) -> list[Guess]:
    """The headline's probes of the cases that need an edit."""
    pairs = [(case, normalize(case.request.target)) for case in cases]
    said = answer([case.request.query for case, _ in pairs])
    needed = [c for (c, target), text in zip(pairs, said, strict=True) if normalize(text) != target]
    asked = [(c.request, p) for c in needed for p in c.probes if p.stratum == "main" and p.kind in WEIGHTS]
    found = []
    for (request, probe), text in zip(asked, answer([p.query for _, p in asked]), strict=True):
        changes = probe.kind in CHANGE_KINDS
        same = normalize(text) == normalize(request.target)
        right = normalize(text) == normalize(probe.reference)
        found.append(
            Guess(request, probe.query, probe.kind, target=changes or same, base=right if changes else True)
        )
    return found


def mean(asked: Sequence[Guess], said: Sequence[bool]) -> dict[str, float]:
    """By kind and over the headline, in percent."""
    by_kind = defaultdict(list)
    for guess, target in zip(asked, said, strict=True):
        by_kind[guess.kind].append(guess.target if target else guess.base)
    shares = {kind: 100 * sum(right) / len(right) for kind, right in by_kind.items()}
    return shares | {"mean": sum(WEIGHTS[kind] * share for kind, share in shares.items())}


# ---- what a query shows


@cache
def overlap(one: str, other: str) -> float:
    """Words that two prompts share, of all they have."""
    return len(words(one) & words(other)) / len(words(one) | words(other))


def same_picture(request: EditRequest, query: Query) -> bool:
    return query.image == request.query.image


@cache
def _pixels(image: ImageRef) -> np.ndarray:
    return np.asarray(image.open().resize((64, 64), Image.Resampling.BILINEAR), np.float32)


@cache
def moved(one: ImageRef, other: ImageRef) -> float:
    """Mean distance of two drawings, the one moved by at most a pixel."""
    a, b = _pixels(one), _pixels(other)[2:-2, 2:-2]
    moves = itertools.product(range(1, 4), repeat=2)
    return min(float(np.abs(a[y : y + 60, x : x + 60] - b).mean()) for x, y in moves)


@cache
def colours(one: ImageRef, other: ImageRef) -> float:
    """Distance of the colours of two drawings, wherever they stand: 0 to 1."""

    def histogram(image: ImageRef) -> np.ndarray:
        steps = (_pixels(image) // 64).astype(int)
        return np.bincount((steps @ (16, 4, 1)).ravel(), minlength=64) / steps[..., 0].size

    return float(np.abs(histogram(one) - histogram(other)).sum()) / 2


@cache
def _published() -> tuple[list[str], np.ndarray]:
    """The things of all public drawings, and the drawings in small."""
    drawings = [(e.id, data) for e in files.load().entities for data in e.pictures.values()]
    images = [ImageRef(hashlib.sha256(data).hexdigest(), lambda data=data: data) for _, data in drawings]  # type: ignore[misc]
    return [thing for thing, _ in drawings], np.stack([_small(image) for image in images])


def _small(image: ImageRef) -> np.ndarray:
    return np.asarray(image.open().resize((16, 16), Image.Resampling.BOX), np.float32).ravel()


@cache
def thing_of(image: ImageRef) -> str:
    """The thing that the nearest public drawing shows: who brings the data along knows it."""
    things, drawings = _published()
    return things[int(np.abs(drawings - _small(image)).sum(1).argmin())]


def points(query: Query) -> bool:
    """Whether it has a picture, and a word that points at it."""
    return query.image is not None and not POINTING.isdisjoint(words(query.prompt))


def shown(request: EditRequest, query: Query, *, looks: bool) -> tuple[object, ...]:
    """What can be read off a query without knowing any language: a cell of the best rule."""
    own = request.query
    seen: tuple[object, ...] = (
        query.image is not None, query.prompt == own.prompt, same_picture(request, query),
        int(overlap(own.prompt, query.prompt) * 6),
    )  # fmt: skip
    if looks and query.image and own.image:
        seen += (moved(own.image, query.image) < NEAR, int(colours(own.image, query.image) * 8))
    return seen


def best(asked: Sequence[Guess], *, looks: bool) -> list[bool]:
    """The guesses of the best rule on what is shown, chosen in hindsight: no rule on it earns more."""
    cells = defaultdict(list)
    for guess in asked:
        cells[shown(guess.request, guess.query, looks=looks)].append(guess)
    counts = {kind: sum(guess.kind == kind for guess in asked) for kind in WEIGHTS}
    gain = {
        cell: sum(WEIGHTS[g.kind] / counts[g.kind] * (g.target - g.base) for g in held)
        for cell, held in cells.items()
    }
    return [gain[shown(guess.request, guess.query, looks=looks)] > 0 for guess in asked]


# ---- what can be learned from the training split


class Learned:
    """A logistic rule on words: those of the query, those it shares with the request, and what is shown."""

    def __init__(self, asked: Sequence[tuple[EditRequest, Probe]], steps: int = 400) -> None:
        self._places: dict[str, int] = {}
        rows = [self._features(request, probe.query, grow=True) for request, probe in asked]
        x = np.zeros((len(rows), len(self._places)), np.float32)
        for row, places in zip(x, rows, strict=True):
            row[places] = 1
        y = np.array([probe.kind in CHANGE_KINDS for _, probe in asked], np.float32)
        counts = {kind: sum(probe.kind == kind for _, probe in asked) for kind in WEIGHTS}
        share = np.array([WEIGHTS[probe.kind] / counts[probe.kind] for _, probe in asked], np.float32)
        self._weights = np.zeros(x.shape[1], np.float32)
        first, second = np.zeros_like(self._weights), np.zeros_like(self._weights)
        for step in range(1, steps + 1):  # Adam
            slope = x.T @ (share * (1 / (1 + np.exp(-x @ self._weights)) - y)) + 1e-5 * self._weights
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            rate = 0.05 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            self._weights -= rate * first / (np.sqrt(second) + 1e-8)

    def __call__(self, request: EditRequest, query: Query) -> bool:
        return bool(self._weights[self._features(request, query)].sum() > 0)

    def _features(self, request: EditRequest, query: Query, *, grow: bool = False) -> list[int]:
        mine, asked = words(request.query.prompt), words(query.prompt)
        names = [
            "always",
            *(f"shown {at} {value}" for at, value in enumerate(shown(request, query, looks=False))),
        ]
        names += [f"both {word}" for word in mine & asked]
        names += [f"asked {word}" for word in asked] + [f"only asked {word}" for word in asked - mine]
        names += [f"only request {word}" for word in mine - asked]
        if grow:
            return [self._places.setdefault(name, len(self._places)) for name in names]
        return [self._places[name] for name in names if name in self._places]


def lessons(task: str, secret: bytes | None) -> list[tuple[EditRequest, Probe]]:
    """The headline's probes of the training split, as published or drawn by a secret of one's own."""
    cases = SUITES.load(f"picturebook-{task}")().cases("train")
    if secret is None:
        return [(c.request, p) for c in cases for p in c.probes if p.stratum == "main" and p.kind in WEIGHTS]
    data, found = files.load(), []
    pool, requests = SplitPool(data.entities, "train"), {case.id: case.request for case in cases}
    for edit in data.edits:
        if edit.id in requests:
            for n, one in enumerate(probes(pool, edit, drawn_by(secret))):
                if one.stratum == "main" and one.kind in WEIGHTS:
                    digest = hashlib.sha256(one.picture.encode()).hexdigest()
                    picture = ImageRef(digest, bytes) if one.picture else None
                    probe = Probe(f"{edit.id}/{n}", one.kind, Query(one.prompt, picture), one.reference)
                    found.append((requests[edit.id], probe))
    return found


def rules(task: str) -> dict[str, Rule]:
    """Rules by what they go by."""
    found: dict[str, Rule] = {
        "nothing: never the target (`null`)": lambda request, query: False,
        "nothing: always the target (`copy-target`)": lambda request, query: True,
        "a picture": lambda request, query: query.image is not None,
        "the same prompt": lambda request, query: query.prompt == request.query.prompt,
        "the same picture": same_picture,
        "the same prompt or the same picture": lambda request, query: (
            query.prompt == request.query.prompt or same_picture(request, query)
        ),
    }
    for least in (0.3, 0.4, 0.5, 0.6):
        found[f"words: {least:g} shared"] = lambda request, query, least=least: (  # type: ignore[misc]
            overlap(request.query.prompt, query.prompt) >= least
        )
        found[f"a picture, and words: {least:g} shared"] = lambda request, query, least=least: (  # type: ignore[misc]
            query.image is not None and overlap(request.query.prompt, query.prompt) >= least
        )
    found["a picture, and a word that points at it"] = lambda request, query: points(query)
    found["... and public drawings at hand: it is the edited thing"] = lambda request, query: (
        points(query) and thing_of(query.image) == thing_of(request.query.image)
    )
    found["learned from the public training split"] = Learned(lessons(task, None))
    found["learned from blind draws of the training split"] = Learned(
        lessons(task, b"a secret of the rule's own")
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--backbone", default="blip2-opt-mini")
    parser.add_argument("--secrets", type=int, default=5, help="how many blind draws")
    parser.add_argument("--limit", type=int, help="cases of the evaluation split considered")
    given = parser.parse_args()
    public = SUITES.load(given.suite)()
    base = BACKBONES.load(given.backbone)(batch_size=64).unedited()
    secrets = [hashlib.sha256(f"kind_rule/{n}".encode()).digest() for n in range(given.secrets)]
    draws = [public, *(blind_suite(public, secret) for secret in secrets)]
    asked = [guesses(draw.cases("evaluation")[: given.limit], base.answer) for draw in draws]

    print(f"{given.suite} on {given.backbone}, {len(asked[0]) // len(WEIGHTS)} edits, {len(secrets)} draws")
    print("| " + " | ".join(["rule", "public", "blind", "least", "most", *WEIGHTS]) + " |")
    print("|---|" + "---:|" * (4 + len(WEIGHTS)))

    def row(name: str, said: Callable[[Sequence[Guess]], Sequence[bool]]) -> None:
        first, *others = [mean(own, said(own)) for own in asked]
        means = [own["mean"] for own in others]
        cells = [first["mean"], sum(means) / len(means), min(means), max(means)]
        cells += [sum(own[kind] for own in others) / len(others) for kind in WEIGHTS]
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |", flush=True)

    for name, rule in rules(public.task).items():
        row(name, lambda own, rule=rule: [rule(g.request, g.query) for g in own])  # type: ignore[misc]
    row("the best of these signs, in hindsight", lambda own: best(own, looks=False))
    row("the best that also looks at pixels, in hindsight", lambda own: best(own, looks=True))


if __name__ == "__main__":
    main()
