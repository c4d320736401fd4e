"""Settings of the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

# Under tox the same examples are tried every time, so that a red run is about the change; plain
# `pytest` draws new ones.
settings.register_profile("repeatable", derandomize=True)
if os.environ.get("TOX_ENV_NAME"):
    settings.load_profile("repeatable")
