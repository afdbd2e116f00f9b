"""The local server: an address of this machine alone, and connections that may not idle."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mnistburn.demo.application import BODY_SECONDS, application
from mnistburn.demo.content import Content
from mnistburn.errors import ConfigError

__all__ = ["ADDRESS", "DEFAULT_PORT", "listen", "serve", "server"]

ADDRESS: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8520

# A connection that has sent no whole request for so long is closed, and the oldest of more.
_WAITING_SECONDS: Final = 10.0
_MOST_WAITING: Final = 100
_LARGEST_HEADERS: Final = 1 << 14


def listen(port: int | None) -> socket.socket:
    """Return a socket that listens on this machine alone.

    Args:
        port: The port; 0 for any that is free; None for the usual one, or any where that is taken.

    Returns:
        The socket.

    Raises:
        ConfigError: The port is taken, or may not be used.
    """
    try:
        return _bound(DEFAULT_PORT if port is None else port)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        if port is None:
            return _bound(0)
        taken = error.errno == errno.EADDRINUSE
        reason = "is in use by another program" if taken else "may not be used by this user"
        message = f"port {port} {reason}; name another, or 0 for any that is free"
        raise ConfigError(message) from None


def _bound(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port whose last connections are not over yet can be used again.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def serve(
    content: Content, listening: socket.socket, started: Callable[[], object] = lambda: None
) -> None:
    """Serve the page until the process is interrupted.

    Args:
        content: What the page shows.
        listening: Where.
        started: Called once the server answers.

    Raises:
        KeyboardInterrupt: The process was interrupted.
    """
    server(content, listening, started).run(sockets=[listening])


def server(
    content: Content,
    listening: socket.socket,
    started: Callable[[], object],
    *,
    body_seconds: float = BODY_SECONDS,
) -> uvicorn.Server:
    """Return the server, which does not run yet.

    Args:
        content: What the page shows.
        listening: Where.
        started: Called once the server answers.
        body_seconds: How long the body of a request may take to come.

    Returns:
        The server.
    """
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        application(content, port, body_seconds=body_seconds),
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_LARGEST_HEADERS,
    )
    return _Server(config, started)


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_start = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self._on_start()


class Connection(H11Protocol):
    """A connection that is closed unless a whole request comes in time."""

    # Those that wait for one, the oldest first.
    _waiting: Final[dict["Connection", asyncio.TimerHandle]] = {}

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  uvicorn narrows asyncio's
        """Take a connection, and close the oldest where too many wait."""
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        """Look whether what came is a whole request."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._end_wait()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that is over."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._end_wait()
        self._waiting[self] = self.loop.call_later(_WAITING_SECONDS, self.transport.abort)
        if len(self._waiting) > _MOST_WAITING:
            oldest = next(iter(self._waiting))
            oldest._end_wait()  # noqa: SLF001  of this class
            oldest.transport.abort()

    def _end_wait(self) -> None:
        timer = self._waiting.pop(self, None)
        if timer is not None:
            timer.cancel()
