"""Texts of strangers, where a terminal, a spreadsheet, a browser or LaTeX would obey them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment

from leaderboard.build import write_site
from mmedit_bench.rendering import latex, markdown
from mmedit_bench.rendering.escaping import cell, isolated, shown, shown_json, shown_line
from mmedit_bench.rendering.report import FORMATS, render
from mmedit_bench.scoring.score import score_run
from tests.leaderboard.fake import EDITORS, FakeSuite, fake_run

TURNS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
WILD = st.text(
    st.one_of(st.sampled_from("\x1b\x07\r\n\t\x9b\x7f\0ab=+-@`'\\[]*_$&~,'\"|<>אب" + TURNS), st.characters())
)
"""Any text, half of it of characters that somebody obeys; lone surrogates too."""


def obeyed(text: str, but: str = "\n\t") -> list[str]:
    """Control characters and marks that turn the direction, among those that are not allowed."""
    return [c for c in text if c not in but and (unicodedata.category(c) in ("Cc", "Cs") or c in TURNS)]


@given(WILD)
@example("\x1b]0;title\x07 \x9b31m \u202egnp.exe")
def test_a_terminal_is_told_nothing(text: str) -> None:
    assert not obeyed(shown(text))
    assert shown(shown(text)) == shown(text)
    assert not obeyed(shown_line(text), but="") and shown_line(text) == shown_line(text).strip()
    shown(text).encode()
    plain = "".join(c for c in text if not obeyed(c) and unicodedata.category(c) not in ("Cf", "Zl", "Zp"))
    assert shown(plain) == plain  # and what is harmless is left alone


@given(st.recursive(WILD, lambda inner: st.lists(inner) | st.dictionaries(WILD, inner), max_leaves=5))
def test_json_on_a_terminal_says_the_same(value: object) -> None:
    text = shown_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert not obeyed(text)
    assert json.loads(text) == json.loads(json.dumps(value))


@given(WILD)
@example("=1+1")
@example("-2+3+cmd|' /C calc'!A0")
@example("＝1")
def test_no_cell_is_a_formula(text: str) -> None:
    found = cell(text)
    assert isinstance(found, str) and found.removeprefix("'") == text.removeprefix("'")
    begin = found[:1]
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", found)
    assert number or begin not in tuple("=+-@\t\r\n＝＋－＠")


@given(st.one_of(st.floats(), st.integers(), st.none()))
def test_numbers_stay_numbers(value: object) -> None:
    assert cell(value) is value
    assert cell("-1.5") == "-1.5" and cell("+3e-4") == "+3e-4" and cell("-1.5x") == "'-1.5x"


def levels(text: str) -> list[tuple[int, bool]]:
    """How many isolates and embeddings are open at each place of a line (UAX 9, X2 to X7)."""
    found: list[tuple[int, bool]] = []
    stack: list[str] = []
    for char in text:
        if char in "\u2066\u2067\u2068":
            stack.append("isolate")
        elif char in "\u202a\u202b\u202d\u202e":
            stack.append("embedding")
        elif char == "\u2069" and "isolate" in stack:
            while stack.pop() != "isolate":
                pass
        elif char == "\u202c" and stack and stack[-1] == "embedding":
            stack.pop()
        found.append((len(stack), "isolate" in stack))
    return found


@given(WILD)
@example("\u2069\u202eevil\u2067")
@example("\u202e\u2069\u202c\u2068")
def test_html_keeps_a_text_within_its_bounds(text: str) -> None:
    for line in isolated(text).split("\n"):
        assert not obeyed(line, but="\t" + TURNS)
        if line and (
            set(line) & set(TURNS) or any(unicodedata.bidirectional(c) in ("R", "AL") for c in line)
        ):
            inside = levels(line)
            assert line[0] == "\u2068" and line[-1] == "\u2069"
            assert all(isolate for _, isolate in inside[:-1]) and inside[-1] == (0, False)


@given(st.text(st.characters(max_codepoint=0x17F, exclude_categories=("Cc", "Cf"))))
def test_what_turns_nothing_is_left_alone_in_html(text: str) -> None:
    assert isolated(text) == text
    assert isolated("caf\u05d0") == "\u2068caf\u05d0\u2069"


UNSET = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", r"\textquotedbl{}": '"', r"\textasciigrave{}": "`",
    r"$\pm$": "±", "{[}": "[", "{*}": "*", "{}": "", **{"\\" + c: c for c in "&%$#_{}"},
}  # fmt: skip


@given(WILD)
@example("[1ex] \\\\ --- ,, '' ?`")
@example("*")
def test_latex_sets_every_character_and_obeys_none(text: str) -> None:
    found = latex.escaped(text)
    names = "|".join(re.escape(name) for name in sorted(UNSET, key=len, reverse=True))
    rest = re.sub(names, "", found)
    assert not set(rest) & set('\\{}$&#^_~%"`<>|±')
    assert not re.match(r"[\[*]", found)
    assert not re.search(r"--|,,|''", latex.escaped(text.replace("–", "")))  # itself set as two hyphens
    back = re.sub(names, lambda match: UNSET[match[0]], found)
    assert back == shown_line(text).replace("–", "--")


@given(WILD)
def test_markdown_obeys_none(text: str) -> None:
    found = markdown.escaped(text)
    assert not obeyed(found, but="") and not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|#&~$]", found)
    assert re.sub(r"\\([\\`*_\[\]<>|#&~$])", r"\1", found) == shown_line(text)


NASTY = "=cmd()\x1b[31m\u202eevil"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_of_a_report(folder: Path, form: str) -> None:
    suite = FakeSuite(count=6)
    found = score_run(fake_run(folder, suite, EDITORS[0]), suite)
    families = {
        name: dataclasses.replace(
            family,
            overall={
                k: dataclasses.replace(c, value=None, low=None, high=None, reason=NASTY)
                for k, c in family.overall.items()
            },
        )
        for name, family in found.families.items()
    }
    text = render([dataclasses.replace(found, families=families)], form=form)
    if form != "csv":  # whose file may hold anything; on a terminal it is shown as all else is
        assert not obeyed(text)
        return
    reasons = {row["reason"] for row in csv.DictReader(io.StringIO(text))}
    assert f"'{NASTY}" in reasons and NASTY not in reasons


def test_the_page_keeps_names_within_their_bounds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = FakeSuite(count=6)
    run = fake_run(folder / "page", suite, EDITORS[0])
    original = Environment.get_template

    def with_nasty(self: Environment, name: str, *args: object, **more: object) -> object:
        template = original(self, name, *args, **more)
        assert self.from_string("{{ x }}|<i title='{{ x }}'>").render(x=NASTY + "<b>").count("\u2068") == 2
        assert "\x1b" not in self.from_string("{{ x }}").render(x=NASTY)
        return template

    monkeypatch.setattr(Environment, "get_template", with_nasty)
    page = write_site([run], folder / "site", suites=lambda name: suite)
    assert not obeyed(page.read_text())
