"""The form of a submission: read back as written, and whatever is wrong is named."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mmedit_bench.submissions.fields import FAMILIES, MOST_WHOLE, TRACKS
from mmedit_bench.submissions.form import RULES, Paper, Submission
from mmedit_bench.submissions.limits import MOST_FORM

GOOD: dict[str, Any] = {
    "schema": 1,
    "id": "rank-one",
    "name": "Rank One",
    "editor": "rank-one",
    "track": "edits",
    "family": "fine-tuning",
    "version": "0.10",
    "date": "2026-01-31",
    "authors": ["Ada Someone", "B. Else"],
    "contact": "@ada",
    "licence": "Apache-2.0",
    "paper": {"title": "On ranks", "url": "https://example.org/ranks?v=2#top"},
    "code": None,
    "training_data": [],
    "hyper_parameters": {"lr": 0.05, "steps": 30, "start": "zero", "bias": False, "layers": None},
    "description": "Adds one rank to a weight.",
    "deviations": ["The paper edits six layers, this edits one."],
}


def parse(**changes: Any) -> tuple[Submission | None, list[str]]:
    found, problems = Submission.parse(yaml.safe_dump(GOOD | changes), "s.yaml")
    assert (found is None) == bool(problems)
    return found, [f"{one.code} {one.where}" for one in problems]


def printable(most: int, least: int = 1) -> st.SearchStrategy[str]:
    """Texts as the form keeps them: one line, no white space but single spaces."""
    text = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=most)
    return text.map(lambda t: " ".join(t.split())).filter(
        lambda t: least <= len(t) and t.isprintable() and not t.startswith("TODO")
    )


words = st.from_regex(r"[a-z0-9][a-z0-9-]{0,59}", fullmatch=True)
urls = st.builds(
    "https://{}.org/{}".format,
    st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9/?=&#.%~-]{0,100}", fullmatch=True),
)
scalars = (
    st.none() | st.booleans() | st.integers(-MOST_WHOLE, MOST_WHOLE)
    | st.floats(allow_nan=False, allow_infinity=False) | printable(200, 0)
)  # fmt: skip
submissions = st.builds(
    Submission,
    id=words,
    name=printable(60),
    editor=words,
    track=st.sampled_from(TRACKS),
    family=st.sampled_from(FAMILIES),
    version=st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
    date=st.dates(date(1970, 1, 1)).map(str),
    authors=st.lists(printable(100), min_size=1, max_size=4).map(tuple),
    contact=st.from_regex(r"@[A-Za-z0-9-]{1,30}", fullmatch=True),
    licence=st.sampled_from(("MIT", "Apache-2.0", "LicenseRef-own", "0BSD")),
    paper=st.none() | st.builds(Paper, printable(300), urls),
    code=st.none() | urls,
    training_data=st.lists(printable(300), max_size=3).map(tuple),
    hyper_parameters=st.dictionaries(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,119}", fullmatch=True), scalars, max_size=5
    ),
    description=printable(500, 0),
    deviations=st.lists(printable(1000), max_size=3).map(tuple),
)


@given(submissions)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read_back(submission: Submission) -> None:
    assert Submission.parse(submission.text()) == (submission, [])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["schema", *RULES]) | st.text(max_size=9), anything, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_the_fields_hold_is_named(changes: dict[str, Any]) -> None:
    text = yaml.safe_dump(GOOD | changes)
    found, problems = Submission.parse(text, "s.yaml")
    assert (found is None) == bool(problems)
    assert all(one.where.startswith("s.yaml") and one.text and one.fix for one in problems)
    assert all(str(one).isprintable() for one in problems)


@given(st.text() | st.text("{}[]:-?&*!|>%@`'\"#,\n\t ~=<aA0.\\xuU", max_size=80))
@settings(max_examples=300, deadline=None)
def test_whatever_the_text_is_nothing_is_raised(text: str) -> None:
    found, problems = Submission.parse(text, "s.yaml")
    assert found is None and problems


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000, "{a: " * 2000, "- " * 3000, "? " * 3000, "a: &a [*a]", "a: &a 1\nb: *a",
        "x: !!python/object:os.system {}", "x: !!timestamp soon", "x: !!int twelve", "x: !!float ''",
        "x: !!bool maybe", "x: !!binary '*'", 'x: "\\ud800"', 'x: "\\UFFFFFFFF"', "x: " + "9" * 6000,
        "x: 1\nx: 2", "a: 1\n---\nb: 2", "\x00", "\ud800", "%YAML 9.9\n---\na: 1", "a" * (MOST_FORM + 1),
        "? [a]\n: b", "x: =", "<<: {id: a}", "", "- a", "just words",
    ],
)  # fmt: skip
def test_yaml_that_is_more_than_fields_is_refused(text: str) -> None:
    found, problems = Submission.parse(text, "s.yaml")
    assert found is None and problems


def test_dates_and_versions_need_no_quotes() -> None:
    text = yaml.safe_dump(GOOD).replace("'0.10'", "0.10").replace("'2026-01-31'", "2026-01-31")
    found, _ = Submission.parse(text.replace("name: Rank One", "name: >\n  Rank\n  One\n"))
    assert found and (found.version, found.date, found.name) == ("0.10", "2026-01-31", "Rank One")


BAD: dict[str, list[Any]] = {
    "schema": [None, 2, "1", True, [1]],
    "id": ["", "-a", "A", "a" * 61, "a/b", "../a", "a\u0301", 7.5, None, ["a"]],
    "name": ["", "x" * 61, "a\u202eb", "a\x1bb", {"a": "b"}, None],
    "editor": ["", "a b", "a/b", "x" * 61],
    "track": ["", "Edits", "weights"],
    "family": ["", "magic"],
    "version": ["", "one two", "1" * 41, "-1", "1/2"],
    "date": ["", "yesterday", "2026-13-01", "2026-02-30", "20260131", "2026-01-31T10:00:00"],
    "authors": [[], "Ada", ["x" * 101], [""], ["a"] * 101, [["a"]]],
    "contact": ["", "two words", "=cmd()", "x" * 101],
    "licence": ["", "MIT OR Apache-2.0", "x" * 61],
    "paper": ["https://example.org", {"title": "a"}, {"title": "", "url": "https://a.org"},
              {"title": "x" * 301, "url": "https://a.org"}, {"title": "a", "url": "javascript:alert(1)"},
              {"title": "a", "url": "https://a.org", "x": 1}],
    "code": ["http://example.org", "ftp://a.org", "https://", "https://u:p@a.org/", "https://a.org/ b",
             "https://a.org/" + "b" * 500, "https://a.org/\"><script>", "https://localhost/x", "https://[::1]/",
             "https://a.org\\@b.org", "data:text/html,x", "https://ä.org", ["https://a.org"], "//a.org"],
    "training_data": ["COCO", [""], ["x" * 301], ["a"] * 101],
    "hyper_parameters": [[], "x", {"a": [1]}, {"a": {}}, {"a b": 1}, {"": 1}, {"x" * 121: 1},
                         {"a": float("nan")}, {"a": float("inf")}, {"a": 2**53 + 1}, {"a": "x" * 201},
                         {f"a{n}": 1 for n in range(201)}],
    "description": ["x" * 501, ["a"], "a\x7fb"],
    "deviations": ["none", ["x" * 1001], [""]],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_every_field_has_limits_and_is_named(name: str) -> None:
    for value in BAD[name]:
        found, problems = parse(**{name: value})
        assert found is None
        assert [re.split(r"[.\[]", one.split("#")[1])[0] for one in problems] == [name], value


def test_fields_are_those_of_the_dataclass_and_each_is_needed() -> None:
    assert [own.name for own in fields(Submission)] == list(RULES)
    assert set(BAD) == {"schema", *RULES}
    for name in GOOD:
        text = yaml.safe_dump({key: value for key, value in GOOD.items() if key != name})
        assert [(p.code, p.where) for p in Submission.parse(text, "s.yaml")[1]] == [
            ("missing-field", f"s.yaml#{name}")
        ]


def test_all_problems_are_named_at_once() -> None:
    _, problems = parse(id="A", date="x", colour="red", authors=["Ada", ""])
    assert problems == [
        "unknown-field s.yaml#colour",
        "bad-field s.yaml#id",
        "bad-field s.yaml#date",
        "bad-field s.yaml#authors[1]",
    ]


def test_what_is_still_to_be_written_is_refused() -> None:
    _, problems = parse(authors=["TODO: your name"], code="TODO")
    assert problems == ["placeholder s.yaml#authors", "placeholder s.yaml#code"]


def test_given_values_stand_in_place_of_the_texts() -> None:
    found, _ = Submission.parse(yaml.safe_dump(GOOD | {"track": "TODO"}), given={"track": "code"})
    assert found and found.track == "code"
    _, problems = Submission.parse(yaml.safe_dump(GOOD), given={"track": "no"})
    assert [one.where for one in problems] == ["submission.yaml#track"]
