"""Downloads survive what a network does, and only what was promised stands in the end."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mmedit_bench.datasets.annotated import fetching
from mmedit_bench.datasets.annotated.dataset import AnnotatedDataset, Origin
from mmedit_bench.datasets.annotated.fetching import Archive, download, take_pictures
from mmedit_bench.errors import BadData, Unusable
from tests.datasets.small import layout, png, small, value

BODY = random.Random(0).randbytes(300_000)
Answer = Callable[[BaseHTTPRequestHandler, int], None]


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[int]]]:
    """A server that answers with `answer(handler, begin)`; yields its address and the begins asked for."""
    asked: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            asked.append(begin)
            answer(self, begin)

        def log_message(self, format: str, *args: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_address[1]}/val.zip", asked
    finally:
        found.shutdown()
        found.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, begin: int, body: bytes, *, most: int | None = None) -> None:
    """What a server that knows ranges sends; the line breaks after `most` bytes."""
    handler.send_response(206 if begin else 200)
    if begin:
        handler.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
    handler.send_header("Content-Length", str(len(body) - begin))
    handler.end_headers()
    handler.wfile.write(body[begin:][:most])
    handler.close_connection = True


def archive(url: str, body: bytes = BODY) -> Archive:
    return Archive(url, hashlib.sha256(body).hexdigest(), len(body))


def test_a_download_goes_on_where_the_line_broke(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with server(lambda handler, begin: send(handler, begin, BODY, most=70_000)) as (url, asked):
        path = download(
            archive(url), tmp_path / "d" / "val.zip", wait=0, progress=lambda *now: told.append(now)
        )
        assert path.read_bytes() == BODY
        assert asked == [0, 70_000, 140_000, 210_000, 280_000]
        assert download(archive(url), path, wait=0) == path and len(asked) == 5  # it is there already
    done = [now for phase, now, _ in told if phase == "download"]
    assert done == sorted(done) and done[-1] == len(BODY)
    assert ("checksum", len(BODY), len(BODY)) in told
    assert [own.name for own in path.parent.iterdir()] == ["val.zip"]


def test_a_connection_that_is_reset_is_no_fault_of_the_file(tmp_path: Path) -> None:
    resets = iter([True, True, False])

    def reset(handler: BaseHTTPRequestHandler, begin: int) -> None:
        broken = next(resets)
        send(handler, begin, BODY, most=70_000 if broken else None)
        if broken:
            handler.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()

    with server(reset) as (url, asked):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY
    assert len(asked) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_names_the_file_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "val.zip.part"
    real = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        return real(Path("/dev/full") if (self, mode) == (path, "ab") else self, mode, *args, **more)

    monkeypatch.setattr(Path, "open", full)
    with (
        server(lambda handler, begin: send(handler, begin, BODY)) as (url, asked),
        pytest.raises(Unusable, match=r"val\.zip\.part: No space left on device"),
    ):
        download(archive(url), tmp_path / "val.zip", wait=0)
    assert len(asked) == 1


def test_another_process_goes_on_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "val.zip.part").write_bytes(BODY[:123_456])
    with server(lambda handler, begin: send(handler, begin, BODY)) as (url, asked):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY
    assert asked == [123_456]


def test_a_server_without_ranges_is_begun_with_anew(tmp_path: Path) -> None:
    (tmp_path / "val.zip.part").write_bytes(b"x" * 1000)

    def whole(handler: BaseHTTPRequestHandler, begin: int) -> None:
        send(handler, 0, BODY)

    with server(whole) as (url, asked):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY
    assert asked == [1000]


def test_a_range_that_was_not_asked_for_is_not_appended(tmp_path: Path) -> None:
    (tmp_path / "val.zip.part").write_bytes(BODY[:1000])

    def elsewhere(handler: BaseHTTPRequestHandler, begin: int) -> None:
        send(handler, begin - 1 if begin else 0, BODY)

    with server(elsewhere) as (url, asked):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY
    assert asked == [1000, 0]


def test_busy_servers_are_asked_again_and_refusing_ones_are_not(tmp_path: Path) -> None:
    answers = iter([503, 429, 200])

    def busy(handler: BaseHTTPRequestHandler, begin: int) -> None:
        code = next(answers)
        send(handler, begin, BODY) if code == 200 else handler.send_error(code)

    with server(busy) as (url, asked):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY
        assert len(asked) == 3
    with (
        server(lambda handler, begin: handler.send_error(404)) as (url, asked),
        pytest.raises(BadData, match=rf"{url}: the server says 404 Not Found"),
    ):
        download(archive(url), tmp_path / "other.zip", wait=0)
    assert len(asked) == 1


def test_a_server_that_stays_away_leaves_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "val.zip.part").write_bytes(BODY[:100])

    def silent(handler: BaseHTTPRequestHandler, begin: int) -> None:
        handler.close_connection = True

    with (
        server(silent) as (url, asked),
        pytest.raises(BadData, match=r"8 times in a row; .*val\.zip\.part is kept, and the same command"),
    ):
        download(archive(url), tmp_path / "val.zip", wait=0)
    assert len(asked) == fetching.ATTEMPTS
    assert (tmp_path / "val.zip.part").read_bytes() == BODY[:100]


@pytest.mark.parametrize(
    "body", [BODY[:-1] + b"\0", BODY + b"more", BODY[:-5]], ids=["other", "longer", "shorter"]
)
def test_another_file_than_the_pinned_one_never_stands_there(tmp_path: Path, body: bytes) -> None:
    with (
        server(lambda handler, begin: send(handler, min(begin, len(body)), body)) as (url, _),
        pytest.raises(BadData, match=r"val\.zip: "),
    ):
        download(archive(url), tmp_path / "val.zip", wait=0)
    assert not (tmp_path / "val.zip").exists()


def test_a_file_of_the_right_size_and_wrong_bytes_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "val.zip").write_bytes(b"x" * len(BODY))
    with server(lambda handler, begin: send(handler, begin, BODY)) as (url, _):
        assert download(archive(url), tmp_path / "val.zip", wait=0).read_bytes() == BODY


def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"GB are needed; make room"):
        download(Archive("http://127.0.0.1:9/x.zip", "0" * 64, 1 << 60), tmp_path / "x.zip", wait=0)


def zipped(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, data in names.items():
            out.writestr(name, data)
    return path


def test_only_pictures_that_are_asked_for_are_taken(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "a.zip", {"val/a.png": png(1), "val/b.png": png(2), "../evil.png": png(3), "val/c/": b""}
    )
    folder = tmp_path / "out"
    assert take_pictures(path, ["val/a.png", "val/z.png"], folder) == ["val/z.png"]
    assert sorted(own.relative_to(folder).as_posix() for own in folder.rglob("*")) == ["val", "val/a.png"]
    assert (folder / "val" / "a.png").read_bytes() == png(1)
    (folder / "val" / "a.png").write_bytes(b"cut")
    take_pictures(path, ["val/a.png"], folder)
    assert (folder / "val" / "a.png").read_bytes() == png(1)
    assert not (tmp_path / "evil.png").exists()


def test_an_archive_that_is_none_or_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(BadData, match=r"a\.zip: not a readable zip file"):
        take_pictures(tmp_path / "a.zip", ["val/a.png"], tmp_path)
    path = zipped(tmp_path / "b.zip", {"val/a.png": png(1)})
    data = bytearray(path.read_bytes())
    data[data.index(png(1)) + 40] ^= 255
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"b\.zip: not a readable zip file"):
        take_pictures(path, ["val/a.png"], tmp_path / "out")
    assert not [own for own in (tmp_path / "out").rglob("*") if own.is_file()]


def test_a_data_set_fetches_what_it_lacks_and_nothing_twice(tmp_path: Path) -> None:
    folder = small(tmp_path)
    (folder / "val" / "p0.png").unlink()
    (folder / "val" / "p101.png").unlink()
    names = {own.relative_to(folder).as_posix(): png(7) for own in (folder / "val").iterdir()}
    body = zipped(tmp_path / "a.zip", {**names, "val/p0.png": png(1)}).read_bytes()
    with server(lambda handler, begin: send(handler, begin, body, most=500)) as (url, asked):
        origin = Origin(
            "put it in {data}, name it in {variable}", archive("http://127.0.0.1:9/no.zip", body), "val/"
        )
        dataset = AnnotatedDataset("small", ("small",), (layout(),), origin, (layout(),), root=tmp_path)
        done = dataset.fetch(url=url)
        assert any("1 pictures written" in line for line in done)
        assert any("no picture val/p101.png in it" in line for line in done)
        assert (folder / "val" / "p0.png").read_bytes() == png(1)
        assert (folder / "val" / "p1.png").read_bytes() != png(7)
        before = len(asked)
        (folder / "val" / "p101.png").write_bytes(png(3))
        assert dataset.fetch(url=url) == ["all pictures of the archive are there"] and len(asked) == before
    assert dataset.instructions() == f"put it in {tmp_path}, name it in MMEDIT_BENCH_DATA"
    assert value(0)["image"] == "val/p0.png"
