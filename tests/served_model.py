"""A WSGI application that answers images with their logits; it predicts when it is imported."""

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from mnistburn import Model

MODEL = Model.load(os.environ["SERVED_MODEL"])
# So many that several threads compute them: those of the master, which no worker has.
BLANK = numpy.zeros((512, 28, 28), numpy.uint8)
LOADED = hashlib.sha256(MODEL.forward(BLANK).tobytes()).hexdigest()
LOADER = str(os.getpid())


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer the bytes of images of 28 by 28 pixels."""
    images = numpy.frombuffer(environ["wsgi.input"].read(), numpy.uint8).reshape(-1, 28, 28)
    logits = MODEL.forward(images)
    headers = [("X-Worker", str(os.getpid())), ("X-Loader", LOADER), ("X-Loaded", LOADED)]
    start_response("200 OK", headers)
    return [logits.tobytes()]
