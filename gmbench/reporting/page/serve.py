"""A page over HTTP on this machine, for browsers that refuse files: with byte ranges, which players seek by."""

import functools
import re
from collections.abc import Callable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from gmbench.errors import InputError

_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


class _Handler(SimpleHTTPRequestHandler):
    """Files of a folder; answers a single byte range."""

    left: int | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for the user."""

    def send_head(self) -> Any:
        """Headers of a file or of a part of it."""
        self.left = None
        asked, path = _RANGE.match(self.headers.get("Range", "")), Path(self.translate_path(self.path))
        if asked is None or not path.is_file() or not any(asked.groups()):
            return super().send_head()
        size = path.stat().st_size
        first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        if first > last:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return None
        file = path.open("rb")
        file.seek(first)
        self.left = last - first + 1
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(self.left))
        self.end_headers()
        return file

    def end_headers(self) -> None:
        """Ranges are offered with every file."""
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:  # type: ignore[override]
        """The part that was asked for; a browser that closed the connection is no error."""
        try:
            if self.left is None:
                super().copyfile(source, outputfile)
                return
            while self.left > 0 and (block := source.read(min(self.left, 1 << 16))):
                outputfile.write(block)
                self.left -= len(block)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a page's folder at 127.0.0.1; port 0 takes a free one.

    Raises:
        InputError: no page there, or the port is taken.
    """
    if not (folder / "index.html").is_file():
        raise InputError(f"{folder}: no page here; run 'gmbench report --out {folder}' first")
    handler: Callable[..., _Handler] = functools.partial(_Handler, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from error
