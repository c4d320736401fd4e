from mmedit_bench.protocols.one_step import OneStep
from mmedit_bench.protocols.steps import Apply, Ask, Restore, Unit
from tests.fakes.suite import FakeSuite


def test_each_case_is_applied_asked_and_restored() -> None:
    cases = FakeSuite().cases("test")
    units = list(OneStep().units(cases, seed=0))
    assert units == [Unit(case.id, (Apply(case.request), Ask(case), Restore())) for case in cases]
    assert [unit.asks for unit in units] == [((1, Ask(case)),) for case in cases]


def test_the_seed_plays_no_part() -> None:
    cases = FakeSuite().cases("test")
    assert list(OneStep().units(cases, 0)) == list(OneStep().units(cases, 1))


def test_no_cases_no_units() -> None:
    assert list(OneStep().units((), 0)) == []
