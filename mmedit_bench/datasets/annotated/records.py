"""Annotation files: JSON arrays of records, read one by one, and checked."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from mmedit_bench.errors import BadData, naming

BLOCK = 1 << 16
LONGEST = 1 << 20
"""Characters that a record may take."""

TEXTS = ("src", "pred", "alt", "rephrase", "loc", "loc_ans", "m_loc_q", "m_loc_a")
PICTURES = ("image", "image_rephrase", "m_loc")
_SPACE = " \t\r\n\ufeff"


@dataclass(frozen=True, slots=True)
class Source:
    """One annotation file. `sha256` (hex) and `count` are pinned where the published file was at hand."""

    file: str
    sha256: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A question whose answer follows from the edit by way of `hops` further facts."""

    hops: int
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Record:
    """One record, its fields under their own names; see `docs/data.md` for what they mean."""

    number: int
    """Its place in the file, from 0."""
    src: str
    pred: str
    alt: str
    rephrase: str
    image: str
    image_rephrase: str
    loc: str
    loc_ans: str
    m_loc: str
    m_loc_q: str
    m_loc_a: str
    hops: tuple[Hop, ...] = ()
    fact: tuple[str, str] | None = None
    """Question and answer of the fact that the hop needs, in words only."""


def read_records(path: Path, source: Source) -> tuple[Record, ...]:
    """All records of a file, read once as long as it stays. Raises `BadData` as `records` does."""
    check_pinned(path, source)
    return _read(path, source, digest_of(path))


@lru_cache(maxsize=16)
def _read(path: Path, source: Source, digest: str) -> tuple[Record, ...]:
    return tuple(records(path, source))


def records(path: Path, source: Source) -> Iterator[Record]:
    """The records of a file, one at a time.

    Raises `BadData` naming file, record and field; for a pinned file of another digest at once.
    """
    check_pinned(path, source)
    count = 0
    for count, value in enumerate(stream(path), start=1):
        yield parse(value, f"{path}: record {count - 1}", count - 1)
    if source.count not in (None, count):
        raise BadData(f"{path}: {count} records, expected {source.count}; fetch the file again")


def check_pinned(path: Path, source: Source) -> None:
    """Raises `BadData` unless the file is there and is the pinned one."""
    if not path.is_file():
        raise BadData(f"{path}: there is no such file; check MMEDIT_BENCH_DATA or --root")
    if source.sha256 and (found := digest_of(path)) != source.sha256:
        raise BadData(
            f"{path}: sha256 {found}, expected {source.sha256}: not the published file; fetch it again"
        )


def digest_of(path: Path) -> str:
    """sha256 (hex) of a file, read again only after it has changed."""
    with naming(path):
        state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    with naming(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stream(path: Path, block: int = BLOCK) -> Iterator[Any]:
    """The objects of a JSON array; no more than one of them and a block of the file are held.

    Raises `BadData` naming the file and the place.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
    text, number, begun, ended = "", 0, False, False
    for piece in _pieces(path, block):
        text += piece
        if not begun:
            text = text.lstrip(_SPACE)
            if not text:
                continue
            if text[0] != "[":
                raise BadData(f"{path}: not a JSON array of records")
            text, begun = text[1:], True
        while True:
            text = text.lstrip(_SPACE)
            if number and text.startswith(",") and not ended:
                rest = text[1:].lstrip(_SPACE)
                if not rest:
                    break
                if rest[0] != "{":
                    raise BadData(f"{path}: record {number} is no object")
            elif text.startswith("]") and not ended:
                ended, text = True, text[1:]
                continue
            elif not text:
                break
            elif number or ended or text[0] != "{":
                raise BadData(f"{path}: after record {number - 1}: neither a further record nor the end")
            else:
                rest = text
            try:
                value, end = decoder.raw_decode(rest)
            except json.JSONDecodeError as error:
                if len(rest) > LONGEST:
                    raise BadData(f"{path}: record {number} is not JSON: {error}") from None
                break  # perhaps the rest of it is in the next block
            except (ValueError, RecursionError) as error:
                raise BadData(f"{path}: record {number}: {error}") from None
            yield value
            number, text = number + 1, rest[end:]
    if not ended or text.strip(_SPACE):
        raise BadData(f"{path}: breaks off in record {number}, or is not JSON there; fetch it again")


def _pieces(path: Path, block: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with naming(path), path.open("rb") as file:
            while data := file.read(block):
                yield decoder.decode(data)
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BadData(f"{path}: not UTF-8 ({error.reason}); fetch it again") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def parse(value: Any, where: str, number: int) -> Record:
    """A record from its JSON value. Raises `BadData` naming the record and the field."""
    if not isinstance(value, Mapping):
        raise BadData(f"{where} is no object")
    fields: dict[str, Any] = {name: _text(value, name, where) for name in (*TEXTS, *PICTURES)}
    for name in PICTURES:
        parts = PurePosixPath(fields[name])
        if parts.is_absolute() or ".." in parts.parts or "\\" in fields[name] or "\0" in fields[name]:
            raise BadData(f"{where}: field {name!r} is {fields[name]!r}, not a path below a root")
    hops, fact = _portability(value.get("port_new", ()), where)
    return Record(number, hops=hops, fact=fact, **fields)


def _text(value: Mapping[str, Any], name: str, where: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise BadData(f"{where}: field {name!r} is {text!r}; it must be a text that says something")
    return text


def _portability(value: Any, where: str) -> tuple[tuple[Hop, ...], tuple[str, str] | None]:
    """The two forms of `port_new`: one hop with the fact it needs, or questions of one to four hops."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        raise BadData(f"{where}: field 'port_new' must be a list of objects")
    hops: list[Hop] = []
    fact = None
    for item in value:
        if "port_q" in item:
            hops.append(Hop(1, _text(item, "port_q", where), _text(item, "port_a", where)))
            fact = (_text(item, "port_edit_q", where), _text(item, "port_edit_a", where))
            continue
        kind, asked = item.get("port_type"), item.get("Q&A")
        if kind not in ("1-hop", "2-hop", "3-hop", "4-hop") or not isinstance(asked, Mapping):
            raise BadData(f"{where}: an item of 'port_new' has neither port_q nor port_type and Q&A")
        hops.append(Hop(int(kind[0]), _text(asked, "Question", where), _text(asked, "Answer", where)))
    return tuple(hops), fact
