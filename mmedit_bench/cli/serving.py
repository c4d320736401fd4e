"""A small server of static files for this machine alone."""

from __future__ import annotations

import functools
import re
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mmedit_bench.errors import naming

HOST = "127.0.0.1"
_ROOT = re.compile(rb'<body data-root="([^"]+)"')


class _Handler(SimpleHTTPRequestHandler):
    """Files of one folder, with the site's own page where there is none; keeps no log."""

    def end_headers(self) -> None:
        """Nothing is kept by the browser: what was built last is what is shown."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's 404 page where it has one, with links to where the site lies here."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            super().send_error(code, message, explain)
            return
        data = page.read_bytes()
        if root := _ROOT.search(data):  # where it is published, which is seldom where this server begins
            data = data.replace(b'="' + root[1], b'="/')
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder's files on the loopback address. Raises `Unusable` for a port that is taken."""
    with naming(f"{HOST}:{port}"):
        return ThreadingHTTPServer((HOST, port), functools.partial(_Handler, directory=str(folder)))
