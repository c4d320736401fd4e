"""From the names of an order to its parts, loaded."""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.datasets.blind import blind_suite, read_secret
from mmedit_bench.datasets.suite import TRAIN, Suite
from mmedit_bench.errors import BadData, BenchError
from mmedit_bench.execution.blinding import Blinding, decoys_by_query
from mmedit_bench.execution.order import Order
from mmedit_bench.harness.artefacts import Artefact, default_folder, spec_of
from mmedit_bench.harness.baseline import Measured, Progress, measured
from mmedit_bench.harness.plan import Experiment, Plan
from mmedit_bench.harness.ready import made_ready
from mmedit_bench.plugins.registry import BACKBONES, EDITORS, PROTOCOLS, SUITES, Registry
from mmedit_bench.protocols.steps import EditingProtocol, schedule_of
from mmedit_bench.runs.baseline import FOLDER
from mmedit_bench.runs.evidence import evidence
from mmedit_bench.runs.folder import Manifest

if TYPE_CHECKING:
    from mmedit_bench.backbones.base import Backbone
    from mmedit_bench.editors import Editor
    from mmedit_bench.harness.identity import EditorIdentity


class Parts:
    """Keeps suites and the latest backbone loaded from one order to the next.

    `artefacts` is where trained editors find and leave what they learned; by default in the user's cache.
    """

    def __init__(self, artefacts: Path | None = None) -> None:
        self._artefacts = artefacts
        self._suites: dict[str, Suite] = {}
        self._draws: dict[str, Suite] = {}
        """Blind ones, by digest."""
        self._backbone: Backbone | None = None
        self._loaded: tuple[object, ...] | None = None

    def measured(self, order: Order, out: Path, progress: Progress | None = None) -> Measured:
        """The baseline that the order is measured against. No editor is loaded for it."""
        return measured(
            self._suite_of(order), order.split, self.backbone(order), out / FOLDER,
            limit=order.limit, kinds=evidence(order.evidence), progress=progress,
        )  # fmt: skip

    def experiment(self, order: Order) -> Experiment:
        """The parts, loaded. Raises `BenchError` naming what cannot be had."""
        return self.experiment_of(order, self.editor(order))

    def experiment_of(self, order: Order, editor: Editor | EditorIdentity) -> Experiment:
        """The parts of an order with an editor at hand, or with who it is."""
        suite = self._suite_of(order)
        entry = EDITORS.entry(order.editor)
        return Experiment(
            suite=suite,
            split=order.split,
            backbone=self.backbone(order),
            editor=editor,
            protocol=self.protocol(order),
            editor_options=order.options,
            editor_source=entry.source,
            evidence=evidence(order.evidence),
            limit=order.limit,
            seed=order.seed,
        )

    def plan_of(self, order: Order, manifest: Manifest) -> Plan:
        """The plan of a run that has a manifest. No backbone and no editor is loaded for it.

        Raises `BadData` if the suite at hand is not the one that the run began with.
        """
        suite, spec = self._suite_of(order), manifest.spec
        protocol = self.protocol(order)
        if suite.digest != spec.suite_digest:
            raise BadData(f"suite {suite.name} is not the one that the run began with; install that one")
        by_id = {case.id: case for case in suite.cases(order.split)}
        cases = [by_id[id] for id in manifest.selection.cases]
        return Plan(spec, schedule_of(protocol, cases, order.seed), manifest)

    def prepare(self, order: Order, progress: Progress | None = None) -> Artefact | None:
        """Train what the order's editor needs, or find it trained; None for one that learns nothing."""
        return self.trained(order, progress)[1]

    def trained(self, order: Order, progress: Progress | None = None) -> tuple[Editor, Artefact | None]:
        """The order's editor with what it learned, and where that is kept."""
        editor = self.editor(order)
        if not hasattr(editor, "train"):
            return editor, None
        return editor, made_ready(
            editor, self.backbone(order), self._suite_of(order),
            seed=order.seed, artefacts=self._artefacts, progress=progress,
        )  # fmt: skip

    def untrained(self, order: Order) -> bool:
        """Whether the order's editor has something to learn first that is not kept yet."""
        editor: Any = self.editor(order)
        if not hasattr(editor, "train"):
            return False
        cases = self._suite_of(order).cases(TRAIN)
        wanted = spec_of(editor, self.backbone(order), cases, order.seed)
        place = (self._artefacts or default_folder()) / wanted.folder_name
        return not (place / "artefact.json").exists()

    @staticmethod
    def protocol(order: Order) -> EditingProtocol:
        """The protocol with its options."""
        made: EditingProtocol = _made(PROTOCOLS, order.protocol, order.protocol_options)
        return made

    @staticmethod
    def editor(order: Order) -> Editor:
        """The editor with its options; it has learned nothing yet."""
        made: Editor = _made(EDITORS, order.editor, order.options)
        return made

    def blinding(self, order: Order) -> Blinding | None:
        """How an editor in a process of its own is asked; None for an order without a secret."""
        if order.secret is None:
            return None
        suite, key = self._suite_of(order), hmac.digest(read_secret(order.secret), b"asking", "sha256")
        offered = getattr(suite, "decoys", None)
        decoys = decoys_by_query(suite.cases(order.split), offered(order.split)) if offered else None
        return Blinding(key, decoys=decoys)

    def _suite_of(self, order: Order) -> Suite:
        suite = self.suite(order.suite)
        if order.secret:
            if order.split == TRAIN:
                raise BadData(f"split {TRAIN!r} is what editors learn from, and not drawn by a secret")
            suite = self._drawn(suite, order.secret)
        if order.split not in suite.splits:
            raise BadData(
                f"suite {suite.name} has no split {order.split!r}; it has {', '.join(suite.splits)}"
            )
        return suite

    def _drawn(self, suite: Suite, secret: Path) -> Suite:
        """A blind draw, made once."""
        drawn = blind_suite(suite, read_secret(secret))
        return self._draws.setdefault(drawn.digest, drawn)

    def forget_backbone(self) -> None:
        """The next order loads its backbone anew: this one was altered."""
        self._backbone = self._loaded = None

    def suite(self, name: str) -> Suite:
        """A suite, loaded once."""
        if name not in self._suites:
            suite: Suite = _made(SUITES, name, {})
            self._suites[name] = suite
        return self._suites[name]

    def backbone(self, order: Order) -> Backbone:
        """The unedited backbone; another one takes the place of the one kept."""
        loading = tuple(sorted(order.loading.items()))
        wanted = (order.backbone, order.device, order.dtype, order.batch_size, order.threads, loading)
        if self._backbone is None or self._loaded != wanted:
            import torch

            torch.set_num_threads(order.threads)
            self._backbone = None  # the old one's memory is free before the new one is read
            settings: dict[str, Any] = {"device": order.device, "dtype": order.dtype}
            _refuse_unknown(order)
            settings |= {"batch_size": order.batch_size, **order.loading}
            self._backbone = _made(BACKBONES, order.backbone, settings)
            self._loaded = wanted
        return self._backbone.unedited()


def _refuse_unknown(order: Order) -> None:
    """Raise `BenchError` for what the maker of a backbone does not take."""
    if not order.loading:
        return
    known = inspect.signature(BACKBONES.load(order.backbone)).parameters
    if any(own.kind is own.VAR_KEYWORD for own in known.values()):
        return
    if unknown := [name for name in order.loading if name not in known]:
        raise BenchError(
            f"backbone {order.backbone!r} takes no --{unknown[0].replace('_', '-')}: it is loaded in one way "
            "only; leave the option out"
        )


def _made(registry: Registry, name: str, options: Mapping[str, Any]) -> Any:
    """Load what is registered and call it. Its own name must be the registered one.

    A run is recorded under the names its parts give themselves and scored by looking these up.
    """
    factory = registry.load(name)
    try:
        made = factory(**options)
    except TypeError as error:
        raise BenchError(f"{registry.noun} {name!r} does not accept {_shown(options)}: {error}") from error
    if getattr(made, "name", None) != name:
        raise BenchError(
            f"{registry.noun} {name!r} calls itself {getattr(made, 'name', None)!r}; "
            f"{registry.entry(name).distribution} must register it under the name it bears"
        )
    return made


def _shown(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items()) or "a call without options"
