"""The page that follows a run: what it shows, and that it shows it to nobody else."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_elements import Elements

import mnistburn
from mnistburn import Callback, Dataset, TrainingConfig
from mnistburn.callbacks import EpochEnd
from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.live_file import LIVE_FILE
from mnistburn.watch import followed_run
from mnistburn.watch.followed_run import FollowedRun
from mnistburn.watch.page import page_parts, watch_page
from mnistburn.watch.server import WatchServer

Pair = tuple[Dataset, Dataset]

NOW = {
    "epoch": 2,
    "step": 2,
    "images": 128,
    "images_of_line": 64,
    "loss": 1.5,
    "accuracy": 0.5,
    "mean_loss": 1.75,
    "mean_accuracy": 0.25,
    "learning_rate": 0.001,
    "images_per_second": 1234.5,
    "seconds_left": 75.0,
    "validating": False,
}


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, small_data: Pair, small_config: TrainingConfig
) -> Path:
    directory = tmp_path_factory.mktemp("watched") / "run"
    mnistburn.train(directory, small_config, "cpu", data=small_data, progress=False)
    return directory


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def write_live(directory: Path, *lines: dict[str, Any], **start: Any) -> None:
    """Write what a run of two epochs of four steps says while it is on."""
    first = {
        "epoch": 1,
        "num_epochs": 2,
        "train_steps": 4,
        "valid_steps": 1,
        "train_images": 256,
        "valid_images": 64,
        "device": "cpu",
        "older_run": None,
        **start,
    }
    rows = [{"start": first}, *({"now": {**NOW, **line}} for line in lines)]
    (directory / LIVE_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))


def kill(directory: Path) -> None:
    """Leave what a run leaves that is killed in its second epoch."""
    (directory / "history.json").unlink()
    rows = (directory / "history.jsonl").read_text().splitlines(keepends=True)
    kept = [row for row in rows if '"epoch":1' in row]
    (directory / "history.jsonl").write_text("".join(kept))


def text_of(markup: str) -> str:
    return re.sub(r"<[^>]+>", " ", markup)


def test_a_run_that_is_over_is_shown_whole(run: Path) -> None:
    state = FollowedRun(run).look()
    result = mnistburn.load_run(run)
    assert (state.phase, state.is_over, state.best_epoch) == ("completed", True, result.best_epoch)
    assert [row["valid_loss"] for row in state.epochs] == result.history["valid_loss"]
    assert list(state.train.loss) == result.history.train_steps["loss"]
    assert list(state.train.epochs) == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
    page = text_of(watch_page(state))
    assert "Complete, after 2 of 2 epochs" in page
    assert f"{result.history['valid_accuracy'][-1]:.4f}" in page
    assert "the run is complete" in page  # of the log


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path, made: Path) -> None:
    directory = tmp_path / "none" / "yet"
    followed = FollowedRun(directory)
    assert followed.look().phase == "waiting"
    assert "Waiting for a run to begin" in watch_page(followed.look())
    shutil.copytree(made, directory)
    assert followed.look().phase == "completed"


def test_a_run_that_is_on_shows_what_is_behind_its_last_checkpoint(run: Path) -> None:
    kill(run)
    write_live(run, {"step": 1, "images": 64, "loss": 9.0}, {"loss": 8.0})
    followed = FollowedRun(run)
    state = followed.look()
    assert state.phase == "training"
    assert len(state.epochs) == 1
    assert list(state.train.loss)[4:] == [9.0, 8.0]
    assert list(state.train.epochs)[4:] == [1.25, 1.5]
    page = text_of(watch_page(state))
    assert re.search(r"Epoch\s+2 of 2", page)
    assert re.search(r"Images per second\s+1,23[45]", page)
    assert re.search(r"Time left\s+1:15", page)
    assert "Training, epoch 2 of 2" in page
    write_live(run, {"validating": True})
    assert followed.look().phase == "validating"
    # Lines of steps that the history has count once.
    write_live(run, {"epoch": 1, "step": 3})
    assert len(followed.look().train.loss) == 4


def test_a_line_that_is_being_written_is_waited_for(run: Path) -> None:
    kill(run)
    rows = (run / "history.jsonl").read_bytes()
    cut = rows.index(b"\n") + 10
    (run / "history.jsonl").write_bytes(rows[:cut])
    followed = FollowedRun(run)
    assert len(followed.look().train.loss) == 1
    (run / "history.jsonl").write_bytes(rows)
    state = followed.look()
    assert (len(state.train.loss), len(state.epochs)) == (4, 1)


def test_a_run_without_news_is_told(run: Path) -> None:
    kill(run)
    write_live(run, {})
    before = time.time() - followed_run.SILENT_AFTER - 60
    os.utime(run / LIVE_FILE, (before, before))
    state = FollowedRun(run).look()
    assert state.phase == "silent"
    assert "The last line came 1:30 ago" in watch_page(state)
    (run / LIVE_FILE).unlink()
    state = FollowedRun(run).look()
    assert state.phase == "silent"
    assert "neither on nor over: its process was killed" in watch_page(state)


def test_the_files_of_an_older_run_are_not_taken_for_those_of_the_new_one(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    write_live(run, {"epoch": 1}, older_run=manifest["run"])
    followed = FollowedRun(run)
    state = followed.look()
    assert (state.phase, state.epochs, state.config) == ("training", (), None)
    assert list(state.train.loss) == [1.5]
    # The new run takes the place.
    (run / "manifest.json").write_text(json.dumps({**manifest, "run": "new"}))
    assert len(followed.look().epochs) == 2


def test_a_history_that_is_cut_and_written_on_is_read_anew(run: Path) -> None:
    followed = FollowedRun(run)
    assert len(followed.look().epochs) == 2
    kill(run)
    assert len(followed.look().epochs) == 1
    (run / "history.jsonl").unlink()
    assert len(followed.look().epochs) == 0


def test_a_run_of_a_version_without_rows_is_read_from_its_history(run: Path) -> None:
    (run / "history.jsonl").unlink()
    state = FollowedRun(run).look()
    assert (len(state.epochs), len(state.train.loss)) == (2, 8)


def test_a_history_that_says_only_whether_it_was_interrupted_is_understood(run: Path) -> None:
    content = json.loads((run / "history.json").read_text())
    del content["ended"]
    (run / "history.json").write_text(json.dumps(content))
    assert FollowedRun(run).look().phase == "completed"
    (run / "history.json").write_text(json.dumps({**content, "interrupted": True}))
    assert FollowedRun(run).look().phase == "interrupted"


def test_very_many_steps_are_joined_and_none_is_lost(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_run, "_MOST_STEPS", 4)
    steps = mnistburn.load_run(run).history.train_steps
    train = FollowedRun(run).look().train
    assert len(train.loss) < 4
    assert sum(train.images) == sum(steps["images"])
    assert train.epochs[-1] == 2.0
    for name in ("loss", "accuracy"):
        mean = sum(x * n for x, n in zip(getattr(train, name), train.images, strict=True))
        expected = sum(x * n for x, n in zip(steps[name], steps["images"], strict=True))
        assert mean == pytest.approx(expected)


def test_a_metric_that_is_not_finite_hides_no_epoch(run: Path) -> None:
    row = {"epoch": 3, "valid_loss": 1.0, "valid_accuracy": 0.5, "valid_own": None}
    with (run / "history.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": row}) + "\n")
    state = FollowedRun(run).look()
    assert [epoch["epoch"] for epoch in state.epochs] == [1, 2, 3]
    watch_page(state)


def test_damaged_files_are_no_error(run: Path) -> None:
    (run / "history.jsonl").write_text('[]\n7\n{"train_step": 3}\n{"epoch": {"epoch": "x"}}\n{\n')
    (run / "history.json").write_text('{"epochs": {"epoch": 3}, "ended": ["x"]}')
    (run / "config.json").write_text("{")
    (run / "data.json").write_text("[]")
    (run / "train.log").write_bytes(b"\xff\xfe\n<script>\n")
    (run / LIVE_FILE).write_text('{"start": {"epoch": 1}}\n')
    page = watch_page(FollowedRun(run).look())
    assert "&lt;script&gt;" in page
    for content in (b"", b"\0" * 100, b'{"start": 1}\n', b"[" * 100_000 + b"\n"):
        (run / LIVE_FILE).write_bytes(content)
        (run / "manifest.json").write_bytes(content)
        watch_page(FollowedRun(run).look())
    write_live(run, {"loss": "x"}, {"epoch": None}, {"loss": None, "mean_loss": None})
    state = FollowedRun(run).look()
    assert state.now is not None
    assert state.now["loss"] is None
    watch_page(state)


@pytest.mark.skipif(os.name == "nt", reason="a file name of Windows has no such characters")
def test_names_of_strangers_are_text(made: Path, tmp_path: Path) -> None:
    directory = tmp_path / "<script>alert(1)</script>\"'&"
    shutil.copytree(made, directory)
    (directory / "train.log").write_text("</pre><img src=x onerror=alert(1)>\n")
    page = watch_page(FollowedRun(directory).look())
    elements = Elements(page)
    assert [one["src"] for one in elements.all("script")] == ["watch.js"]
    assert elements.all("img") == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;" in page
    # Neither scripts nor styles stand in the page, which its policy would refuse.
    assert elements.all("style") == []
    elements.check_policy()


def test_the_page_has_what_a_screen_reader_needs(run: Path, tmp_path: Path) -> None:
    for directory in (run, tmp_path / "none"):
        elements = Elements(watch_page(FollowedRun(directory).look()))
        elements.check_structure()
        elements.check_policy()
        # What changes is told, and can be held still.
        assert ("p", {"id": "announcement", "role": "status"}) in elements.found
        assert elements.all("button")[0]["id"] == "pause"


@pytest.fixture
def server(run: Path) -> Iterator[WatchServer]:
    with WatchServer(run).in_background() as served:
        yield served


def ask(
    server: WatchServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*address(server), timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def address(server: WatchServer) -> tuple[str, int]:
    host, port = server.url.removeprefix("http://").removesuffix("/").split(":")
    return host, int(port)


def test_the_server_gives_the_page_and_what_it_needs(server: WatchServer, run: Path) -> None:
    status, headers, content = ask(server)
    assert status == 200
    assert content.decode() == watch_page(FollowedRun(run).look())
    links = [one["href"] for one in Elements(content.decode()).all("link")]
    for name, kind in zip([*links, "watch.js"], ("css", "svg", "javascript"), strict=True):
        status, headers, content = ask(server, f"/{name}")
        assert (status, bool(content)) == (200, True)
        assert kind in headers["Content-Type"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    status, _, content = ask(server, "/parts")
    parts = json.loads(content)
    assert parts["over"] is True
    assert parts["parts"] == page_parts(FollowedRun(run).look())


def test_every_answer_forbids_what_the_page_does_not_need(server: WatchServer) -> None:
    for path, method in (("/", "GET"), ("/parts", "GET"), ("/none", "GET"), ("/", "POST")):
        _, headers, _ = ask(server, path, method)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_script_and_the_style_ask_for_nothing_from_elsewhere() -> None:
    folder = Path(mnistburn.__file__).parent
    for path in (folder / "watch/watch.js", folder / "pages/pages.css"):
        text = path.read_text("utf-8")
        assert not re.search(r"https?:|url\(|@import|import\(", text), path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil:1"]
)
def test_another_host_is_refused(server: WatchServer, host: str) -> None:
    status, _, content = ask(server, "/parts", Host=host)
    assert status == 421
    assert b"Curves" not in content


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "LOCALHOST", "[::1]:80"])
def test_this_machine_is_a_host_also_behind_a_tunnel(server: WatchServer, host: str) -> None:
    assert ask(server, "/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_proper_request_is_refused(server: WatchServer, request_text: bytes) -> None:
    with socket.create_connection(address(server), timeout=30) as connection:
        connection.sendall(request_text)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    assert b"Curves" not in answer
    # To a request without a version the answer has no head.
    assert not answer or re.match(rb"HTTP/1\.\d 4\d\d |Bad Request|this page is for", answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_only_get_is_answered(server: WatchServer, method: str) -> None:
    status, headers, _ = ask(server, "/", method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path",
    ["/config.json", "/../run/config.json", "/%2e%2e/x", "//etc/passwd", "/pages.css/..", "/watch"],
)
def test_no_file_is_given_but_those_of_the_page(server: WatchServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.filterwarnings("error")
def test_a_browser_that_hangs_up_is_no_news_and_a_defect_is(
    server: WatchServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for error in (BrokenPipeError(), TimeoutError(), LookupError("defect")):

        def fail(error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(server._run, "look", fail)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            ask(server)
    server._server.shutdown()
    assert capfd.readouterr().err == ""
    assert [record.getMessage() for record in caplog.records] == ["the page could not be served"]


def test_a_closed_server_answers_no_more_on_an_open_connection(run: Path) -> None:
    with WatchServer(run).in_background() as server:
        connection = http.client.HTTPConnection(*address(server), timeout=30)
        connection.connect()
        connection.request("GET", "/icon.svg")
        assert connection.getresponse().read()
    assert connection.sock is not None
    # A request may still be sent, and gets no answer.
    with contextlib.suppress(ConnectionError):
        connection.sock.sendall(b"GET /parts HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        assert connection.sock.recv(1) == b""
    connection.close()


def test_it_listens_on_this_machine_alone(server: WatchServer) -> None:
    assert server._server.socket.getsockname()[0] == "127.0.0.1"


def test_a_file_is_no_run_to_watch(run: Path) -> None:
    with pytest.raises(ArtifactError, match="is a file"):
        WatchServer(run / "config.json")


def test_a_port_that_is_none_or_taken_is_refused(server: WatchServer, run: Path) -> None:
    with pytest.raises(ConfigError, match="port must be an integer from 0 to 65535"):
        WatchServer(run, 65536)
    with pytest.raises(OSError, match="in use"):
        WatchServer(run, address(server)[1])


def test_a_training_in_another_thread_is_followed_to_its_end(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    looked = threading.Event()
    phases = []

    class Waits(Callback):
        def on_epoch_end(self, event: EpochEnd) -> None:
            began.set()
            assert looked.wait(60)

    def train() -> None:
        mnistburn.train(
            artifact_dir,
            small_config,
            "cpu",
            data=small_data,
            callbacks=[Waits()],
            progress=False,
        )

    began = threading.Event()
    with WatchServer(artifact_dir).in_background() as server:
        assert not server.wait_for_end_to_be_seen(60)  # no page is open
        phases.append(json.loads(ask(server, "/parts")[2])["announcement"])
        thread = threading.Thread(target=train)
        thread.start()
        assert began.wait(60)
        phases.append(json.loads(ask(server, "/parts")[2])["announcement"])
        looked.set()
        thread.join()
        phases.append(json.loads(ask(server, "/parts")[2])["announcement"])
        assert server.wait_for_end_to_be_seen(60)
    assert phases[0].startswith("Waiting for a run to begin")
    assert phases[1:] == ["Training, epoch 1 of 2", "Complete, after 2 of 2 epochs"]


TRAINED = """
import sys
from mnistburn.cli import main
from mnistburn.watch import server

# A page that is open: it looks until it has seen the end.
import http.client, threading, urllib.request

began = server.WatchServer.__init__

def begin(self, *arguments):
    began(self, *arguments)
    def look():
        while not self._end_was_seen.wait(0.05):
            try:
                urllib.request.urlopen(self.url + "parts").read()
            except (OSError, http.client.HTTPException):
                pass  # the server is not there yet, or has gone
    threading.Thread(target=look, daemon=True).start()

server.WatchServer.__init__ = begin
main(["train", sys.argv[1], "--data", sys.argv[2], "--device=cpu", "--num-epochs=1", "--watch",
      "--hidden-size=4", "--no-progress"])
"""


def test_train_serves_the_page_until_its_end_was_seen(tmp_path: Path, small_data: Pair) -> None:
    import numpy

    train, test = small_data
    data = tmp_path / "data.npz"
    numpy.savez(
        data, x_train=train.images, y_train=train.targets, x_test=test.images, y_test=test.targets
    )
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, tmp_path / "run", data],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^watch it on http://127\.0\.0\.1:\d+/$", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_the_command_prints_its_address_and_ends_with_ctrl_c(run: Path) -> None:
    import signal

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("SIGINT is ignored here, as in a job in the background")
    with subprocess.Popen(
        [sys.executable, "-m", "mnistburn", "watch", run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        host, port = url.removeprefix("http://").removesuffix("/").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", "/")
        assert b"Complete" in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
