"""What a request must be like, and what every answer carries."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BodyTooLargeError", "BodyTooSlowError", "Guard", "body_of"]

_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "worker")),
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class BodyTooLargeError(Exception):
    """A request has a longer body than is taken."""


class BodyTooSlowError(Exception):
    """The body of a request did not come in time."""


class Guard:
    """Lets those requests through that a page of this server sends.

    Another page in the same browser can send requests here too, under a name of its own that it has
    made lead to this machine (DNS rebinding), or across origins. ``Host`` and ``Origin`` tell.
    """

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        """Guard an application.

        Args:
            app: The application.
            port: The port that it is served at.
        """
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        # A browser leaves out the port of http.
        if port == 80:  # noqa: PLR2004
            self._hosts |= {"127.0.0.1", "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refused = self._refusal(Headers(scope=scope))
        app = self._app if refused is None else refused
        await app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> ASGIApp | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("this server is for pages of its own address", 421)
        origins = {f"http://{host}" for host in self._hosts}
        foreign = any(origin.lower() not in origins for origin in headers.getlist("origin"))
        site = headers.get("sec-fetch-site", "none")
        if foreign or site not in {"none", "same-origin"}:
            # A link from elsewhere may lead to the page.
            navigates = headers.get("sec-fetch-mode") == "navigate" and not foreign
            if not navigates:
                return PlainTextResponse("this server answers pages of its own alone", 403)
        return None


async def body_of(request: Request, *, most: int, seconds: float) -> bytes:
    """Return the body of a request.

    Args:
        request: The request.
        most: The bytes that it may have; no more are kept.
        seconds: How long it may take to come.

    Returns:
        The body.

    Raises:
        BodyTooLargeError: It has more.
        BodyTooSlowError: It takes longer.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise BodyTooLargeError
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise BodyTooLargeError
                parts.append(part)
    except TimeoutError:
        raise BodyTooSlowError from None
    return b"".join(parts)
