"""Fetching a file whose hash is known from the first mirror that gives it.

What comes is written to a file beside the target, under the target's name with ``.part``, and takes
the target's name when all of it has come and its hash is right. A break leaves the part, and the
next attempt, of this process or another, asks for the rest alone. A lock keeps other processes out
meanwhile; the system gives it back however a process ends.
"""

import contextlib
import hashlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from mnistburn.datasets.known import Digest, KnownFile
from mnistburn.file_lock import try_lock
from mnistburn.progress import CountProgress
from mnistburn.system_errors import sync, trying

__all__ = ["LIMITS", "Answer", "Limits", "NoMirrorError", "fetch"]

_CHUNK: Final = 1 << 18
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LONGEST_REASON: Final = 200
_OK: Final = 200
_PARTIAL: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_SECONDS_BETWEEN_TRIES: Final = 0.1


@dataclass(frozen=True)
class Limits:
    """How long and how often is tried.

    Attributes:
        connect: Seconds until a connection stands.
        idle: Seconds without a byte.
        total: Seconds for a request, beside those of `bytes_per_second`.
        bytes_per_second: What a line gives at least: a file may take its size by this number of
            seconds more.
        redirects: How often a server may point to another place.
        attempts: How often a mirror is asked again for the rest, as long as it gives some each
            time.
    """

    connect: float = 10.0
    idle: float = 30.0
    total: float = 60.0
    bytes_per_second: float = 20_000.0
    redirects: int = 5
    attempts: int = 10


LIMITS: Final = Limits()
"""The limits for users; tests have shorter ones."""


@dataclass(frozen=True)
class Answer:
    """What came of asking a mirror.

    Attributes:
        url: The file's address there.
        problem: Why it could not be had.
    """

    url: str
    problem: str


class NoMirrorError(Exception):
    """No mirror gave the file; the arguments are the answers."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(*answers)
        self.answers = tuple(answers)


class _MirrorError(Exception):
    """This mirror will not do; the message says why."""


class _BreakError(_MirrorError):
    """The transfer broke off; what came so far is good to go on with."""


class _WrongHashError(_MirrorError):
    """All bytes came, and they are others."""


class _NoRangeError(Exception):
    """The server does not give the rest alone."""


def fetch(
    file: KnownFile,
    urls: Sequence[str],
    target: Path,
    *,
    limits: Limits = LIMITS,
    progress: CountProgress | None = None,
) -> str | None:
    """Fetch a file, verify it and put it in its place.

    Args:
        file: Its size and hash.
        urls: Where it is, in the order in which they are asked.
        target: The path it gets; the folder is made. What lies there is replaced.
        limits: How long and how often is tried.
        progress: What shows the bytes that came.

    Returns:
        The URL it came from; None when another process had fetched it meanwhile.

    Raises:
        NoMirrorError: No mirror gave it.
        OSError: The folder or a file in it cannot be written.
    """
    with trying("could not create the folder", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with trying("could not write", target), _locked(target.parent / ".lock"):
        if target.is_file() and _hash(target, file.digest) == file.digest.value:
            return None
        part = target.with_name(target.name + ".part")
        answers = []
        for url in urls:
            with _Part(part, file, progress) as sink:
                try:
                    _fetch_from(url, sink, limits)
                except _MirrorError as error:
                    answers.append(Answer(url, str(error)))
                    continue
            part.replace(target)
            return url
    raise NoMirrorError(answers)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes and threads out; wait while one of them is in."""
    with path.open("ab") as file:
        told = False
        # Two at once may spoil each other's part, which its hash then shows.
        while not try_lock(file, "let one process fetch at a time"):
            if not told:
                logging.getLogger("mnistburn").info("another process fetches into %s", path.parent)
                told = True
            time.sleep(_SECONDS_BETWEEN_TRIES)
        # Closing the file gives the lock back. The file stays: another may be waiting for it.
        yield


def _hash(path: Path, digest: Digest) -> str:
    # No secret depends on it; where security policies forbid MD5, this use is allowed.
    function = hashlib.new(digest.algorithm, usedforsecurity=False)
    with path.open("rb") as content:
        return hashlib.file_digest(content, lambda: function).hexdigest()


class _Part:
    """The part of a file that has come."""

    def __init__(self, path: Path, file: KnownFile, progress: CountProgress | None) -> None:
        self.file = file
        # None until a server tells it.
        self.size = file.size if file.exact_size else None
        self._path = path
        self._progress = progress
        # Unbuffered: what came is in the file when the process is killed.
        self._out = path.open("ab+", buffering=0)
        self.done = os.fstat(self._out.fileno()).st_size

    def __enter__(self) -> Self:
        if self.done > self.most_bytes:
            self.restart()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        if not self.done:
            self._path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget all that came."""
        self._out.truncate(0)
        self.size = self.file.size if self.file.exact_size else None
        self.done = 0
        self._show()

    def write(self, chunk: bytes) -> None:
        """Take what comes next."""
        rest = memoryview(chunk)
        while rest:
            # Counted as it is written: a full disk may take a beginning.
            written = self._out.write(rest)
            self.done += written
            rest = rest[written:]
        self._show()

    @property
    def most_bytes(self) -> int:
        """The number of bytes that may come: the size, where it is known."""
        return self.file.most_bytes if self.size is None else self.size

    @property
    def whole(self) -> bool:
        """Whether all bytes have come."""
        return self.done == self.size

    def verify(self) -> None:
        """Check the hash of what is in the file; a wrong one forgets all that came."""
        digest = self.file.digest
        found = _hash(self._path, digest)
        if found != digest.value:
            self.restart()
            message = f"the content is another: its {digest.title} is {found}"
            raise _WrongHashError(message)
        sync(self._out.fileno())

    def _show(self) -> None:
        if self._progress is not None:
            self._progress.show(self.done)


def _fetch_from(url: str, part: _Part, limits: Limits) -> None:
    """Bring a part to its end from one mirror."""
    use_range = True
    problem = ""
    for _ in range(limits.attempts):
        before = part.done
        begun = before if use_range else 0
        try:
            if not part.whole:
                _request(url, part, limits, resume=begun > 0)
            part.verify()
        except _NoRangeError:
            use_range = False
        except _WrongHashError:
            # The beginning may be of another mirror or another day: once more, from nothing.
            if not begun:
                raise
        except _BreakError as error:
            problem = str(error)
            if part.done <= before:
                raise
        else:
            return
    message = f"it broke off {limits.attempts} times, at last: {problem}"
    raise _MirrorError(message)


def _request(url: str, part: _Part, limits: Limits, *, resume: bool) -> None:
    """Ask once, for the rest or for all, and write what comes."""
    if not resume:
        part.restart()
    seconds = limits.total + part.file.size / limits.bytes_per_second
    headers = {
        # Bytes as they are in the file: some servers compress once more, or decompress.
        "Accept-Encoding": "identity",
        "User-Agent": "mnistburn (data sets)",
    }
    if resume:
        headers["Range"] = f"bytes={part.done}-"
    with _Deadline(seconds) as deadline, requests.Session() as session:
        # Neither ~/.netrc nor cookies: a mirror needs to know nobody.
        session.auth = _no_credentials
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(deadline))
        with _as_mirror_error(deadline):
            response = _open(session, url, headers, limits)
        with response:
            expected = _expected_length(response, part, resume=resume)
            while part.done < part.most_bytes:
                with _as_mirror_error(deadline):
                    chunk = response.raw.read1(_CHUNK, decode_content=False)
                if not chunk:
                    break
                # A body without an end is no reason to fill the disk.
                part.write(chunk[: part.most_bytes - part.done])
    if not part.whole:
        if deadline.passed:
            raise _MirrorError(deadline.message)
        if part.size is None:
            # Nobody told a length: where the body ends the file does, and its hash decides.
            return
        message = f"the file ended after {part.done} of {part.size} bytes"
        if expected is None and response.headers.get("Transfer-Encoding", "") == "":
            raise _BreakError(message)
        part.restart()
        raise _MirrorError(message)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _open(
    session: requests.Session, url: str, headers: dict[str, str], limits: Limits
) -> requests.Response:
    """Follow redirects that lead to a server as safe as the first one."""
    for _ in range(limits.redirects + 1):
        response = session.get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect, limits.idle),
        )
        session.cookies.clear()
        if response.status_code not in _REDIRECTS:
            return response
        response.close()
        place = urljoin(url, response.headers.get("Location", ""))
        scheme = urlsplit(place).scheme
        if scheme not in {"http", "https"}:
            message = f"it points to {place}, which is neither http nor https"
            raise _MirrorError(message)
        if scheme == "http" and urlsplit(url).scheme == "https":
            message = f"it points from https to {place}, which is not encrypted"
            raise _MirrorError(message)
        url = place
    message = f"more than {limits.redirects} redirects"
    raise _MirrorError(message)


def _expected_length(response: requests.Response, part: _Part, *, resume: bool) -> int | None:
    """Check status and headers; return the length that they promise, if any."""
    if resume and response.status_code == _RANGE_NOT_SATISFIABLE:
        raise _NoRangeError
    if resume and response.status_code == _PARTIAL:
        found = re.fullmatch(
            r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "")
        )
        last = None if part.size is None else part.size - 1
        if not found or int(found[1]) != part.done or last not in (None, int(found[2])):
            raise _NoRangeError
    elif response.status_code == _OK:
        if resume:
            part.restart()
    else:
        message = f"the answer was HTTP {response.status_code} {response.reason or ''}".rstrip()
        raise _MirrorError(message)
    length = response.headers.get("Content-Length")
    return None if length is None else _checked_length(length, part)


def _checked_length(length: str, part: _Part) -> int:
    """Return the length that a server promises, if it is one that the file may have."""
    rest = part.most_bytes - part.done
    promised = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else -1
    if promised < 0 or promised > rest or (part.size is not None and promised < rest):
        least = "at most " if part.size is None else ""
        message = f"it offers {length} bytes where there should be {least}{rest}"
        raise _MirrorError(message)
    part.size = part.done + promised
    return promised


@contextlib.contextmanager
def _as_mirror_error(deadline: "_Deadline") -> Iterator[None]:
    """Turn what the network raises into an error of the mirror."""
    try:
        yield
    # ValueError: an address or a header that no library can read.
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if deadline.passed:
            # What came is kept, and the rest asked of another mirror: this one is too slow.
            raise _MirrorError(deadline.message) from error
        raise _BreakError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Return in short what the libraries wrap several times."""
    cause: BaseException | None = error
    innermost = error
    while cause is not None:
        innermost = cause
        if isinstance(cause, urllib3.exceptions.NewConnectionError):
            cause = cause.__cause__
            continue
        if isinstance(cause, urllib3.exceptions.ConnectTimeoutError):
            return "no connection within the time limit"
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return "nothing came within the time limit"
        inner = [getattr(cause, "reason", None), *reversed(cause.args), cause.__cause__]
        cause = next((item for item in inner if isinstance(item, BaseException)), None)
    text = str(innermost) or type(innermost).__name__
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."


class _Deadline:
    """Ends a request that takes too long, whatever it is doing.

    A time limit of sockets is one of silence: a server that sends a byte now and then, in the
    headers too, could hold a request for ever. So the socket is shut down from another thread.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self.message = f"it took more than {seconds:.0f} s"
        self._lock = threading.Lock()
        self._sockets: list[Any] = []
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, item: Any) -> None:  # noqa: ANN401  a plain or an encrypted socket
        """Shut this socket down when the time is over."""
        with self._lock:
            self._sockets.append(item)
            if self.passed:
                self._shut_down()

    def _pass(self) -> None:
        with self._lock:
            self.passed = True
            self._shut_down()

    def _shut_down(self) -> None:
        for item in self._sockets:
            # Not the method of an encrypted socket, which another thread must not call.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(item, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Shows each connection to the deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__(max_retries=0)
        self._deadline = deadline

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _watched(pool.ConnectionCls, self._deadline)
        return pool


def _watched(kind: Any, deadline: _Deadline) -> Any:  # noqa: ANN401
    """Return a kind of connection that shows its socket to the deadline."""

    class Connection(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    return Connection
