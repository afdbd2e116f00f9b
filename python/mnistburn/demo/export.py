"""The page as one file, with the model inside."""

import base64
import errno
import hashlib
import os
import re
import threading
from contextlib import suppress
from pathlib import Path

from mnistburn.arguments import as_path, shown
from mnistburn.dataset import Dataset
from mnistburn.demo.content import Content
from mnistburn.demo.drawn import is_drawn
from mnistburn.demo.files import PAGE_SCRIPTS, read, worker
from mnistburn.errors import DataError, RecordError
from mnistburn.model import Model
from mnistburn.system_errors import sync, trying

__all__ = ["export_page", "write_page"]


def export_page(
    model: Model,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    drawn: bool | None = None,
    samples: Dataset | None = None,
) -> Path:
    """Write a page to try a model on, as one file that any browser opens from disk.

    The browser computes the network itself; nothing is loaded and nothing is sent. The parameters
    are in half precision.

    Args:
        model: The model.
        path: The file, ``.html``; an existing one is replaced.
        title: What the page calls the model; None for the name of the file.
        drawn: Whether the page has a canvas to draw on; None where the model says it: that of a
            set of digits is drawn for, others are shown pictures.
        samples: Images to try the model on, such as test images; the page gets some of them.

    Returns:
        The path written.

    Raises:
        DataError: The size of the model's images is not known, or samples have another.
        RecordError: The path is none, or does not end in ``.html``.
        OSError: The file cannot be written.

    Example:
        >>> import mnistburn
        >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=32), seed=1)
        >>> mnistburn.export_page(model, "digits.html").stat().st_size > 60_000
        True
    """
    if not isinstance(model, Model):
        message = f"model must be a Model, got {shown(model)}; a run has it as run.model"
        raise DataError(message)
    if samples is not None and not isinstance(samples, Dataset):
        message = f"samples must be a Dataset, got {shown(samples)}; see Dataset.from_numpy"
        raise DataError(message)
    target = as_path(path, "path", RecordError)
    name = target.stem if title is None else title
    kind = is_drawn(model) if drawn is None else drawn
    return write_page(Content(model, name, kind, samples), target)


def write_page(content: Content, path: Path) -> Path:
    """Write the page to a file atomically.

    Args:
        content: What it shows.
        path: The file; an existing one is replaced.

    Returns:
        The path.

    Raises:
        RecordError: The path does not end in ``.html``.
        OSError: The file cannot be written.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        message = f"a page is written to a file that ends in .html, got {str(path)!r}"
        raise RecordError(message)
    if path.is_dir():
        reason = f"could not write: {os.strerror(errno.EISDIR)}"
        raise IsADirectoryError(errno.EISDIR, reason, str(path))
    text = _page(content)
    temporary = path.with_name(f".mnistburn-{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        # The caller knows the file, not the temporary one.
        with trying("could not write", path):
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                sync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def _page(content: Content) -> str:
    """Return the page with all that it loads in it."""
    style = read("style.css")
    scripts = {name: read(name) for name in PAGE_SCRIPTS}
    text = read("index.html")
    text = _replaced(text, '<link rel="stylesheet" href="style.css">', f"<style>{style}</style>")
    for name, script in scripts.items():
        text = _replaced(text, f'<script src="{name}"></script>', f"<script>{script}</script>")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts.values()))}",
            f"style-src {_hash(style)}",
            "img-src data: blob:",
            "media-src blob:",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = _replaced(text, '<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}')
    parameters = base64.b64encode(content.parameters("half")).decode()
    inside = (
        f'<script type="application/json" id="about">{content.about("half")}</script>\n'
        f'<script type="text/plain" id="parameters">{parameters}</script>\n'
        f'<script type="text/plain" id="worker">{worker()}</script>\n'
    )
    return _replaced(text, "<!-- The model of a page that is one file. -->", inside)


def _replaced(text: str, part: str, by: str) -> str:
    """Replace what is in a text once."""
    before, found, after = text.partition(part)
    if not found or part in after:
        message = f"the page must have {part} once"
        raise ValueError(message)
    return before + by + after


def _hash(script: str) -> str:
    """Return what a Content-Security-Policy calls an inline script or style by."""
    # A browser takes each kind of line end for "\n" before it hashes.
    lines = re.sub("\r\n?", "\n", script)
    digest = hashlib.sha256(lines.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
