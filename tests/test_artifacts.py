"""The artifact directory, and the working directory, in the state a stranger left them."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mnistburn
from mnistburn import Dataset, TrainingConfig, TrainingResult
from mnistburn.errors import ArtifactError, ConfigError, MnistburnError

Pair = tuple[Dataset, Dataset]

SCRIPT = """
import numpy
import mnistburn
from mnistburn import Dataset, ModelConfig, TrainingConfig

images = numpy.random.default_rng(1).integers(0, 256, (96, 28, 28), numpy.uint8)
data = Dataset.from_numpy(images, numpy.arange(96) % 10)
config = TrainingConfig(model=ModelConfig(hidden_size=8), num_epochs=1)
run = mnistburn.train({directory!r}, config, "cpu", data=(data[:64], data[64:]), progress=False)
print(run.history.num_epochs)
"""


def run(directory: Path, config: TrainingConfig, data: Pair, *, resume: bool) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, resume=resume, progress=False)


def in_process(script: str, folder: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh process whose working directory is the folder."""
    return subprocess.run(
        [sys.executable, "-c", before + script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "named"),
    [("notes.txt", "notes.txt"), ("checkpoint/notes.txt", "checkpoint"), (".notes", ".notes")],
)
def test_a_directory_with_a_strangers_file_is_refused_by_name(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, name: str, named: str
) -> None:
    path = artifact_dir / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(ArtifactError, match=re.escape(f'"{named}"')):
        run(artifact_dir, small_config, small_data, resume=False)
    assert path.read_text() == "mine"
    assert [item for item in artifact_dir.rglob("*") if item.is_file()] == [path]


def test_a_strangers_file_beside_an_earlier_run_is_kept_with_the_run(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = dataclasses.replace(small_config, num_epochs=1)
    run(artifact_dir, config, small_data, resume=False)
    (artifact_dir / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    with pytest.raises(ArtifactError, match=r"notes\.txt"):
        run(artifact_dir, config, small_data, resume=False)
    after = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    assert after == before
    # A resumed run makes nothing anew.
    run(artifact_dir, small_config, small_data, resume=True)
    assert (artifact_dir / "notes.txt").read_text() == "mine"


def test_a_file_that_only_has_the_name_of_ours_is_a_strangers(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    artifact_dir.mkdir()
    (artifact_dir / "config.json").write_text('{"mine": true}')
    with pytest.raises(ArtifactError, match=r"config\.json"):
        run(artifact_dir, small_config, small_data, resume=False)
    assert (artifact_dir / "config.json").read_text() == '{"mine": true}'


def test_an_earlier_run_is_made_anew(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    run(artifact_dir, small_config, small_data, resume=False)
    shorter = dataclasses.replace(small_config, num_epochs=1)
    result = run(artifact_dir, shorter, small_data, resume=False)
    assert result.history.num_epochs == 1
    names = [path.name for path in (artifact_dir / "checkpoint").iterdir()]
    assert names == ["epoch-0001"]


def test_the_last_two_checkpoints_and_the_best_are_kept(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    result = run(
        artifact_dir, dataclasses.replace(small_config, num_epochs=5), small_data, resume=False
    )
    names = {path.name for path in (artifact_dir / "checkpoint").iterdir()}
    assert names == {f"epoch-{epoch:04}" for epoch in {4, 5, result.best_epoch}}


def test_bad_data_leave_an_earlier_run_alone(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = dataclasses.replace(small_config, num_epochs=1)
    run(artifact_dir, config, small_data, resume=False)
    before = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    with pytest.raises(MnistburnError):
        run(artifact_dir, config, (small_data[0], small_data[1][:0]), resume=False)
    with pytest.raises(MnistburnError):
        mnistburn.train(artifact_dir, config, "no device", data=small_data)
    after = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    assert after == before


def test_another_config_or_data_set_is_not_resumed(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    run(artifact_dir, dataclasses.replace(small_config, num_epochs=1), small_data, resume=False)
    other = dataclasses.replace(small_config, batch_size=32)
    with pytest.raises(MnistburnError, match="batch_size"):
        run(artifact_dir, other, small_data, resume=True)


def test_a_path_below_a_file_is_an_error_of_the_system(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "artifacts"):
        with pytest.raises(OSError, match="file"):
            run(path, small_config, small_data, resume=False)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere"
)
def test_a_read_only_directory_is_an_error_of_the_system(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="folder"):
        run(folder / "artifacts", small_config, small_data, resume=False)


@pytest.mark.parametrize(
    "name",
    [
        "umlaut ü",
        "a space",
        "x" * 200,
        "~",
        pytest.param(
            os.fsdecode(b"latin-1 \xe9"),
            id="no UTF-8",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere"),
        ),
    ],
)
def test_odd_names_work(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair, name: str
) -> None:
    config = dataclasses.replace(small_config, num_epochs=1)
    run(tmp_path / name, config, small_data, resume=False)
    assert mnistburn.load_run(tmp_path / name).history.num_epochs == 1


def test_configuration_files_of_burn_have_no_effect(tmp_path: Path) -> None:
    for name in ("burn.toml", "cubecl.toml"):
        (tmp_path / name).write_text("this is [no TOML")
    folder = tmp_path / "below"
    folder.mkdir()
    done = in_process(SCRIPT.format(directory=str(tmp_path / "artifacts")), folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a directory that is in use")
def test_a_deleted_working_directory_has_no_effect(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = in_process(
        SCRIPT.format(directory=str(tmp_path / "artifacts")),
        folder,
        before=f"import os; os.rmdir({str(folder)!r})\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_nothing_is_written_outside_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "working"
    folder.mkdir()
    done = in_process(SCRIPT.format(directory=str(tmp_path / "artifacts")), folder)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    assert {item.name for item in tmp_path.iterdir()} == {"working", "artifacts"}


def test_a_run_without_a_file_is_named_with_what_is_missing(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    run(artifact_dir, dataclasses.replace(small_config, num_epochs=1), small_data, resume=False)
    (artifact_dir / "history.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"history\.json is damaged"):
        mnistburn.load_run(artifact_dir)
    (artifact_dir / "history.json").unlink()
    assert mnistburn.load_run(artifact_dir).history.num_epochs == 1
    shutil.rmtree(artifact_dir / "checkpoint")
    with pytest.raises(ArtifactError, match=r"no history\.json and no whole checkpoint"):
        mnistburn.load_run(artifact_dir)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, small_config: TrainingConfig, small_data: Pair
) -> Path:
    """Return the directory of a run that no test changes."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    run(directory, dataclasses.replace(small_config, num_epochs=1), small_data, resume=False)
    return directory


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("config.json", b"{", ConfigError),
        ("config.json", b"\xff", ConfigError),
        ("history.json", b"[]", ArtifactError),
        ("history.json", b"{}", ArtifactError),
        ("history.json", b"[" * 100_000, ArtifactError),
        ("history.json", b'{"epochs": 3, "train_steps": {}, "valid_steps": {}}', ArtifactError),
        ("history.json", b'{"epochs": {"epoch": 3}}', ArtifactError),
        ("summary.txt", b"\xff", None),
    ],
)
def test_a_damaged_file_is_named(
    name: str,
    content: bytes,
    error: type[MnistburnError] | None,
    finished: Path,
    tmp_path: Path,
) -> None:
    artifact_dir = shutil.copytree(finished, tmp_path / "run")
    (artifact_dir / name).write_bytes(content)
    if error is None:
        assert mnistburn.load_run(artifact_dir).summary()
    else:
        with pytest.raises(error, match=re.escape(name)):
            mnistburn.load_run(artifact_dir)


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
import mnistburn
model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=2)
# Every write beyond a kilobyte fails from here on, as on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    model.save(sys.argv[1])
except OSError as error:
    print(error.filename)
"""
    path = tmp_path / "model.mpk"
    mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=1).save(path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path}\n"
    assert path.read_bytes() == before
    # Its companion still speaks of it.
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "model.mpk.meta.json"]
    assert mnistburn.Model.load(path).image_size == (28, 28)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_history_of_an_older_version_is_read(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, interrupted: bool
) -> None:
    result = run(artifact_dir, small_config, small_data, resume=False)
    path = artifact_dir / "history.json"
    content = json.loads(path.read_text())
    for key in ("ended", "warm_up_seconds"):
        content.pop(key, None)
    content["interrupted"] = interrupted
    path.write_text(json.dumps(content))
    loaded = mnistburn.load_run(artifact_dir)
    assert loaded.ended == ("interrupted" if interrupted else "completed")
    assert loaded.warm_up_seconds == 0.0
    assert loaded.history == result.history
