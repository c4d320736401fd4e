"""A page with places for tables that a program writes: between two marks, each with the table's name."""

from __future__ import annotations

import re


def put_between_marks(text: str, kind: str, name: str, table: str) -> str:
    """The page with the table in the place that is marked for it, `<!-- KIND NAME -->` to `<!-- /KIND -->`.

    Exits with the marks to put there if the page has no such place.
    """
    begin, end = f"<!-- {kind} {name} -->", f"<!-- /{kind} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"the page has no place for {name}; put {begin} and {end} there")
    return pattern.sub(lambda _: f"{begin}\n\n{table}\n\n{end}", text, count=1)


def names_of(text: str, kind: str) -> list[str]:
    """The names of all tables of a kind that a page has places for, in its order."""
    return re.findall(f"<!-- {kind} ([\\w-]+) -->", text)
