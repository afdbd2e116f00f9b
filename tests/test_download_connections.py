"""Fetching of files: slow servers, redirects, TLS and proxies."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from download_server import Behaviour, Request, Server, closed_port, running
from downloads import BODY, FILE, PATIENT, QUICK, answers, part_of

from mnistburn.datasets.download import LIMITS, Limits, NoMirrorError, fetch

pytestmark = pytest.mark.usefixtures("no_proxy")


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


def redirect(place: str, status: int = 302) -> Behaviour:
    return lambda request: request.answer(b"", status=status, Location=place)


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
