"""Checks of an installation. Each returns what it found; none raises, so that one call tells all."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.datasets.prompts import as_they_stand
from mmedit_bench.errors import BenchError
from mmedit_bench.execution import sandbox
from mmedit_bench.execution.presence import lacks_language_model
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, PROTOCOLS, SUITES, Registry

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.cases import Probe
    from mmedit_bench.datasets.suite import Suite

PACKAGES = ("mmedit-bench", "torch", "transformers", "tokenizers", "datasets", "numpy", "pyarrow", "pillow")
OPTIONAL_PROGRAMS = {"chromium": "the browser tests of the page"}
LEAST_FREE = 1 << 30
MOST_RATIO = 1.2
"""How much longer a multiplication may take than in float32 before it is said."""
MOST_PROBLEMS = 5
"""Most problems of one data set that are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found.

    "fail": numbers made here could be wrong, or a command cannot run. "warn": something that only
    some need is missing.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    detail: str


def diagnose(*, probes: int, device: str, dtype: str) -> Iterator[Finding]:
    """All findings, as they come; the slow ones last. `probes`: number asked in the stability check."""
    yield from versions()
    yield from machine(device, dtype)
    yield from programs()
    yield from plugins()
    yield from data_sets()
    silent: set[str] = set()

    def whole(name: str) -> Finding:
        if why := lacks_language_model(name):
            silent.add(name)
            return Finding(f"checkpoint {name}", "warn", f"only needed for its own runs: {why}")
        return checkpoint(name, device)

    # published weights are large, and fetched by who runs them: they are checked by name
    yield from _each("checkpoint", BACKBONES, whole, PUBLISHED)
    yield from _each(
        "stability", BACKBONES, lambda name: stability(name, probes, device, dtype), {*PUBLISHED, *silent}
    )


def versions() -> Iterator[Finding]:
    """Python and the packages whose versions can change an answer."""
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "fail", f"not installed; pip install {package}")


def machine(device: str, dtype: str = "float32") -> Iterator[Finding]:
    """Processor threads, accelerator, disk, and what a number type is worth on the device."""
    import torch

    waiting = os.environ.get("OMP_WAIT_POLICY", "unset")
    yield Finding(
        "threads", "ok", f"{torch.get_num_threads()} of {os.cpu_count()} cores, OMP_WAIT_POLICY {waiting}"
    )
    if torch.cuda.is_available():
        yield Finding("cuda", "ok", f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}")
    else:
        wanted = device.startswith("cuda")
        yield Finding("cuda", "fail" if wanted else "ok", "not available; torch runs on the processor")
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk", "ok" if free > LEAST_FREE else "warn", f"{free / 1e9:.1f} GB free here")
    # a device or type that torch does not know fails where the backbone is loaded, and is named there
    if dtype in ("bfloat16", "float16") and device == "cpu":
        yield number_type(dtype)


def number_type(dtype: str, seconds: Callable[[str], float] | None = None) -> Finding:
    """Whether the processor multiplies this type at least as fast as float32.

    Many can hold a half-width type and not compute in it: memory is saved and time is lost. `seconds`
    tells how long a multiplication takes in a type; by default one is timed.
    """
    took = seconds or multiplying
    ratio = took(dtype) / took("float32")
    told = f"in {dtype} a multiplication takes {ratio:.1f} times as long as in float32"
    if ratio < MOST_RATIO:
        return Finding("number type", "ok", told)
    return Finding("number type", "warn", f"{told}; it saves memory here, and no time")


def multiplying(dtype: str) -> float:
    """Seconds of a linear layer on as many positions as a batch of questions has; the best of several."""
    import torch

    kind = getattr(torch, dtype)
    layer, states = torch.nn.Linear(1024, 1024, dtype=kind), torch.ones(512, 1024, dtype=kind)
    best = float("inf")
    with torch.no_grad():
        for _ in range(6):  # the first one warms up
            begun = time.perf_counter()
            layer(states)
            best = min(best, time.perf_counter() - begun)
    return best


def programs() -> Iterator[Finding]:
    """Programs that only some commands need."""
    for program, purpose in OPTIONAL_PROGRAMS.items():
        found = shutil.which(program)
        yield Finding(program, "ok" if found else "warn", found or f"not found; only needed for {purpose}")
    why = sandbox.available()
    yield Finding("sandbox", "warn" if why else "ok", why or "bubblewrap can be started")


def plugins() -> Iterator[Finding]:
    """Whether everything that is registered can be imported."""
    for registry in (EDITORS, BACKBONES, SUITES, PROTOCOLS):
        broken = []
        for name in registry.names():
            try:
                registry.load(name)
            except BenchError as error:
                broken.append(str(error))
        detail = "; ".join(broken) or ", ".join(registry.names()) or "none"
        yield Finding(f"{registry.noun}s", "fail" if broken or not registry.names() else "ok", detail)


def data_sets() -> Iterator[Finding]:
    """Data files against their pinned digests."""
    sets = Registry("mmedit_bench.data", "data set")

    def check(name: str) -> Finding:
        data = sets.load(name)
        if hasattr(data, "absent") and (why := data.absent()):
            return Finding(f"data {name}", "warn", f"not here, only needed for its own suites: {why}")
        problems = list(data.check())
        if len(problems) > MOST_PROBLEMS:
            more = len(problems) - MOST_PROBLEMS
            problems[MOST_PROBLEMS:] = [f"and {more:,} more, see `mmedit-bench data check {name}`"]
        failed: Literal["warn", "fail"] = "warn" if hasattr(data, "absent") else "fail"  # only some need it
        return Finding(
            f"data {name}", failed if problems else "ok", "; ".join(problems) or "as its digest says"
        )

    yield from _each("data", sets, check)


def checkpoint(name: str, device: str) -> Finding:
    """Whether the backbone loads, and for one that ships, whether it is what its card was measured on."""
    from mmedit_bench.backbones.zoo import CHECKPOINTS, differs

    found = BACKBONES.load(name)(device=device, dtype="float32", batch_size=16).digest
    if problem := differs(name, found):
        return Finding(f"checkpoint {name}", "fail", problem)
    shipped = (CHECKPOINTS / name / "backbone.json").is_file()
    beside = "as its card says" if shipped else "no card to compare with"
    return Finding(f"checkpoint {name}", "ok", f"digest {found[:16]}, {beside}")


def stability(name: str, count: int, device: str, dtype: str) -> Finding:
    """Share of probes answered otherwise in batches of sixteen than alone."""
    views = [BACKBONES.load(name)(device=device, dtype=dtype, batch_size=size) for size in (1, 16)]
    return stability_of(name, views, list(islice(some_probes(), count)), device, dtype)


def stability_of(
    name: str, views: Sequence[Backbone], asked: Sequence[Probe], device: str, dtype: str
) -> Finding:
    """The same of one backbone in both batch sizes.

    A difference means that padding or the shape of a batch reaches the answer, so that two runs of
    the same editor could be scored differently.
    """
    queries, references = [probe.query for probe in asked], [probe.reference for probe in asked]
    seen = []
    for backbone in views:
        read = backbone.read(queries, references)
        seen.append([(answer, tuple(forced.argmax_ids or ())) for answer, forced in read])
    flips = sum(alone != together for alone, together in zip(*seen, strict=True))
    detail = f"{flips} of {len(asked)} probes flip between batches of 1 and 16 ({dtype}, {device})"
    if not flips:
        return Finding(f"stability {name}", "ok", detail)
    status: Literal["warn", "fail"] = "fail" if dtype == "float32" else "warn"
    return Finding(
        f"stability {name}", status, f"{detail}; compare runs of one batch size only, or use float32"
    )


def some_probes(suites: Iterable[Suite] = ()) -> Iterator[Probe]:
    """Probes of suites (all that ship), in turn, so that captions and short answers share batches."""
    named = (SUITES.load(name)() for name in as_they_stand())
    chosen = list(suites) or [suite for suite in named if not hasattr(suite, "absent")]
    cases = [iter(suite.cases(suite.splits[-1])) for suite in chosen]
    for together in zip(*cases, strict=False):
        for case in together:
            yield from case.probes


def _each(
    what: str, registry: Registry, check: Callable[[str], Finding], but: Container[str] = ()
) -> Iterator[Finding]:
    """One finding per registered name `but` some; whatever a check raises is a finding too."""
    for name in (name for name in registry.names() if name not in but):
        try:
            yield check(name)
        except Exception as error:
            text = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
            yield Finding(f"{what} {name}", "fail", text)
