"""A picture file is read when it is used, and says what is wrong with it by record and path."""

from __future__ import annotations

import copy
import hashlib
import pickle
from pathlib import Path

import pytest

from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.datasets.annotated.pictures import PictureFile, identity
from mmedit_bench.datasets.annotated.roots import Root
from mmedit_bench.errors import BadData
from mmedit_bench.harness.asking import sealed
from tests.datasets.small import png


@pytest.fixture
def file(tmp_path: Path) -> PictureFile:
    (tmp_path / "a.png").write_bytes(png(1))
    return PictureFile(Root(tmp_path, "THE_VARIABLE"), "a.png", "vqa_eval.json record 12")


def absent(file: PictureFile) -> PictureFile:
    return PictureFile(file.root, "none.png", "vqa_eval.json record 13")


def test_nothing_is_read_before_it_is_used(file: PictureFile) -> None:
    other = absent(file)
    assert repr(Query("what?", other)) == "Query(prompt='what?', image=PictureFile('none.png'))"
    assert other == copy.deepcopy(other) == pickle.loads(pickle.dumps(other))
    assert identity(other) == "none.png"
    with pytest.raises(
        BadData, match=r"vqa_eval.json record 13: its picture .*none\.png cannot be read"
    ) as caught:
        hash(other)
    assert "check THE_VARIABLE" in str(caught.value)


def test_it_is_an_image_like_any_other(file: PictureFile) -> None:
    data = png(1)
    plain = ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)
    assert file.digest == plain.digest
    assert file == plain and plain == file and hash(file) == hash(plain)
    assert file != ImageRef("0" * 64, lambda: data)
    assert file.bytes() == data and file.open().size == (8, 8)
    assert Query("q", file).digest == Query("q", plain).digest
    assert sealed(Query("q", file)) == Query("q", plain)
    assert identity(plain) == plain.digest
    assert (file == 3) is False


def test_copies_of_a_picture_are_equal(file: PictureFile) -> None:
    (file.root.folder / "b.png").write_bytes(png(1))
    (file.root.folder / "c.png").write_bytes(png(2))
    assert file == PictureFile(file.root, "b.png", "another record")
    assert file != PictureFile(file.root, "c.png", "another record")


def test_a_picture_that_changes_while_it_is_used_is_refused(file: PictureFile) -> None:
    assert file.digest
    file.path.write_bytes(png(2))
    with pytest.raises(BadData, match=r"a\.png: changed while it was in use \(vqa_eval.json record 12\)"):
        file.bytes()


@pytest.mark.parametrize("data", [b"", b"no picture", png(3)[:20]])
def test_a_broken_picture_names_record_and_path(file: PictureFile, data: bytes) -> None:
    file.path.write_bytes(data)
    with pytest.raises(BadData, match=r"vqa_eval.json record 12: .*a\.png is no whole picture"):
        file.bytes()


def test_a_picture_that_breaks_off_is_found_by_decoding(file: PictureFile) -> None:
    file.path.write_bytes(png(3)[:-28])
    assert file.bytes()
    with pytest.raises(BadData, match=r"record 12: .*a\.png is no whole picture"):
        file.open()
