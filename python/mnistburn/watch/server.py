"""The server of the page: for browsers on this machine, and for nothing but the page."""

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from mnistburn.arguments import as_integer
from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.watch.followed_run import FollowedRun
from mnistburn.watch.page import announcement, page_parts, page_title, watch_page

__all__ = ["WatchServer"]

_ADDRESS: Final = "127.0.0.1"
_LARGEST_PORT: Final = 65535
# A name that a stranger's server may take for this address is not among them.
_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SECONDS_TO_SPEAK: Final = 10.0
"""A browser that says nothing for as long is hung up on."""


class _Answer(NamedTuple):
    """What a path gives."""

    kind: str
    content: bytes


class WatchServer:
    """Serves the page of the run in a directory to browsers on this machine.

    It listens on 127.0.0.1 alone, answers GET alone, and gives nothing but the page, its parts, its
    style sheet, its script and its icon. A request whose ``Host`` is not this machine's is refused,
    so that no page of a stranger can read along (DNS rebinding).

    Attributes:
        url: The address of the page.
    """

    def __init__(self, directory: Path, port: int = 0) -> None:
        """Listen, and answer nothing yet.

        Args:
            directory: The artifact directory, which need not be there yet.
            port: The port; 0 for any that is free.

        Raises:
            ArtifactError: The directory is a file.
            ConfigError: The port is none.
            OSError: The port is taken.
        """
        if directory.exists() and not directory.is_dir():
            message = f"a run is watched in its directory, and {directory} is a file"
            raise ArtifactError(message)
        number = as_integer(port, "port", ConfigError, maximum=_LARGEST_PORT)
        self._run = FollowedRun(directory)
        self._lock = threading.Lock()
        self._end_was_seen = threading.Event()
        self._was_seen = False
        paths = {
            "/": self._page,
            "/parts": self._parts,
            "/pages.css": _file("mnistburn.pages", "pages.css", "text/css; charset=utf-8"),
            "/watch.js": _file("mnistburn.watch", "watch.js", "text/javascript; charset=utf-8"),
            "/icon.svg": _file("mnistburn.watch", "icon.svg", "image/svg+xml"),
        }

        class Handler(_Handler):
            answers = paths

        self._server = _Server((_ADDRESS, number), Handler)
        self.url = f"http://{_ADDRESS}:{self._server.server_port}/"

    def serve(self) -> None:
        """Answer until `close` is called from another thread, or an exception ends it."""
        self._server.serve_forever()

    def close(self) -> None:
        """Listen no more."""
        self._server.server_close()

    @contextlib.contextmanager
    def in_background(self) -> Iterator["WatchServer"]:
        """Answer in a thread of its own meanwhile.

        Yields:
            The server.
        """
        thread = threading.Thread(target=self.serve, name="mnistburn-watch", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self.close()

    def wait_for_end_to_be_seen(self, seconds: float) -> bool:
        """Wait until a page that is open shows the end of the run.

        Args:
            seconds: How long to wait at most.

        Returns:
            Whether it was seen; False at once where no page is open.
        """
        return self._was_seen and self._end_was_seen.wait(seconds)

    def _page(self) -> _Answer:
        with self._lock:
            page = watch_page(self._run.look())
        return _Answer("text/html; charset=utf-8", page.encode())

    def _parts(self) -> _Answer:
        with self._lock:
            state = self._run.look()
            content = {
                "title": page_title(state),
                "announcement": announcement(state),
                "over": state.is_over,
                "parts": page_parts(state),
            }
        self._was_seen = True
        if state.is_over:
            self._end_was_seen.set()
        return _Answer("application/json", json.dumps(content).encode())


class _Server(ThreadingHTTPServer):
    """Answers each browser in a thread of its own, and prints nothing."""

    daemon_threads = True
    is_closed = False

    def server_close(self) -> None:
        """Listen no more, and answer no more on connections that are open."""
        self.is_closed = True
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Log what went wrong, unless it is that a browser has hung up."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            logger = logging.getLogger("mnistburn")
            logger.error("the page could not be served", exc_info=error)


def _file(package: str, name: str, kind: str) -> Callable[[], _Answer]:
    @cache
    def answer() -> _Answer:
        return _Answer(kind, resources.files(package).joinpath(name).read_bytes())

    return answer


class _Handler(BaseHTTPRequestHandler):
    """Answers one browser."""

    answers: ClassVar[dict[str, Callable[[], _Answer]]] = {}
    protocol_version = "HTTP/1.1"
    server_version = "mnistburn"
    sys_version = ""
    timeout = _SECONDS_TO_SPEAK

    def do_GET(self) -> None:
        """Answer with what the path gives."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip()):
            self._refuse(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this page is for browsers on the machine that serves it; its address is "
                f"http://{_ADDRESS}:{self.connection.getsockname()[1]}/",
            )
            return
        answer = self.answers.get(self.path.partition("?")[0])
        if answer is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")
            return
        self._send(HTTPStatus.OK, answer())

    def parse_request(self) -> bool:
        """Read a request, and refuse every method but GET.

        Returns:
            Whether there is something to answer.
        """
        if not super().parse_request():
            return False
        if isinstance(self.server, _Server) and self.server.is_closed:
            self.close_connection = True
            return False
        if self.command != "GET":
            # What is sent along is not read.
            self.close_connection = True
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered", Allow="GET")
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what is no request, in plain text."""
        self.close_connection = True
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def _refuse(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        self._send(status, _Answer("text/plain; charset=utf-8", f"{reason}\n".encode()), **headers)

    def _send(self, status: HTTPStatus, answer: _Answer, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        # A request that was none has no command.
        if getattr(self, "command", None) != "HEAD":
            self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's own
        """Say nothing on standard error."""
