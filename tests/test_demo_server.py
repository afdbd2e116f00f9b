"""The server of the demo answers its own page alone, and nothing that is sent to it hurts it."""

import http.client
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import numpy
import pytest
from demo_server import served

import mnistburn
from mnistburn import Model, ModelConfig
from mnistburn.demo.content import Content
from mnistburn.demo.server import ADDRESS, listen
from mnistburn.errors import ConfigError

# As many connections as these tests hold, with the server's ends.
CONNECTIONS = 1000


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ModelConfig(hidden_size=8), seed=2)


@pytest.fixture(scope="module")
def port(model: Model) -> Iterator[int]:
    with served(Content(model, "model", drawn=True), body_seconds=0.5) as port:
        yield port


def ask(
    port: int,
    path: str = "/",
    method: str = "GET",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Send a request, and return the answer's status, headers and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(ADDRESS, port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host="Host" in named)
        if body is not None and "Content-Length" not in named:
            named["Content-Length"] = str(len(body))
        for name, value in named.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that comes until the end."""
    with socket.create_connection((ADDRESS, port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)


def test_every_answer_has_a_strict_policy(port: int) -> None:
    for path in ("/", "/page.js", "/nothing"):
        _, headers, _ = ask(port, path)
        policy = headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/..%2f..%2fserver.py",
        "/%2e%2e/server.py",
        "/..\\server.py",
        "//127.0.0.1/server.py",
        "/%00page.js",
        "/page.js%00",
        "/etc/passwd",
        "//etc/passwd",
        "/\\\\host\\share",
        "/network.js",
        "/page/page.js",
        "/page.js/",
    ],
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    status, _, body = ask(port, path)
    assert status in {307, 400, 404}
    assert b"import" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    "host",
    ["evil.com", "127.0.0.1.nip.io", "evil.com:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}"],
)
def test_another_host_is_refused(port: int, host: str) -> None:
    status, _, body = ask(port, "/about.json", Host=host.format(port=port))
    assert status == 421
    assert b"class_names" not in body


def test_no_host_or_two_are_refused(port: int) -> None:
    assert b" 400 " in raw(port, b"GET / HTTP/1.1\r\n\r\n").split(b"\r\n")[0]
    assert b" 421 " in raw(port, b"GET / HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    two = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.com\r\n\r\n"
    assert raw(port, two.encode()).split(b"\r\n")[0].split()[1] in {b"400", b"421"}


def test_the_own_names_are_taken(port: int) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert ask(port, Host=f"{name}:{port}")[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_origin_is_refused(port: int, headers: dict[str, str]) -> None:
    named = {name.replace("-", "_"): value.format(port=port) for name, value in headers.items()}
    assert ask(port, "/logits", "POST", bytes(784), **named)[0] == 403
    assert ask(port, "/about.json", "GET", None, **named)[0] == 403


def test_its_own_page_and_a_link_to_it_are_taken(port: int) -> None:
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert ask(port, "/logits", "POST", bytes(784), **own)[0] == 200
    assert ask(port, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200


def test_logits_and_images_are_those_of_the_package(port: int, model: Model) -> None:
    images = mnistburn.datasets.load("mnist", "test")[:3].images
    status, _, body = ask(port, "/logits", "POST", images.tobytes())
    assert status == 200
    found = numpy.frombuffer(body, dtype="<f4").reshape(3, 10)
    assert numpy.array_equal(found, model.forward(images))
    grey = numpy.kron(255 - images[0].reshape(28, 28), numpy.ones((5, 5), dtype=numpy.uint8))
    opaque = numpy.stack([grey, grey, grey, numpy.full_like(grey, 255)], axis=2)
    _, _, body = ask(port, "/image?width=140&height=140", "POST", opaque.tobytes())
    again = numpy.frombuffer(body, dtype=numpy.uint8).reshape(28, 28)
    assert numpy.abs(again.astype(int) - images[0].reshape(28, 28)).mean() < 5


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/image", b"1234"),
        ("/image?width=1&height=1", b"12345"),
        ("/image?width=0&height=1", b""),
        ("/image?width=-1&height=1", b"1234"),
        ("/image?width=1e3&height=1", b"1234"),
        ("/image?width=1025&height=1", bytes(4100)),
        ("/image?width=" + "9" * 400 + "&height=1", b"1234"),
        ("/logits", b""),
        ("/logits", bytes(783)),
        ("/logits", bytes(784 * 1025)),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else len(value),
)
def test_what_is_no_picture_gets_a_reason(port: int, path: str, body: bytes) -> None:
    status, _, answer = ask(port, path, "POST", body)
    assert status == 400
    assert answer


def test_other_methods_are_refused(port: int) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(port, "/logits", method)[0] == 405
    assert ask(port, "/logits")[0] == 405
    assert ask(port, "/page.js", "POST", b"")[0] == 405


def head(port: int, *lines: str) -> bytes:
    return "\r\n".join(
        ["POST /logits HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, "", ""]
    ).encode()


def test_a_body_that_is_too_large_is_refused_before_it_comes(port: int) -> None:
    with socket.create_connection((ADDRESS, port), timeout=30) as connection:
        connection.sendall(head(port, "Content-Length: 104857600"))
        assert b" 413 " in connection.recv(4096)
    with socket.create_connection((ADDRESS, port), timeout=30) as connection:
        connection.sendall(head(port, "Transfer-Encoding: chunked"))
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        # 16 MiB, of which four are taken at most.
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(256):
                connection.sendall(chunk)
        assert b" 413 " in connection.recv(4096)
    assert ask(port)[0] == 200


@pytest.mark.parametrize("length", ["-1", "x", "1, 2", "9" * 30])
def test_a_length_that_is_none_is_refused(port: int, length: str) -> None:
    answer = raw(port, head(port, f"Content-Length: {length}"))
    assert answer.split(b"\r\n")[0].split()[1] in {b"400", b"413"}
    assert ask(port)[0] == 200


def test_a_body_that_does_not_come_ends_in_time(port: int) -> None:
    with socket.create_connection((ADDRESS, port), timeout=30) as connection:
        connection.sendall(head(port, "Content-Length: 784") + bytes(700))
        assert b" 408 " in connection.recv(4096)


def test_headers_that_do_not_end_are_refused(port: int) -> None:
    answer = raw(port, b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 100_000)
    assert b" 400 " in answer or answer == b""
    assert ask(port)[0] == 200


def test_a_thousand_idle_connections_keep_nobody_out(port: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3 * CONNECTIONS:
        pytest.skip("this machine lets a process open too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * CONNECTIONS), hard))
    try:
        with ExitStack() as idle:
            for number in range(CONNECTIONS):
                connection = socket.create_connection((ADDRESS, port), timeout=30)
                idle.enter_context(connection)
                if number % 2:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: 127")
                if number == 0:
                    oldest = connection
            assert ask(port)[0] == 200
            assert ask(port, "/logits", "POST", bytes(784))[0] == 200
            # It was closed to make room.
            with suppress(ConnectionResetError):
                assert oldest.recv(1) == b""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_odd_requests_leave_it_alive(port: int) -> None:
    random = numpy.random.default_rng(8)
    whole = head(port, "Origin: http://127.0.0.1", "Content-Length: 784") + bytes(784)
    connection = socket.create_connection((ADDRESS, port), timeout=30)
    answered = 0
    for _ in range(10_000):
        request = bytearray(whole[: random.integers(1, 400)])
        for place in random.integers(0, len(request), random.integers(1, 6)):
            request[place] = random.integers(0, 256)
        with connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            try:
                answered += bool(connection.recv(64))
            except ConnectionResetError:
                answered += 1
        connection = socket.create_connection((ADDRESS, port), timeout=30)
    connection.close()
    assert answered > 1000
    assert ask(port, "/logits", "POST", bytes(784))[0] == 200


def test_a_connection_may_not_idle(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnistburn.demo.server._WAITING_SECONDS", 0.2)
    with served(Content(model, "model", drawn=True)) as port:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: 127"):
            with socket.create_connection((ADDRESS, port), timeout=30) as connection:
                connection.sendall(sent)
                with suppress(ConnectionResetError):
                    assert connection.recv(1) == b""
        # Not after an answer either.
        request = f"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        with socket.create_connection((ADDRESS, port), timeout=30) as connection:
            connection.sendall(request)
            answer = b""
            with suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    answer += part
            assert answer.startswith(b"HTTP/1.1 200")


def test_it_is_bound_to_this_machine_alone() -> None:
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told_and_by_default_another_is_used() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use by another program"):
            listen(port)
    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]
