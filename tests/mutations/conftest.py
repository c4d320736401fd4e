"""Mutants are applied on request: `pytest -m mutations`, or `tox -e mutations`."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect them unless the expression of `-m` names them: each runs tests of its own, in minutes.

    Not by `addopts`, which a further `-m 'not slow'` would take the place of.
    """
    if "mutations" in config.option.markexpr:
        return
    applied = [item for item in items if item.get_closest_marker("mutations")]
    if applied:
        config.hook.pytest_deselected(items=applied)
        items[:] = [item for item in items if item not in applied]
