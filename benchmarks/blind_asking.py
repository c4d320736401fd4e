"""What blind asking costs: queries and bytes that cross to an editor's process, with it and without.

    python benchmarks/blind_asking.py --suite picturebook-vqa

The cases of the evaluation split are asked one after the other, as in one-step editing. No backbone
and no editor takes part: how long a route takes over a query is its own affair.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from typing import Any

from mmedit_bench.cases import Query
from mmedit_bench.datasets.blind import blind_suite
from mmedit_bench.execution.blinding import Blinding, Mixture, decoys_by_query
from mmedit_bench.plugins.registry import SUITES


def nbytes(queries: list[Query]) -> int:
    """Prompts, and each picture once."""
    pictures = {query.image.digest: query.image for query in queries if query.image}
    prompts = sum(len(query.prompt.encode()) for query in queries)
    return prompts + sum(len(image.bytes()) for image in pictures.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--suite", default="picturebook-vqa")
    parser.add_argument("--keep", type=int, default=4, help="earlier edits that are asked beside the latest")
    given = parser.parse_args()
    secret = hashlib.sha256(b"blind_asking").digest()
    suite: Any = blind_suite(SUITES.load(given.suite)(), secret)
    cases = suite.cases("evaluation")
    blinding = Blinding(
        secret, keep=given.keep, decoys=decoys_by_query(cases, suite.decoys("evaluation"))
    )  # fmt: skip
    plain, blind, bytes_plain, bytes_blind, edits = [], [], [], [], []
    seconds = 0.0
    for handle, case in enumerate(cases):
        queries = [probe.query for probe in case.probes]
        started = time.process_time()
        mixture: Mixture[str] = blinding.mixed(((handle, 0),), queries)
        seconds += time.process_time() - started
        plain.append(len(queries))
        blind.append(len(mixture.asked))
        edits.append(len({places for places, _ in mixture.asked}))
        bytes_plain.append(nbytes(queries))
        bytes_blind.append(nbytes([query for _, query in mixture.asked]))
    n = len(cases)
    print(f"{suite.name}: {n} asks, {given.keep} earlier edits kept")
    print(
        f"queries per ask: {sum(plain) / n:.1f} plain, {sum(blind) / n:.1f} blind ({min(blind)}-{max(blind)})"
    )
    print(f"edits per ask: 1 plain, {sum(edits) / n:.1f} blind")
    print(
        f"kilobytes per ask: {sum(bytes_plain) / n / 1e3:.1f} plain, {sum(bytes_blind) / n / 1e3:.1f} blind"
    )
    print(f"processor milliseconds to mix an ask: {1e3 * seconds / n:.2f}")


if __name__ == "__main__":
    main()
