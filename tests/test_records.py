"""Model files that are damaged or made to do harm."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from mnistburn import Model, ModelConfig
from mnistburn.errors import RecordError
from mnistburn.model import Precision

FORMATS = ["named-mpk", "named-mpk-gz", "bin", "bin-gz", "json", "json-gz"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("recorder", FORMATS)
def test_no_damaged_file_does_harm(recorder: str, precision: str, tmp_path: Path) -> None:
    program = Path(__file__).with_name("record_mutants.py")
    answer = subprocess.run(
        [sys.executable, str(program), recorder, precision, "2000", "7", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    left = sorted(path.name for path in tmp_path.glob("mutant-*"))
    assert (answer.returncode, answer.stderr, left) == (0, "", [])
    result = json.loads(answer.stdout)
    assert result["faults"] == []
    assert result["read"] + result["refused"] == 2000
    # Most do harm to what is checked; some to numbers alone, which any file may hold.
    assert result["refused"] > 1000
    assert result["read"] > 10
    assert result["seconds"] < 1.0
    assert result["bytes"] < 256 << 20


def test_a_file_of_nothing_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse.mpk"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RecordError, match=r"sparse\.mpk: expected a record in MessagePack"):
        Model.load(path)


@pytest.fixture
def model() -> Model:
    return Model(ModelConfig(hidden_size=64), seed=1)


def test_a_full_disk_keeps_the_older_file(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path / "model", "bin")
    before = path.read_bytes()
    program = (
        "import resource, signal, sys\n"
        "from mnistburn import Model\n"
        "model = Model.load(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    model.save(sys.argv[1], 'bin', 'double')\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert (answer.stdout.strip(), answer.stderr) == (str(errno.EFBIG), "")
    assert path.read_bytes() == before
    names = sorted(item.name for item in tmp_path.iterdir())
    assert names == ["model.bin", "model.bin.meta.json"]
    assert Model.load(path).image_size == (28, 28)


def test_a_writer_that_is_killed_leaves_a_whole_file(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path / "model", "bin")
    program = (
        "import itertools, sys\n"
        "from mnistburn import Model\n"
        "model = Model.load(sys.argv[1])\n"
        "for count in itertools.count():\n"
        "    model.save(sys.argv[1], 'bin', ('half', 'double')[count % 2])\n"
        "    print(count, flush=True)\n"
    )
    sizes = set()
    for rounds in range(1, 9):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            for _ in range(rounds):
                writer.stdout.readline()
            writer.kill()
        assert Model.load(path).config == model.config
        sizes.add(path.stat().st_size)
    assert len(sizes) == 2
