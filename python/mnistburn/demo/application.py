"""The application behind the page: the page's files, the model, and its answers."""

from collections.abc import Callable
from typing import Final

import numpy
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mnistburn import _native
from mnistburn.demo.content import Content
from mnistburn.demo.files import PAGE_FILES, WORKER, read, worker
from mnistburn.demo.guard import BodyTooLargeError, BodyTooSlowError, Guard, body_of
from mnistburn.errors import DataError

__all__ = ["BODY_SECONDS", "application"]

LARGEST_SIDE: Final = 1024
"""The most rows and columns of a picture, and the most images that are computed at once."""

BODY_SECONDS: Final = 10.0
"""How long the body of a request may take to come."""

_LARGEST_BODY: Final = 4 * LARGEST_SIDE**2

_BYTES: Final = "application/octet-stream"

Work = Callable[[Request, bytes], bytes]


def application(content: Content, port: int, *, body_seconds: float = BODY_SECONDS) -> Starlette:
    """Return the application.

    All that it serves is in memory; pictures come as raw pixels, so that nothing is decoded here.

    Args:
        content: What the page shows.
        port: The port that it is served at.
        body_seconds: How long the body of a request may take to come.

    Returns:
        The application, for a server of ASGI.
    """
    served = {
        "": (read("index.html").encode(), "text/html; charset=utf-8"),
        "about.json": (content.about("full").encode(), "application/json"),
        "parameters": (content.parameters("full"), _BYTES),
        WORKER: (worker().encode(), "text/javascript; charset=utf-8"),
        **{name: (read(name).encode(), kind) for name, kind in PAGE_FILES.items()},
    }

    def file(name: str) -> Route:
        body, kind = served[name]

        async def answer(_request: Request) -> Response:
            return Response(body, media_type=kind)

        return Route(f"/{name}", answer, methods=["GET"])

    def computed(path: str, work: Work) -> Route:
        async def answer(request: Request) -> Response:
            try:
                body = await body_of(request, most=_LARGEST_BODY, seconds=body_seconds)
                result = await run_in_threadpool(work, request, body)
            except BodyTooLargeError:
                # What is left of the body is not read: the connection ends.
                return PlainTextResponse("too large", 413, headers={"Connection": "close"})
            except BodyTooSlowError:
                return PlainTextResponse("too slow", 408, headers={"Connection": "close"})
            except DataError as error:
                return PlainTextResponse(str(error), 400)
            except ClientDisconnect:
                return Response(status_code=400)
            return Response(result, media_type=_BYTES)

        return Route(path, answer, methods=["POST"])

    answers = _Answers(content)
    return Starlette(
        routes=[
            *map(file, served),
            computed("/image", answers.image),
            computed("/logits", answers.logits),
        ],
        middleware=[Middleware(Guard, port=port)],
    )


class _Answers:
    """What the page asks."""

    def __init__(self, content: Content) -> None:
        self._model = content.model
        self._shape = content.model.config.image_shape
        self._preprocessing = content.preprocessing

    def image(self, request: Request, body: bytes) -> bytes:
        """Return a picture, raw RGBA pixels, as an image of the model."""
        width, height = (_side(request.query_params.get(name, "")) for name in ("width", "height"))
        if len(body) != 4 * width * height:
            message = f"{width} x {height} pixels must have {4 * width * height} bytes"
            raise DataError(message)
        picture = _native.Picture.from_pixels(body, (width, height), "RGBA", 1)
        return bytes(picture.image(self._shape, self._preprocessing))

    def logits(self, _request: Request, body: bytes) -> bytes:
        """Return the logits of raw images, float32."""
        size = int(numpy.prod(self._shape))
        count, rest = divmod(len(body), size)
        if rest or not 0 < count <= LARGEST_SIDE:
            message = f"from 1 to {LARGEST_SIDE} images of {size} bytes are computed at once"
            raise DataError(message)
        pixels = numpy.frombuffer(body, dtype=numpy.uint8).reshape(count, *self._shape.sizes)
        return self._model.forward(pixels).astype("<f4").tobytes()


def _side(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 0 < int(text) <= LARGEST_SIDE:  # noqa: PLR2004
        return int(text)
    message = f"width and height must be whole numbers from 1 to {LARGEST_SIDE}"
    raise DataError(message)
