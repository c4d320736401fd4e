import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmedit_bench.errors import BadData, BadRecord, BenchError, Collision
from mmedit_bench.runs.evidence import Reading
from mmedit_bench.scoring import metrics
from mmedit_bench.scoring.families import families, family_named, legacy_families
from mmedit_bench.scoring.metrics import METRICS, Metric, Seen
from tests.distributions import write_metadata

EOS = 2
IDS = st.lists(st.integers(3, 9), min_size=1, max_size=6).map(lambda ids: [*ids, EOS])


def test_generation() -> None:
    assert metrics.generation_exact("The tangerine.", "tangerine") == 1
    assert metrics.generation_exact("tangerine tree", "tangerine") == 0
    assert metrics.generation_same("Two", "2") == 1
    assert metrics.generation_same("", "two") == 0


def test_the_end_token_counts_in_exact_only() -> None:
    target, goes_on = [5, 6, EOS], [5, 6, 7]
    assert metrics.teacher_forced_token(goes_on, target) == 1
    assert metrics.teacher_forced_exact(goes_on, target) == 0
    assert metrics.agreement_top1(goes_on, target) == 1
    assert metrics.agreement_exact(goes_on, target) == 0


def test_share_of_tokens() -> None:
    assert metrics.teacher_forced_token([5, 9, 9, 8, EOS], [5, 6, 7, 8, EOS]) == 0.5
    assert metrics.agreement_top1([5, 9, 9, 8, EOS], [5, 6, 7, 8, EOS]) == 0.5


@pytest.mark.parametrize(
    "metric",
    [
        metrics.teacher_forced_token,
        metrics.teacher_forced_exact,
        metrics.agreement_top1,
        metrics.agreement_exact,
    ],
)
def test_positions_must_match(metric) -> None:
    with pytest.raises(BadRecord, match="same positions"):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(BadRecord, match="fewer than two"):
        metric([EOS], [EOS])


@given(IDS, st.data())
def test_bounds_and_order(target: list[int], data: st.DataObject) -> None:
    argmax = data.draw(st.lists(st.integers(2, 9), min_size=len(target), max_size=len(target)))
    token = metrics.teacher_forced_token(argmax, target)
    exact = metrics.teacher_forced_exact(argmax, target)
    assert 0 <= exact <= token <= 1
    assert metrics.teacher_forced_exact(target, target) == metrics.teacher_forced_token(target, target) == 1
    assert metrics.agreement_top1(argmax, target) == metrics.agreement_top1(target, argmax)


def seen(edited: Reading, before: Reading | None = None) -> Seen:
    return Seen("reliability", "tangerine", (5, 6, EOS), edited, before or Reading("a kiwi", (5, 9, EOS)))


def test_each_metric_reads_its_own_evidence() -> None:
    """Against the definitions, written out: what is said, the reference's tokens, the tokens before."""
    edited = Reading("The tangerine.", (5, 6, 7))
    by_label = {metric.label: metric.of(seen(edited)) for metric in METRICS}
    assert by_label == {
        "generation_exact": 1.0,
        "generation_same": 0.0,
        "teacher_forced_token": 1.0,
        "teacher_forced_exact": 0.0,
        "agreement_top1": 0.5,
        "agreement_exact": 0.0,
    }


def test_a_text_alone_has_no_reading_under_teacher_forcing() -> None:
    by_label = {metric.label: metric.of(seen(Reading("tangerine"))) for metric in METRICS}
    assert {label for label, value in by_label.items() if value is None} == {
        "teacher_forced_token", "teacher_forced_exact", "agreement_top1", "agreement_exact",
    }  # fmt: skip


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), 37])
def test_a_value_that_is_no_share_is_refused(value: float) -> None:
    metric = Metric("odd", ("answer",), "change", "odd", "odd", lambda seen: value)
    with pytest.raises(BadData, match="odd gives"):
        metric.of(seen(Reading("x")))


def test_a_metric_says_what_exists() -> None:
    with pytest.raises(BadData, match="no evidence 'smell'"):
        Metric("odd", ("smell",), "change", "odd", "odd", lambda seen: 0.0)
    with pytest.raises(BadData, match="not change or keep"):
        Metric("odd", (), "both", "odd", "odd", lambda seen: 0.0)  # type: ignore[arg-type]


def test_families_are_what_the_metrics_say() -> None:
    own = [name for name, family in families().items() if not family.legacy]
    assert own == ["generation", "teacher_forced_exact", "teacher_forced_token"]
    assert list(families())[:3] == own
    own = family_named("teacher_forced_token")
    assert (own.change, own.keep) == ("teacher_forced_token", "agreement_top1")
    assert own.needs == ("argmax",)
    assert own.label("image_locality") == "agreement_top1" and own.label("portability") == own.change


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path for distributions with metrics of their own."""
    monkeypatch.syspath_prepend(tmp_path)
    for known in (families, legacy_families):
        known.cache_clear()
    yield tmp_path
    for known in (families, legacy_families):
        known.cache_clear()


def offer(site: Path, name: str, code: str) -> None:
    sys.modules.pop(f"{name}_metrics", None)  # of another test's folder
    head = "from mmedit_bench.scoring.metrics import Metric\n"
    (site / f"{name}_metrics.py").write_text(head + code)
    write_metadata(site, name, "1.0", {"mmedit_bench.metrics": {name: f"{name}_metrics:OFFER"}})


def metric(label: str, side: str, family: str = "length") -> str:
    return f"Metric({label!r}, ('answer',), {side!r}, {family!r}, 'length of the answer', lambda seen: 1.0)"


def test_another_distribution_adds_a_family(site: Path) -> None:
    offer(site, "acme", f"OFFER = [{metric('shorter', 'change')}, {metric('as_long', 'keep')}]")
    assert next(iter(families())) == "generation" and family_named("length").keep == "as_long"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (f"[{metric('generation_exact', 'change')}]", Collision, "'generation_exact' is registered twice"),
        (f"[{metric('other', 'keep', 'generation')}]", Collision, "two metrics of the side keep"),
        (f"[{metric('shorter', 'change')}]", BenchError, "a metric for each side"),
        ("['shorter']", BenchError, "is no Metric"),
        ("1 / 0", BenchError, "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_offered(site: Path, code: str, error: type[BenchError], message: str) -> None:
    offer(site, "zacme", f"OFFER = {code}")
    with pytest.raises(error, match=message):
        families()


def test_the_names_of_families_cost_no_torch() -> None:
    code = (
        "import sys; from mmedit_bench.scoring.families import families; families()\n"
        "assert not {'torch', 'numpy', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_metrics_in_the_document_measure() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
    code = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, tuple[Metric, ...]] = {}
    exec(code[1], names)
    one = seen(Reading("tangerine tree"))
    assert [metric.of(one) for metric in names["METRICS"]] == [1.0, 0.0]
