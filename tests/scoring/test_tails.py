import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.scoring.intervals import estimates
from mmedit_bench.scoring.tails import left_out, student

PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 9: 2.262, 30: 2.042, 120: 1.980, 1000: 1.962}
"""Of Student's t, two-sided at 95 %, as tables have it."""


@pytest.mark.parametrize(("freedom", "printed"), PRINTED.items())
def test_students_quantile_is_the_tables(freedom: int, printed: float) -> None:
    assert student(freedom) == pytest.approx(printed, abs=6e-4)


@given(st.integers(1, 60))
def test_students_density_holds_95_percent_within_it(freedom: int) -> None:
    """The closed form against the area under the density."""
    reach = student(freedom)
    t = np.linspace(-reach, reach, 20_001)
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(scale) * (1 + t**2 / freedom) ** (-(freedom + 1) / 2)
    area = float(((density[1:] + density[:-1]) / 2 * np.diff(t)).sum())
    assert area == pytest.approx(0.95, abs=1e-5)


@given(st.integers(3, 3000))
def test_more_clusters_leave_more_out_and_never_what_a_normal_distribution_would(clusters: int) -> None:
    assert left_out(clusters - 1) < left_out(clusters) < 2.5


def test_of_many_clusters_it_is_the_plain_interval() -> None:
    assert left_out(100_000) == pytest.approx(2.5, abs=1e-3)
    with pytest.raises(ValueError, match="1 clusters have no interval"):
        left_out(1)


@pytest.mark.parametrize(("clusters", "most"), [(5, 0.10), (6, 0.08), (8, 0.08), (20, 0.07)])
def test_of_no_effect_few_intervals_leave_out_0(clusters: int, most: float) -> None:
    """The plain percentiles leave it out in 16, 14, 12 and 7 of a hundred."""
    rng = np.random.default_rng(3)
    names, apart, tries = [f"s{number}" for number in range(clusters)], 0, 800
    for _ in range(tries):
        one = estimates(rng.normal(size=(clusters, 1)), names, ["a"], {})["a"]
        assert one is not None and one.low is not None and one.high is not None
        apart += one.low > 0 or one.high < 0
    assert 0.02 < apart / tries < most
