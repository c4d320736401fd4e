"""Downloading a large file of known digest, however often the line breaks, and taking pictures out of it."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmedit_bench.errors import BadData, naming

Progress = Callable[[str, int, int], None]

BLOCK = 1 << 20
IDLE = 60.0
"""Seconds without a byte after which a connection counts as broken."""
ATTEMPTS = 8
"""Connections in a row that may bring nothing."""
LARGEST_PICTURE = 64 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """A file somewhere on the network; `size` in bytes."""

    url: str
    sha256: str
    size: int


# Size and digest as in TensorFlow Datasets' table of checksums for COCO.
COCO_VAL2014 = Archive(
    "http://images.cocodataset.org/zips/val2014.zip",
    "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
    6_645_013_297,
)


def download(archive: Archive, target: Path, *, progress: Progress | None = None, wait: float = 1.0) -> Path:
    """Have `archive` stand at `target`, whole and checked, or not at all.

    What is there of it in `target` with the suffix .part is gone on from. A server that does not know
    ranges is begun with anew. `wait` seconds, doubled each time, lie between attempts that brought
    nothing. Raises `BadData` for another digest or size and for a server that refuses or stays away.
    """
    tell = progress or (lambda phase, done, total: None)
    if target.is_file() and target.stat().st_size == archive.size and _sha256(target, tell) == archive.sha256:
        return target
    part = target.with_name(f"{target.name}.part")
    with naming(part):
        target.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    _room(part, archive)
    barren, best = 0, part.stat().st_size
    while part.stat().st_size < archive.size:
        try:
            _go_on(archive, part, tell)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                raise BadData(f"{archive.url}: the server says {error.code} {error.reason}") from None
            if error.code == 416:  # it has fewer bytes than are here: another file
                _empty(part)
            problem = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
        else:
            problem = "the connection ended early"
        # a server that begins anew each time brings something, and gets nowhere
        barren = 0 if part.stat().st_size > best else barren + 1
        best = max(best, part.stat().st_size)
        if barren == ATTEMPTS:
            raise BadData(
                f"{archive.url}: {problem}, {ATTEMPTS} times in a row; {part} is kept, "
                "and the same command goes on from there"
            )
        if part.stat().st_size < archive.size:
            time.sleep(wait * 2 ** min(barren, 5) if barren else 0)
    size, found = part.stat().st_size, _sha256(part, tell)
    if size != archive.size or found != archive.sha256:
        with naming(part):
            part.unlink()
        raise BadData(
            f"{archive.url}: {size} bytes of sha256 {found}, expected {archive.size} of {archive.sha256}; "
            "what was downloaded is removed, try again or name a mirror with --url"
        )
    with naming(target):
        part.replace(target)
    return target


def _go_on(archive: Archive, part: Path, tell: Progress) -> None:
    """One connection's worth of bytes onto the end of `part`."""
    have = part.stat().st_size
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=IDLE) as answer:
        if have and not _continues(answer, have):
            _empty(part)
            have = 0
            if answer.status == 206:  # a part that nobody asked for
                return
        while data := _some(answer):
            have += len(data)
            if have > archive.size:
                _empty(part)
                raise BadData(f"{archive.url}: more than the {archive.size} bytes expected; not that file")
            # what the disk refuses ends the download, what the network does is tried again
            with naming(part), part.open("ab") as file:
                file.write(data)
            tell("download", have, archive.size)


def _some(answer: Any) -> bytes:
    """What has come; a whole block is not waited for, since a line that breaks meanwhile would cost it."""
    try:
        data: bytes = answer.read1(BLOCK)
    except http.client.IncompleteRead as error:
        data = error.partial
    return data


def _continues(answer: Any, have: int) -> bool:
    """Whether the server goes on at byte `have`."""
    told = str(answer.headers.get("Content-Range", ""))
    return bool(answer.status == 206) and told.startswith(f"bytes {have}-")


def _empty(part: Path) -> None:
    with naming(part), part.open("wb"):
        pass


def _room(part: Path, archive: Archive) -> None:
    missing = archive.size - part.stat().st_size
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise BadData(
            f"{part.parent}: {free / 1e9:.1f} GB are free, {missing / 1e9:.1f} GB are needed; make room "
            "or name another --root"
        )


def _sha256(path: Path, tell: Progress) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with naming(path), path.open("rb") as file:
        while data := file.read(BLOCK):
            digest.update(data)
            done += len(data)
            tell("checksum", done, size)
    return digest.hexdigest()


def take_pictures(
    archive: Path, names: Iterable[str], folder: Path, *, progress: Progress | None = None
) -> list[str]:
    """Write the pictures called `names` from a zip file to `folder`; returns those that are not in it.

    Only names that are asked for are looked up, and only plain files of the size of a picture are
    written, each whole or not at all and checked by the archive's CRC. A picture that is there in the
    right size stays. Raises `BadData` for an archive that is none.
    """
    wanted, absent = sorted(names), []
    try:
        with zipfile.ZipFile(archive) as inside:
            for done, name in enumerate(wanted, start=1):
                if not _take(inside, name, folder / name):
                    absent.append(name)
                if progress:
                    progress("pictures", done, len(wanted))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise BadData(f"{archive}: not a readable zip file ({error}); remove it and fetch again") from None
    return absent


def _take(inside: zipfile.ZipFile, name: str, target: Path) -> bool:
    try:
        info = inside.getinfo(name)
    except KeyError:
        return False
    if info.is_dir() or info.file_size > LARGEST_PICTURE:
        raise BadData(f"{inside.filename}: {name} is no picture of at most {LARGEST_PICTURE >> 20} MB")
    if target.is_file() and target.stat().st_size == info.file_size:
        return True
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.new")
        try:
            aside.write_bytes(inside.read(info))
            aside.replace(target)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise
    return True
