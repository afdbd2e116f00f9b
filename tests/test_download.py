"""Fetching of files, from servers that are broken or hostile."""

import gzip
import hashlib
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from download_server import Behaviour, Request, Server, closed_port
from downloads import BODY, FILE, PATIENT, answers, flipped, part_of

from mnistburn.datasets import store
from mnistburn.datasets.download import NoMirrorError, fetch
from mnistburn.datasets.known import KnownFile
from mnistburn.progress import start_count

pytestmark = pytest.mark.usefixtures("no_proxy")


def chunked(*chunks: bytes, end: bool = True) -> Behaviour:
    def behave(request: Request) -> None:
        request.answer(b"", Content_Length=None, Transfer_Encoding="chunked")
        for chunk in chunks:
            request.chunk(chunk)
        if end:
            request.wfile.write(b"0\r\n\r\n")

    return behave


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
