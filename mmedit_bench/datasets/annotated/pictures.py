"""A picture in a file that nobody reads before it is needed, not even for its digest."""

from __future__ import annotations

import hashlib
import io
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmedit_bench.cases import ImageRef
from mmedit_bench.errors import BadData

if TYPE_CHECKING:
    from PIL import Image

    from mmedit_bench.datasets.annotated.roots import Root


class PictureFile(ImageRef):
    """An `ImageRef` whose digest is taken when it is first asked for.

    `name` is the name in the annotations, relative to `root`; `record` says which record asks for it.
    Two of the same root and name are equal without being read. The file is read anew by each call of
    `bytes`, and has to be the same each time. A missing or broken one is a `BadData` that names record,
    path and variable.
    """

    __slots__ = ("_digest", "name", "record", "root")

    name: str
    record: str
    root: Root
    _digest: str | None

    def __init__(self, root: Root, name: str, record: str) -> None:
        values = {
            "root": root, "name": name, "record": record, "_digest": None,
            "opener": partial(_read, root, name, record),
        }  # fmt: skip
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.root.folder / self.name

    @property
    def digest(self) -> str:
        """sha256 (hex) of the encoded bytes; reads the file once."""
        if self._digest is None:
            self.bytes()
        return str(self._digest)

    def bytes(self) -> bytes:
        """The encoded picture. Raises `BadData` if it is missing, no picture, or not the one of before."""
        data: bytes = self.opener()
        found = hashlib.sha256(data).hexdigest()
        if self._digest is None:
            _decoded(data, self, whole=False)
            object.__setattr__(self, "_digest", found)
        elif found != self._digest:
            raise BadData(f"{self.path}: changed while it was in use ({self.record}); run again")
        return data

    def open(self) -> Image.Image:
        """The decoded picture, RGB. Raises `BadData` as `bytes` does, and for one that breaks off."""
        picture: Image.Image = _decoded(self.bytes(), self, whole=True)
        return picture

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PictureFile) and (self.root, self.name) == (other.root, other.name):
            return True
        return self.digest == other.digest if isinstance(other, ImageRef) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.digest,))  # as an ImageRef's, or equal ones would not be found in a set

    def __repr__(self) -> str:
        return f"PictureFile({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return PictureFile, (self.root, self.name, self.record)


def identity(image: ImageRef) -> str:
    """What tells pictures of one data set apart, without reading files: the name, else the digest."""
    return image.name if isinstance(image, PictureFile) else image.digest


def _read(root: Root, name: str, record: str) -> bytes:
    path = root.folder / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadData(
            f"{record}: its picture {path} cannot be read ({error.strerror}); check {root.variable}, "
            "or list all that is missing with `mmedit-bench data check`"
        ) from None


def _decoded(data: bytes, file: PictureFile, *, whole: bool) -> Any:
    """The picture; only its header is looked at unless `whole`."""
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(data))
        return picture.convert("RGB") if whole else picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadData(f"{file.record}: {file.path} is no whole picture ({error}); fetch it again") from None
