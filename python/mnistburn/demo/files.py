"""The files of the page, which are part of the package."""

from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["PAGE_FILES", "PAGE_SCRIPTS", "WORKER", "read", "worker"]

PAGE_SCRIPTS: Final = (
    "drawing.js",
    "camera.js",
    "engine.js",
    "occlusion.js",
    "views.js",
    "page.js",
)
"""What the page runs, in this order; ``index.html`` names them."""

PAGE_FILES: Final = {
    "style.css": "text/css; charset=utf-8",
    **dict.fromkeys(PAGE_SCRIPTS, "text/javascript; charset=utf-8"),
}
"""What the page loads, with the types of the files."""

WORKER: Final = "worker.js"
"""The name of the worker's script: `_WORKER_SCRIPTS`, one after the other."""

_WORKER_SCRIPTS: Final = (
    *("plane.js", "strokes.js", "digit.js", "picture.js", "network.js"),
    WORKER,
)


@cache
def read(name: str) -> str:
    """Return the content of a file of the page."""
    return files("mnistburn.demo").joinpath("page", name).read_text("utf-8")


def worker() -> str:
    """Return the script of the worker, in which networks are computed."""
    return "\n".join(read(name) for name in _WORKER_SCRIPTS)
