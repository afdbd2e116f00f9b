"""``mnistburn demo`` on the command line, and `export_page`."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_bmp

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.cli import main
from mnistburn.demo.drawn import is_drawn
from mnistburn.demo.files import PAGE_SCRIPTS, read, worker
from mnistburn.errors import DataError, RecordError


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["demo", *map(str, arguments)])


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model() -> Model:
    return Model(ModelConfig(hidden_size=8), seed=1)


def test_without_a_run_it_says_how_to_train_one() -> None:
    done = command("--no-open")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: there is no run in artifacts/mnist; train one")
    assert "mnistburn train --recipe fast" in done.stderr


def test_a_missing_run_is_told() -> None:
    done = command("nowhere.mpk", "--no-open")
    assert done.exit_code == 1
    assert "nowhere.mpk" in done.stderr


def test_a_taken_port_is_told(model: Model) -> None:
    from mnistburn.demo.server import listen

    model.save("m.mpk")
    with listen(0) as taken:
        port = taken.getsockname()[1]
        done = command("m.mpk", "--no-open", "--port", port)
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: port {port} is in use by another program; "
        "name another, or 0 for any that is free\n"
    )


def test_without_the_extra_it_says_how_to_install_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save("m.mpk")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mnistburn.demo.server", raising=False)
    done = command("m.mpk", "--no-open")
    assert done.exit_code == 1
    assert 'pip install "mnistburn[demo]"' in done.stderr
    assert command("m.mpk", "--export", "page.html").exit_code == 0


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN, reason="SIGINT is ignored in this process"
)
def test_it_serves_until_ctrl_c_and_ends_quietly(
    small_data: tuple[Dataset, Dataset], small_config: TrainingConfig
) -> None:
    mnistburn.train("artifacts/mnist", small_config, data=small_data, progress=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "mnistburn", "demo", "--no-open", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends it\)\n", line)
        assert found is not None, line
        with closing(http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)) as server:
            server.request("GET", "/about.json")
            assert b'"title": "artifacts/mnist"' in server.getresponse().read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (out, process.returncode) == ("", 0)
    # The run was given arrays, so that there are no images to try.
    assert err.startswith("no images to try: ")
    assert err.count("\n") == 1


def test_the_page_of_a_run_has_its_test_images(tmp_path: Path) -> None:
    random = numpy.random.default_rng(1)
    for name in ("cat <b>", "größte & älteste"):
        for part in ("train", "test"):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = random.integers(0, 256, (12, 10, 3), dtype=numpy.uint8)
                write_bmp(folder / f"{number}.bmp", pixels)
    config = TrainingConfig(num_epochs=1, batch_size=4)
    mnistburn.train("run", config, data="pictures", progress=False)
    done = command("run", "--export", "page.html")
    assert done.exit_code == 0, done.output
    assert done.stdout == "page.html\n"
    text = Path("page.html").read_text("utf-8")
    about = text.partition('id="about">')[2].partition("</script>")[0]
    assert "<" not in about
    described = json.loads(about)
    assert described["class_names"] == ["cat <b>", "größte & älteste"]
    assert described["drawn"] is False
    assert described["samples"]["targets"] == [
        *["cat <b>"] * 4,
        *["größte & älteste"] * 4,
    ]
    assert "src=" not in text
    assert "href=" not in text.replace('href="data:,"', "")


def test_a_page_is_written_whole_or_not_at_all(model: Model, tmp_path: Path) -> None:
    assert mnistburn.export_page(model, "a.html") == Path("a.html")
    first = Path("a.html").read_text("utf-8")
    assert mnistburn.export_page(model, "a.html").read_text("utf-8") == first
    for path, error, message in [
        ("a.txt", RecordError, "ends in .html"),
        ("", RecordError, "path"),
        (7, RecordError, "path"),
        ("missing/a.html", FileNotFoundError, "could not write"),
    ]:
        with pytest.raises(error, match=message):
            mnistburn.export_page(model, path)  # type: ignore[arg-type]
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(IsADirectoryError, match="could not write"):
        mnistburn.export_page(model, "folder.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "folder.html"]


def test_what_is_no_model_or_no_samples_is_told(model: Model, test_data: Dataset) -> None:
    with pytest.raises(DataError, match=r"model must be a Model, got 'm\.mpk'"):
        mnistburn.export_page("m.mpk", "a.html")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="samples must be a Dataset"):
        mnistburn.export_page(model, "a.html", samples=test_data.images)  # type: ignore[arg-type]
    small = Model(ModelConfig(image_height=9, image_width=9))
    with pytest.raises(DataError, match=r"\(9, 9, 1\), got \(28, 28, 1\)"):
        mnistburn.export_page(small, "a.html", samples=test_data)


def test_a_model_whose_image_size_is_not_known_is_refused(model: Model) -> None:
    model.save("m.mpk")
    Path("m.mpk.meta.json").unlink()
    unknown = Model.load("m.mpk")
    assert unknown.image_size is None
    with pytest.raises(DataError, match="size of the images of this model is not known"):
        mnistburn.export_page(unknown, "a.html")
    done = command("m.mpk", "--export", "a.html", "--image-size", "28")
    assert done.exit_code == 0, done.output


def test_drawings_are_for_models_of_what_is_written() -> None:
    assert is_drawn(Model(ModelConfig(hidden_size=4)))
    assert not is_drawn(Model(ModelConfig(hidden_size=4, num_classes=3)))
    assert not is_drawn(Model(ModelConfig(hidden_size=4, image_channels=3)))
    named = Model(ModelConfig(hidden_size=4), class_names=[f"shoe {n}" for n in range(10)])
    assert not is_drawn(named)


def test_the_page_names_its_scripts_in_their_order() -> None:
    found = re.findall(r'<script src="([^"]+)"></script>', read("index.html"))
    assert tuple(found) == PAGE_SCRIPTS
    for text in [worker(), *map(read, PAGE_SCRIPTS), read("style.css")]:
        # They stand within elements of a page that is one file.
        assert "</script" not in text
        assert "</style" not in text
        assert "innerHTML" not in text
