"""Settings of the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

# Under tox the same examples are tried every time, so that a red run is about the change; plain
# `pytest` draws new ones. Nor is it about how busy the machine was while one of them was tried.
settings.register_profile("repeatable", derandomize=True, deadline=None)
if os.environ.get("TOX_ENV_NAME"):
    settings.load_profile("repeatable")
