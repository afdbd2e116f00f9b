"""A server on this machine that answers as a test wants, also wrongly."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Request"], object]


class Request(BaseHTTPRequestHandler):
    """One request, with the ways to answer it that several tests need."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.log.append((self.path, self.headers.get("Range")))
        behaviour = self.server.behaviours.get(self.path)
        # A client that goes away in the middle is what many tests are about.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if behaviour is None:
                self.answer(b"<html>not here</html>", status=404)
            else:
                behaviour(self)

    def do_CONNECT(self) -> None:
        self.close_connection = True
        self.server.log.append((f"CONNECT {self.path}", None))
        self.answer(b"", status=403)

    def answer(self, body: bytes, *, status: int = 200, **headers: object) -> None:
        """Send headers with the length of the body unless another is given, and the body."""
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": len(body), **named}.items():
            if value is not None:
                self.send_header(name, str(value))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def offset(self) -> int:
        """Return where the range that is asked for begins."""
        return int((self.headers.get("Range") or "bytes=0-")[len("bytes=") : -1])

    def serve(self, body: bytes, *, until: int | None = None) -> None:
        """Send the body, or the rest that is asked for, as a good server does; maybe not all."""
        begin = self.offset()
        rest = body[begin:until]
        length = len(body) - begin
        if begin:
            place = f"bytes {begin}-{len(body) - 1}/{len(body)}"
            self.answer(rest, status=206, Content_Length=length, Content_Range=place)
        else:
            self.answer(rest, Content_Length=length)

    def chunk(self, body: bytes) -> None:
        """Send a chunk of a chunked body."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))

    def wait(self, seconds: float = 30.0) -> None:
        """Do nothing until the client has gone or the server ends."""
        self.connection.settimeout(0.05)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.server.ending.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1):
                    return

    def log_message(self, *arguments: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    behaviours: dict[str, Behaviour]
    log: list[tuple[str, str | None]]
    ending: threading.Event

    def handle_error(self, *arguments: Any) -> None:
        pass  # a client that refuses the certificate


@dataclass
class Server:
    """The server: its address, what it does, and what it was asked."""

    url: str
    behaviours: dict[str, Behaviour]
    log: list[tuple[str, str | None]] = field(default_factory=list)

    def on(self, path: str, behaviour: Behaviour) -> str:
        """Answer requests for a path in a way; return the URL."""
        self.behaviours[path] = behaviour
        return self.url + path

    def ranges(self, path: str) -> list[str | None]:
        """Return the ranges that were asked for, request by request."""
        return [asked for name, asked in self.log if name == path]


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server on a free port, with TLS when there is a context for it."""
    server = _Server(("127.0.0.1", 0), Request)
    server.behaviours, server.log, server.ending = {}, [], threading.Event()
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "http" if context is None else "https"
    try:
        yield Server(f"{scheme}://127.0.0.1:{server.server_port}", server.behaviours, server.log)
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


def closed_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
