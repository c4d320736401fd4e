"""YAML of a stranger as a tree of texts: no object, no alias, no key that stands twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from mmedit_bench.submissions.limits import MOST_FORM
from mmedit_bench.submissions.problems import Problem

_PLAIN = "tag:yaml.org,2002:"
_SCALARS = frozenset(_PLAIN + name for name in ("str", "null", "bool", "int", "float", "timestamp"))
_MOST_DEEP = 8


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is neither a list nor a mapping."""

    text: str
    """As it is written, its white space run together: what `2026-01-31` and `0.10` say as texts."""
    value: str | int | float | bool | None
    """What YAML takes it for; a date is a text."""


Tree = Scalar | list["Tree"] | dict[str, "Tree"]


def read(text: str | bytes, where: str) -> tuple[dict[str, Tree] | None, list[Problem]]:
    """The mapping that a document holds; None, with the reason, if it cannot be had. Never raises."""
    if len(text) > MOST_FORM:
        return None, [_problem("too-large", where, f"it has more than {MOST_FORM} bytes", "shorten it")]
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = None if node is None else _tree(node, set(), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}" if mark else where
        return None, [_problem("yaml", place, f"it is not YAML ({error.problem})", "mend it")]
    except _Refused as error:
        return None, [_problem("yaml", f"{where}:{error.line}", error.text, error.fix)]
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # a character that no text holds, an escape beyond Unicode, brackets in brackets
        said = " ".join(str(error).split())[:200]
        return None, [_problem("yaml", where, f"it is not YAML ({type(error).__name__}: {said})", "mend it")]
    if not isinstance(found, dict):
        return None, [_problem("yaml", where, "it holds no mapping of fields", "write `field: value` lines")]
    return found, []


def plain(tree: Tree) -> Any:
    """The same as lists, mappings and values."""
    if isinstance(tree, list):
        return [plain(item) for item in tree]
    if isinstance(tree, dict):
        return {key: plain(item) for key, item in tree.items()}
    return tree.value


def texts(tree: Tree) -> Iterator[str]:
    """All texts in it that are values."""
    if isinstance(tree, Scalar):
        yield tree.text
    else:
        for item in tree if isinstance(tree, list) else tree.values():
            yield from texts(item)


class _Refused(Exception):
    """YAML that says more than fields and values."""

    def __init__(self, node: yaml.Node, text: str, fix: str) -> None:
        self.line, self.text, self.fix = node.start_mark.line + 1, text, fix
        super().__init__(text)


def _tree(node: yaml.Node, seen: set[int], depth: int) -> Tree:
    if id(node) in seen:
        raise _Refused(node, "it refers to another place by an alias", "write the value out")
    seen.add(id(node))
    if depth > _MOST_DEEP:
        raise _Refused(node, "it is nested too deeply", "write fields with values")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
    if node.tag != _PLAIN + kind:
        raise _Refused(node, f"the tag {node.tag[:60]!r} asks for an object", "write plain values")
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, seen, depth + 1) for item in node.value]
    found: dict[str, Tree] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Refused(key, "a field's name is no text", "name fields with words")
        if key.value in found:
            raise _Refused(key, f"the field {key.value[:60]!r} stands twice", "remove one of them")
        found[key.value] = _tree(item, seen, depth + 1)
    return found


def _scalar(node: yaml.ScalarNode) -> Scalar:
    text = " ".join(node.value.split())
    if node.tag not in _SCALARS:
        raise _Refused(node, f"{text[:60]!r} asks for an object ({node.tag[:60]})", "put it in quotes")
    maker = yaml.constructor.SafeConstructor()
    makers: dict[str, Any] = {
        "null": maker.construct_yaml_null,
        "bool": maker.construct_yaml_bool,
        "int": maker.construct_yaml_int,
        "float": maker.construct_yaml_float,
    }
    made = makers.get(node.tag.removeprefix(_PLAIN))
    try:
        return Scalar(text, made(node) if made else text)
    except (ValueError, KeyError, IndexError, OverflowError):  # `!!int twelve`, or 5,000 digits
        raise _Refused(
            node, f"{text[:60]!r} is no {node.tag.removeprefix(_PLAIN)}", "put it in quotes"
        ) from None


def _problem(code: str, where: str, text: str, fix: str) -> Problem:
    return Problem(code, where, text, fix)
