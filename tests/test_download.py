"""Fetching of files, from servers that are broken, slow or hostile."""

import contextlib
import errno
import gzip
import hashlib
import os
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import trustme
from download_server import Behaviour, Request, Server, closed_port, running

from mnistburn.datasets import download, store
from mnistburn.datasets.download import LIMITS, Answer, Limits, NoMirrorError, fetch
from mnistburn.datasets.known import KnownFile
from mnistburn.progress import start_count

BODY = gzip.compress(
    numpy.random.default_rng(1).integers(0, 256, 300_000, dtype=numpy.uint8).tobytes(), mtime=0
)
FILE = KnownFile("images.gz", len(BODY), hashlib.sha256(BODY).hexdigest(), 300_000)

# Far above what a loaded machine needs for an honest answer, and short where one is waited for.
QUICK = Limits(connect=5.0, idle=0.5, total=1.5, bytes_per_second=1e9)
PATIENT = Limits(connect=5.0, idle=10.0, total=30.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of the machine that the tests run on."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.behaviours.clear()
    running_server.log.clear()
    running_server.on("/good", lambda request: request.serve(BODY))
    return running_server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls_server(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with running(context) as server:
        server.on("/good", lambda request: request.serve(BODY))
        yield server


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the servers of the authority."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "images.gz"


def answers(urls: list[str], target: Path, limits: Limits = PATIENT) -> tuple[Answer, ...]:
    """Fetch what no mirror gives; nothing is under the final name afterwards."""
    with pytest.raises(NoMirrorError) as caught:
        fetch(FILE, urls, target, limits=limits)
    assert not target.exists()
    return caught.value.answers


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def chunked(*chunks: bytes, end: bool = True) -> Behaviour:
    def behave(request: Request) -> None:
        request.answer(b"", Content_Length=None, Transfer_Encoding="chunked")
        for chunk in chunks:
            request.chunk(chunk)
        if end:
            request.wfile.write(b"0\r\n\r\n")

    return behave


def flipped(position: int) -> bytes:
    body = bytearray(BODY)
    body[position] ^= 1
    return bytes(body)


def redirect(place: str, status: int = 302) -> Behaviour:
    return lambda request: request.answer(b"", status=status, Location=place)


def test_a_good_file_is_put_in_its_place(server: Server, target: Path) -> None:
    url = server.url + "/good"
    assert fetch(FILE, [url], target, limits=PATIENT) == url
    assert target.read_bytes() == BODY
    assert sorted(path.name for path in target.parent.iterdir()) == [".lock", "images.gz"]
    # It is known again.
    assert fetch(FILE, [url], target, limits=PATIENT) is None
    assert len(server.log) == 1


# The page of an error, a proxy's login page, and bodies of other lengths, contents and forms.
WRONG: dict[str, tuple[Behaviour, str]] = {
    "404": (lambda r: r.answer(b"<html>no</html>", status=404), "HTTP 404 Not Found"),
    "500": (lambda r: r.answer(b"<html>no</html>", status=500), "HTTP 500"),
    "206 unasked": (
        lambda r: r.answer(BODY[9:], status=206, Content_Range=f"bytes 9-{len(BODY) - 1}/*"),
        "HTTP 206",
    ),
    "304": (lambda r: r.answer(b"", status=304), "HTTP 304"),
    "a page": (lambda r: r.answer(b"<html>log in</html>"), "offers 19 bytes"),
    "an empty page": (lambda r: r.answer(b""), "offers 0 bytes"),
    "a chunked page": (chunked(b"<html>log in</html>"), "ended after 19 of"),
    "an empty chunked page": (chunked(), "ended after 0 of"),
    "a length too large": (lambda r: r.answer(BODY, Content_Length=len(BODY) + 1), "offers"),
    "a length too small": (lambda r: r.answer(BODY, Content_Length=len(BODY) - 1), "offers"),
    "no length": (lambda r: r.answer(BODY, Content_Length="many"), "many"),
    "a wrong hash": (lambda r: r.answer(bytes(len(BODY))), "its SHA-256 is "),
    "a flipped bit": (lambda r: r.answer(flipped(200_000)), "its SHA-256 is "),
    "a flipped bit, chunked": (chunked(flipped(0)), "its SHA-256 is "),
    "no HTTP": (lambda r: r.wfile.write(b"hello\r\n\r\n"), "hello"),
    "nothing": (lambda r: r.connection.close(), ""),
    "headers without an end": (
        lambda r: r.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200),
        "headers",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_refused_and_the_next_mirror_asked(
    name: str, server: Server, target: Path
) -> None:
    behaviour, part = WRONG[name]
    bad = server.on("/bad", behaviour)
    (answer,) = answers([bad], target)
    assert answer.url == bad
    assert part in answer.problem
    assert not part_of(target).exists()
    good = server.url + "/good"
    assert fetch(FILE, [bad, good], target, limits=PATIENT) == good
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "behaviour", [chunked(BODY[:1000], BODY[1000:]), lambda r: r.answer(BODY, Content_Length=None)]
)
def test_a_length_need_not_be_told(behaviour: Behaviour, server: Server, target: Path) -> None:
    fetch(FILE, [server.on("/file", behaviour)], target, limits=PATIENT)
    assert target.read_bytes() == BODY


def test_a_body_that_calls_itself_compressed_is_taken_as_it_is(
    server: Server, target: Path
) -> None:
    url = server.on("/file", lambda request: request.answer(BODY, Content_Encoding="gzip"))
    fetch(FILE, [url], target, limits=PATIENT)
    assert target.read_bytes() == BODY


def test_a_truncated_body_is_gone_on_with(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        begin = request.offset()
        request.serve(BODY, until=begin + 100_000)

    url = server.on("/file", behave)
    assert fetch(FILE, [url], target, limits=PATIENT) == url
    assert target.read_bytes() == BODY
    assert server.ranges("/file") == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


@pytest.mark.parametrize("end", ["chunked", "closed"])
def test_a_body_without_length_that_breaks_off_is_gone_on_with(
    end: str, server: Server, target: Path
) -> None:
    def behave(request: Request) -> None:
        if request.offset():
            request.serve(BODY)
        elif end == "chunked":
            chunked(BODY[:50_000], end=False)(request)
        else:
            request.answer(BODY[:50_000], Content_Length=None)

    fetch(FILE, [server.on("/file", behave)], target, limits=PATIENT)
    assert target.read_bytes() == BODY
    assert server.ranges("/file") == [None, "bytes=50000-"]


def test_a_mirror_that_gives_nothing_more_is_left_and_the_next_gives_the_rest(
    server: Server, target: Path
) -> None:
    def behave(request: Request) -> None:
        request.serve(BODY, until=100_000)

    stuck, good = server.on("/stuck", behave), server.url + "/good"
    assert fetch(FILE, [stuck, good], target, limits=PATIENT) == good
    assert target.read_bytes() == BODY
    assert server.log == [
        ("/stuck", None),
        ("/stuck", "bytes=100000-"),
        ("/good", "bytes=100000-"),
    ]


def test_what_came_is_kept_for_another_day(server: Server, target: Path) -> None:
    url = server.on("/file", lambda request: request.serve(BODY, until=100_000))
    (answer,) = answers([url], target)
    assert "100000" in answer.problem or "IncompleteRead" in answer.problem
    assert part_of(target).read_bytes() == BODY[:100_000]
    fetch(FILE, [server.url + "/good"], target, limits=PATIENT)
    assert server.ranges("/good") == ["bytes=100000-"]
    assert target.read_bytes() == BODY


def test_attempts_at_a_mirror_are_counted(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        request.serve(BODY, until=request.offset() + 1)

    (answer,) = answers([server.on("/file", behave)], target)
    assert answer.problem.startswith("it broke off 10 times, at last: ")
    assert part_of(target).stat().st_size == 10


# A server that knows no ranges, ones that give another part or refuse it.
RANGES: dict[str, Behaviour] = {
    "ignored": lambda r: r.answer(BODY),
    "from the start": lambda r: r.answer(
        BODY, status=206, Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}"
    ),
    "too short": lambda r: r.answer(
        BODY[1000:2000], status=206, Content_Range=f"bytes 1000-1999/{len(BODY)}"
    ),
    "of another file": lambda r: r.answer(
        bytes(500), status=206, Content_Range="bytes 1000-1499/1500"
    ),
    "unnamed": lambda r: r.answer(BODY[1000:], status=206),
    "nonsense": lambda r: r.answer(BODY[1000:], status=206, Content_Range="bytes x-y/z"),
    "not satisfiable": lambda r: r.answer(b"", status=416),
}


@pytest.mark.parametrize("name", RANGES)
def test_a_wrong_range_starts_anew(name: str, server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        if request.offset():
            RANGES[name](request)
        else:
            request.answer(BODY)

    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:1000])
    fetch(FILE, [server.on("/file", behave)], target, limits=PATIENT)
    assert target.read_bytes() == BODY
    assert server.ranges("/file")[0] == "bytes=1000-"
    assert len(server.log) <= 2


@pytest.mark.parametrize(
    "rest",
    [bytes(1000), bytes(len(BODY)), bytes(len(BODY) + 1), flipped(5)],
    ids=["short", "of the same size", "too long", "with a flipped bit"],
)
def test_a_part_of_something_else_starts_anew(rest: bytes, server: Server, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(rest)
    fetch(FILE, [server.url + "/good"], target, limits=PATIENT)
    assert target.read_bytes() == BODY
    assert server.ranges("/good")[-1] is None


def test_a_whole_part_needs_no_server(target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(BODY)
    url = f"http://127.0.0.1:{closed_port()}/file"
    assert fetch(FILE, [url], target, limits=PATIENT) == url
    assert target.read_bytes() == BODY


# A file of which only the MD5 and roughly the size were published.
ROUGH = KnownFile(
    "images.npz",
    len(BODY) // 10 * 9,
    None,
    md5=hashlib.md5(BODY, usedforsecurity=False).hexdigest(),
    exact_size=False,
)

LENGTHS: dict[str, Behaviour] = {
    "told": lambda r: r.serve(BODY),
    "not told": lambda r: r.answer(BODY, Content_Length=None),
    "in chunks": chunked(BODY[:1000], BODY[1000:]),
    "broken off": lambda r: r.serve(BODY, until=r.offset() + 100_000),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("begun", [0, 1000])
def test_a_size_need_not_be_known(name: str, begun: int, server: Server, target: Path) -> None:
    target.parent.mkdir()
    if begun:
        part_of(target).write_bytes(BODY[:begun])
    url = server.on("/file", LENGTHS[name])
    assert fetch(ROUGH, [url], target, limits=PATIENT) == url
    assert target.read_bytes() == BODY
    assert server.ranges("/file")[0] == (f"bytes={begun}-" if begun else None)
    assert fetch(ROUGH, [url], target, limits=PATIENT) is None


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (lambda r: r.answer(flipped(5)), "its MD5 is "),
        (lambda r: r.answer(b"<html>log in</html>"), "its MD5 is "),
        (lambda r: r.answer(BODY, Content_Length=2 * len(BODY)), "should be at most "),
        (lambda r: r.answer(BODY, Content_Length="many"), "many"),
        (lambda r: r.answer(BODY + BODY, Content_Length=None), "its MD5 is "),
    ],
    ids=["a flipped bit", "a page", "a length too large", "no length", "a body too long"],
)
def test_a_wrong_file_of_unknown_size_is_refused(
    behaviour: Behaviour, problem: str, server: Server, target: Path
) -> None:
    with pytest.raises(NoMirrorError) as caught:
        fetch(ROUGH, [server.on("/bad", behaviour)], target, limits=PATIENT)
    (answer,) = caught.value.answers
    assert problem in answer.problem
    assert not target.exists()
    assert not part_of(target).exists()


def endless(request: Request) -> None:
    request.answer(b"", Content_Length=None)
    while True:
        request.wfile.write(bytes(1 << 16))


def endless_chunks(request: Request) -> None:
    request.answer(b"", Content_Length=None, Transfer_Encoding="chunked")
    while True:
        request.chunk(bytes(1 << 16))


@pytest.mark.parametrize("behaviour", [endless, endless_chunks])
def test_an_endless_body_stops_at_the_known_size(
    behaviour: Behaviour, server: Server, target: Path
) -> None:
    sizes = []

    class Sizes:
        def show(self, done: int) -> None:
            sizes.append(done)

        def close(self) -> None:
            pass

    with pytest.raises(NoMirrorError, match="its SHA-256 is"):
        fetch(FILE, [server.on("/f", behaviour)], target, limits=PATIENT, progress=Sizes())
    assert max(sizes) == FILE.size
    huge = server.on("/huge", lambda request: request.answer(b"", Content_Length=10 << 30))
    (answer,) = answers([huge], target)
    assert f"offers {10 << 30} bytes" in answer.problem


def trickle(request: Request) -> None:
    begin = request.offset()
    request.serve(BODY, until=begin)
    for byte in BODY[begin:]:
        request.wfile.write(bytes([byte]))
        time.sleep(0.1)


def trickle_headers(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.wfile.write(b"A")
        time.sleep(0.1)


def silent_body(request: Request) -> None:
    request.answer(BODY[:1000], Content_Length=len(BODY))
    request.wait()


@pytest.mark.parametrize(
    ("behaviour", "part"),
    [
        (trickle, "more than 2 s"),
        (trickle_headers, "more than 2 s"),
        (silent_body, "nothing came"),
        (lambda request: request.wait(), "nothing came"),
    ],
    ids=["trickle", "trickle of headers", "silent in the body", "silent before the headers"],
)
def test_a_slow_server_is_left(
    behaviour: Behaviour, part: str, server: Server, target: Path
) -> None:
    slow, good = server.on("/slow", behaviour), server.url + "/good"
    begin = time.monotonic()
    with pytest.raises(NoMirrorError, match=part):
        fetch(FILE, [slow], target, limits=QUICK)
    assert time.monotonic() - begin < 4.0
    # A mirror that is slow, not broken, is not asked for the rest.
    assert behaviour is not trickle or server.ranges("/slow") == [None]
    assert fetch(FILE, [slow, good], target, limits=Limits(5.0, 0.5, 0.6, 1e9)) == good
    assert target.read_bytes() == BODY


def test_the_default_limits_let_a_slow_line_have_its_file() -> None:
    assert (LIMITS.connect, LIMITS.idle) == (10.0, 30.0)
    # 60 MB at 160 kbit/s.
    assert LIMITS.total + 60e6 / LIMITS.bytes_per_second == 3060.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed(status: int, server: Server, target: Path) -> None:
    # The same machine under another name.
    place = server.url.replace("127.0.0.1", "localhost") + "/good"
    url = server.on("/moved", redirect(place, status))
    assert fetch(FILE, [url], target, limits=PATIENT) == url
    assert target.read_bytes() == BODY


def test_a_redirect_keeps_the_range(server: Server, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:1000])
    fetch(FILE, [server.on("/moved", redirect("/good"))], target, limits=PATIENT)
    assert server.ranges("/good") == ["bytes=1000-"]


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("file:///etc/passwd", "neither http nor https"),
        ("ftp://127.0.0.1/good", "neither http nor https"),
        ("data:,hello", "neither http nor https"),
        ("/loop", "more than 5 redirects"),
        ("", "more than 5 redirects"),
        ("http://[", ""),
        ("http://127.0.0.1:99999/", ""),
    ],
)
def test_a_redirect_astray_is_refused(place: str, part: str, server: Server, target: Path) -> None:
    (answer,) = answers([server.on("/loop", redirect(place))], target)
    assert part in answer.problem
    assert len(server.log) <= 6


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_https_to_http_is_refused(
    tls_server: Server, server: Server, target: Path
) -> None:
    down = tls_server.on("/down", redirect(server.url + "/good"))
    (answer,) = answers([down], target)
    assert "not encrypted" in answer.problem
    assert server.log == []
    # The other way round, and from https to https, is all right.
    up = server.on("/up", redirect(tls_server.url + "/good"))
    assert fetch(FILE, [up], target, limits=PATIENT) == up
    target.unlink()
    same = tls_server.on("/same", redirect("/good"))
    assert fetch(FILE, [same], target, limits=PATIENT) == same


def test_a_certificate_of_nobody_is_refused(tls_server: Server, target: Path) -> None:
    (answer,) = answers([tls_server.url + "/good"], target)
    assert "certificate verify failed" in answer.problem


@pytest.mark.usefixtures("trusted")
def test_a_slow_server_with_tls_is_left(tls_server: Server, target: Path) -> None:
    limits = Limits(5.0, 0.5, 1.0, 1e9)
    (answer,) = answers([tls_server.on("/slow", trickle_headers)], target, limits)
    assert answer.problem == "it took more than 1 s"


def test_proxies_of_the_environment_are_used(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("http://mirror.invalid/file", lambda request: request.serve(BODY))
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("https_proxy", server.url)
    fetch(FILE, ["http://mirror.invalid/file"], target, limits=PATIENT)
    assert target.read_bytes() == BODY
    target.unlink()
    (answer,) = answers(["https://mirror.invalid/file"], target)
    assert "403" in answer.problem
    assert server.log[-1] == ("CONNECT mirror.invalid:443", None)
    # The limits hold behind a proxy.
    server.on("http://mirror.invalid/slow", trickle_headers)
    limits = Limits(5.0, 0.5, 1.0, 1e9)
    (answer,) = answers(["http://mirror.invalid/slow"], target, limits)
    assert answer.problem == "it took more than 1 s"


def test_servers_are_told_nothing_but_what_is_wanted(
    server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen: list[Any] = []

    def behave(request: Request) -> None:
        seen.append(dict(request.headers))
        if len(seen) == 1:
            request.answer(b"", status=302, Location="/file", Set_Cookie="who=me")
        else:
            request.answer(BODY)

    fetch(FILE, [server.on("/file", behave)], target, limits=PATIENT)
    for headers in seen:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert headers["User-Agent"] == "mnistburn (data sets)"
        # Neither compressed on the way nor decompressed.
        assert headers["Accept-Encoding"] == "identity"
    assert len(seen) == 2


def test_offline_every_mirror_is_named(target: Path) -> None:
    urls = [f"http://127.0.0.1:{closed_port()}/{name}" for name in "ab"]
    found = answers(urls, target)
    assert [answer.url for answer in found] == urls
    assert all("refused" in answer.problem for answer in found)
    assert [path.name for path in target.parent.iterdir()] == [".lock"]


def test_a_poisoned_file_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    for poison in (b"", b"poison", bytes(len(BODY)), flipped(7)):
        target.write_bytes(poison)
        fetch(FILE, [server.url + "/good"], target, limits=PATIENT)
        assert target.read_bytes() == BODY


def test_a_bomb_is_not_decompressed(tmp_path: Path) -> None:
    # 256 MB in 256 kB, with the right hash: the size that is known is the limit all the same.
    bomb = gzip.compress(bytes(1 << 28), 9)
    file = KnownFile("bomb.gz", len(bomb), hashlib.sha256(bomb).hexdigest(), 100_000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(store._DamagedError, match="does not decompress to 100000 bytes"):
            store._content(path, file)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    with path.open("wb") as file:
        file.truncate(8 << 30)
    with pytest.raises(store._DamagedError, match="too large"):
        store._content(path, FILE)


@pytest.mark.skipif(sys.platform == "win32", reason="ENOTDIR is FileExistsError there")
def test_a_folder_that_cannot_be_made_is_named(server: Server, target: Path) -> None:
    target.parent.write_bytes(b"in the way")
    with pytest.raises(OSError, match=str(target.parent)):
        fetch(FILE, [server.url + "/good"], target, limits=PATIENT)
    assert server.log == []


def test_lines_tell_of_the_progress(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    display = start_count(enabled=True, title="set images.gz", total=FILE.size, unit="B")
    assert display is not None
    fetch(FILE, [server.url + "/good"], target, limits=PATIENT, progress=display)
    display.close()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("set images.gz: 0.3 MB in ")
    assert start_count(enabled=False, title="", total=1, unit="B") is None


def test_a_bar_shows_the_progress(
    server: Server,
    target: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mnistburn.progress._on_terminal", lambda: True)
    threads = threading.active_count()
    target.parent.mkdir()
    part_of(target).write_bytes(BODY[:100_000])
    display = start_count(enabled=True, title="set images.gz", total=FILE.size, unit="B")
    assert display is not None
    fetch(FILE, [server.url + "/good"], target, limits=PATIENT, progress=display)
    display.close()
    assert "set images.gz: " in capsys.readouterr().err
    assert threading.active_count() <= threads + 1  # the server's


SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
from mnistburn.datasets.download import Limits, fetch
from mnistburn.datasets.known import KnownFile

url, target, size, sha256 = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
file = KnownFile("images.gz", size, sha256, 300_000)

def get():
    return fetch(file, [url], target, limits=Limits(5.0, 10.0, 30.0))
"""


def run(script: str, url: str, target: Path) -> "subprocess.Popen[str]":
    arguments = [url, str(target), str(FILE.size), FILE.digest.value]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + script, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
def test_a_full_disk_is_no_fault_of_the_mirror(server: Server, target: Path) -> None:
    # A limit for the size of files, which fails a write as a full disk does.
    # An address of its own: what an earlier test asked for may be logged late.
    server.on("/disk", lambda request: request.serve(BODY))
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    get()
except OSError as error:
    print(error.errno)
"""
    assert int(run(script, server.url + "/disk", target).communicate(timeout=60)[0]) == errno.EFBIG
    assert server.ranges("/disk") == [None]
    assert not target.exists()
    # With room again, it goes on.
    fetch(FILE, [server.url + "/disk"], target, limits=PATIENT)
    assert server.ranges("/disk") == [None, "bytes=100000-"]


def test_two_processes_fetch_once(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        request.answer(BODY[:1000], Content_Length=len(BODY))
        time.sleep(1.0)
        request.wfile.write(BODY[1000:])

    url = server.on("/file", behave)
    script = "print('came' if get() else 'was there')"
    processes = [run(script, url, target) for _ in range(3)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["came", "was there", "was there"]
    assert target.read_bytes() == BODY
    assert server.ranges("/file") == [None]


def test_two_threads_fetch_once(server: Server, target: Path) -> None:
    url = server.url + "/good"
    came: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: came.append(fetch(FILE, [url], target, limits=PATIENT)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came, key=str) == [None, None, None, url]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are of Unix")
def test_a_kill_at_any_point_leaves_nothing_wrong(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        begin = request.offset()
        request.serve(BODY, until=begin)
        with contextlib.suppress(ConnectionError):
            for start in range(begin, len(BODY), 2000):
                request.wfile.write(BODY[start : start + 2000])
                time.sleep(0.001)

    # A child for each kill; the wait grows so that some are killed early, some late, some not.
    script = """
import hashlib, warnings
warnings.simplefilter("ignore")
chance = random.Random(7)
killed = 0
for number in range(30):
    child = os.fork()
    if child == 0:
        get()
        os._exit(0)
    time.sleep(chance.uniform(0.0, 0.08))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed += os.WIFSIGNALED(status)
    if target.exists():
        assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256
        target.unlink()
get()
print(killed)
"""
    process = run(script, server.on("/file", behave), target)
    killed = int(process.communicate(timeout=100)[0])
    assert process.returncode == 0
    assert target.read_bytes() == BODY
    assert killed >= 10
    assert not part_of(target).exists()
    # The kills were in the middle: some of the work was gone on with.
    assert any(server.ranges("/file"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")
def test_another_process_that_fetches_is_waited_for_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    with (tmp_path / ".lock").open("ab") as other, caplog.at_level("INFO", logger="mnistburn"):
        fcntl.flock(other, fcntl.LOCK_EX)
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                other.close()

        monkeypatch.setattr(time, "sleep", sleep)
        with download._locked(tmp_path / ".lock"):
            assert len(waits) == 2
    assert caplog.messages == [f"another process fetches into {tmp_path}"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")
def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(file: Any, operation: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with download._locked(tmp_path / ".lock"):
        pass
    (message,) = caplog.messages
    assert str(tmp_path) in message
    assert "has no locks (Operation not supported)" in message
