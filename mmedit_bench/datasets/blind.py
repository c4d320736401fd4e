"""Suites drawn anew by a secret: the same requests, and probes that nobody could prepare for."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mmedit_bench.datasets.suite import Suite
from mmedit_bench.errors import BadData, BenchError, naming
from mmedit_bench.plugins.registry import SUITES

BLIND = "-blind"
"""What the name of a blind draw ends with."""

SHORTEST = 16
"""Bytes of a secret: fewer could be tried one after the other until a commitment fits."""


def commitment(secret: bytes) -> str:
    """sha256 (hex) of a secret: what may be published of it while it is in use."""
    return hashlib.sha256(secret).hexdigest()


def blind_suite(suite: Suite, secret: bytes) -> Suite:
    """The suite with probes drawn by a secret, called `<name>-blind`.

    Requests (ids, targets, pictures) and the training split are those of `suite`; the digest follows
    from the suite and from the secret's commitment. Raises `BenchError` for a suite that cannot be
    drawn anew (it has no method `blind(secret)`), and for a secret of less than `SHORTEST` bytes.
    """
    if len(secret) < SHORTEST:
        raise BenchError(f"a secret of {len(secret)} bytes can be guessed; {HOW}")
    draw: Any = getattr(suite, "blind", None)
    if draw is None:
        raise BenchError(
            f"suite {suite.name} has no blind draw: it offers no blind(secret); run it without a secret"
        )
    made: Suite = draw(secret)
    return made


HOW = f"take at least {SHORTEST} random ones: (umask 077; openssl rand -hex {SHORTEST} > FILE)"


def read_secret(path: Path) -> bytes:
    """The secret in a file of hexadecimal digits. Raises `BenchError` naming the file."""
    with naming(path):
        data = path.read_bytes()
    try:
        secret = bytes.fromhex(data[:4096].decode("ascii").strip())
    except ValueError:  # its text is not repeated: it may be a secret all the same
        raise BenchError(f"{path}: a secret is a line of hexadecimal digits; {HOW}") from None
    if len(secret) < SHORTEST:
        raise BenchError(f"{path}: a secret of {len(secret)} bytes can be guessed; {HOW}")
    return secret


def suite_named(name: str, digest: str, secret: bytes | None) -> Suite:
    """The suite that a run names by `name` and `digest`; a blind draw is made anew with the secret.

    Raises `BenchError` for a blind draw without its secret or with another one.
    """
    public = name.removesuffix(BLIND)
    if public == name or name in SUITES.names():
        suite: Suite = SUITES.load(name)()
        return suite
    if secret is None:
        raise BenchError(f"suite {name} is drawn by a secret; name the file that holds it: --secret FILE")
    drawn = blind_suite(SUITES.load(public)(), secret)
    if drawn.digest != digest:
        raise BadData(
            f"suite {name}: the run's draw has the digest {digest[:12]}, that of the secret at hand "
            f"{drawn.digest[:12]}; give --secret the file that the run was made with, and install the data "
            "that it was made on"
        )
    return drawn
