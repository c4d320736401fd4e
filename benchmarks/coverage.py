"""How often an interval over few clusters leaves out 0 where there is nothing: a plain one, and those used.

    python benchmarks/coverage.py [--tries 3000]

Each try draws one normal difference per cluster, of mean 0, and takes its interval between the plain
percentiles and between those of `mmedit_bench.scoring.tails`. At 95 % it should be 5 in a hundred.
"""

from __future__ import annotations

import argparse

import numpy as np

from mmedit_bench.scoring.intervals import resample_counts
from mmedit_bench.scoring.tails import left_out

CLUSTERS = (5, 6, 8, 10, 20, 50)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tries", type=int, default=3000)
    tries: int = parser.parse_args().tries
    random = np.random.default_rng(0)
    print(f"| clusters | plain, % | as used, % |  ({tries} tries)\n|---:|---:|---:|")
    for clusters in CLUSTERS:
        means = resample_counts(clusters) @ random.normal(size=(clusters, tries)) / clusters
        apart = [_leaving_out_0(means, out) for out in (2.5, left_out(clusters))]
        print(f"| {clusters} | {apart[0]:.1f} | {apart[1]:.1f} |")


def _leaving_out_0(means: np.ndarray, out: float) -> float:
    """Percent of the columns of [resamples, tries] whose percentiles are on one side of 0."""
    low, high = np.percentile(means, [out, 100 - out], axis=0)
    return 100 * float(((low > 0) | (high < 0)).mean())


if __name__ == "__main__":
    main()
