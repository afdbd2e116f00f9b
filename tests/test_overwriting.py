"""A new run in the directory of an older one: whatever happens, one of the two is there."""

import dataclasses
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mnistburn
from mnistburn import Callback, Dataset, TrainingConfig, TrainingResult
from mnistburn.callbacks import StepEnd
from mnistburn.errors import ArtifactError, TrainingError

Pair = tuple[Dataset, Dataset]

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

SCRIPT = """
import sys
import mnistburn

class Tells(mnistburn.Callback):
    def on_train_begin(self, event):
        print("begin", flush=True)

    def on_step_end(self, event):
        print("step", event.epoch, event.step, flush=True)

    def on_epoch_end(self, event):
        print("epoch", event.epoch, flush=True)

train = mnistburn.datasets.load("mnist", "train")[:256]
valid = mnistburn.datasets.load("mnist", "test")[:64]
config = mnistburn.TrainingConfig.load(sys.argv[2])
mnistburn.train(
    sys.argv[1], config, "cpu", data=(train, valid), callbacks=[Tells()], progress=False
)
"""


def run(
    directory: Path, config: TrainingConfig | None, data: Pair, **more: object
) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)  # type: ignore[arg-type]


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def assert_same_bits(one: TrainingResult, other: TrainingResult) -> None:
    assert one.history.train_steps["loss"] == other.history.train_steps["loss"]
    weights = other.model.state_dict()
    for name, values in one.model.state_dict().items():
        assert values.tobytes() == weights[name].tobytes(), name


@pytest.fixture
def older(artifact_dir: Path, small_config: TrainingConfig, small_data: Pair) -> TrainingResult:
    """Return a run of three epochs."""
    return run(artifact_dir, dataclasses.replace(small_config, num_epochs=3), small_data)


def test_a_run_that_diverges_before_its_first_checkpoint_leaves_the_older_one(
    older: TrainingResult, small_config: TrainingConfig, small_data: Pair
) -> None:
    before = files(older.artifact_dir)
    wild = dataclasses.replace(small_config, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"the older run in .* is unchanged"):
        run(older.artifact_dir, wild, small_data)
    assert files(older.artifact_dir) == before
    assert_same_bits(mnistburn.load_run(older.artifact_dir), older)


def test_a_run_that_diverges_in_a_fresh_directory_claims_no_checkpoint(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    wild = dataclasses.replace(small_config, learning_rate=1e30)
    with pytest.raises(TrainingError, match="this run has no checkpoint yet"):
        run(artifact_dir, wild, small_data)


def test_an_interrupt_before_the_first_step_leaves_the_older_run(
    older: TrainingResult, small_config: TrainingConfig, small_data: Pair
) -> None:
    class Interrupts(Callback):
        def on_train_begin(self, event: object) -> None:
            raise KeyboardInterrupt

    before = files(older.artifact_dir)
    with pytest.raises(KeyboardInterrupt):
        run(older.artifact_dir, small_config, small_data, callbacks=[Interrupts()])
    assert files(older.artifact_dir) == before


def test_a_run_that_is_stopped_after_a_step_takes_the_place_of_the_older_one(
    older: TrainingResult, small_config: TrainingConfig, small_data: Pair
) -> None:
    class Stops(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return True

    stopped = run(older.artifact_dir, small_config, small_data, callbacks=[Stops()])
    loaded = mnistburn.load_run(older.artifact_dir)
    assert (loaded.ended, loaded.history.train_steps["step"]) == ("stopped", [1])
    assert_same_bits(loaded, stopped)
    names = [path.name for path in (older.artifact_dir / "checkpoint").iterdir()]
    assert names == ["epoch-0001-step-000001"]
    with pytest.raises(ArtifactError, match="holds another run by now"):
        older.best_model()


def test_without_overwrite_a_run_is_refused_and_each_way_out_works(
    older: TrainingResult, small_config: TrainingConfig, small_data: Pair, tmp_path: Path
) -> None:
    directory = older.artifact_dir
    before = files(directory)
    with pytest.raises(ArtifactError, match=r"resume.*overwrite") as caught:
        run(directory, small_config, small_data, overwrite=False)
    assert str(directory) in str(caught.value)
    assert files(directory) == before
    run(tmp_path / "another", small_config, small_data, overwrite=False)
    run(directory, None, small_data, resume=True, overwrite=False)
    run(directory, small_config, small_data, overwrite=True)


def test_what_a_file_manager_dropped_blocks_nothing_and_stays(
    older: TrainingResult, small_config: TrainingConfig, small_data: Pair
) -> None:
    folders = [older.artifact_dir, older.artifact_dir / "checkpoint"]
    folders += list(folders[1].iterdir())
    dropped = [
        folder / name
        for folder in folders
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._x", ".x.swp", "x~")
    ]
    for path in dropped:
        path.write_text("dropped")
    result = run(older.artifact_dir, small_config, small_data)
    assert all(path.read_text() == "dropped" for path in dropped)
    assert_same_bits(mnistburn.load_run(older.artifact_dir), result)
    longer = dataclasses.replace(small_config, num_epochs=6)
    assert run(older.artifact_dir, longer, small_data, resume=True).history.num_epochs == 6


@needs_signals
@pytest.mark.parametrize("seed", range(8))
def test_a_kill_at_any_moment_leaves_the_older_run_or_a_new_one_to_resume(
    older: TrainingResult,
    small_config: TrainingConfig,
    small_data: Pair,
    tmp_path: Path,
    seed: int,
) -> None:
    config = dataclasses.replace(small_config, seed=7)
    config.save(tmp_path / "config.json")
    whole = run(tmp_path / "whole", config, small_data)
    # Around the end of the first epoch the new run takes the place of the older one.
    choice = random.Random(seed)  # noqa: S311  no secret
    line = choice.choice(["begin", "step 1 3", "step 1 4", "step 1 4", "epoch 1", "step 2 2"])
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, older.artifact_dir, tmp_path / "config.json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(text == line + "\n" for text in process.stdout)
        # Some turns later: validation, checkpoint and switch take a few milliseconds.
        for _ in range(choice.randrange(200_000)):
            pass
        process.send_signal(signal.SIGKILL)
    found = mnistburn.load_run(older.artifact_dir)
    if found.config.seed == older.config.seed:
        assert_same_bits(found, older)
    else:
        assert_same_bits(run(older.artifact_dir, None, small_data, resume=True), whole)
    run(older.artifact_dir, config, small_data)
    hidden = [path.name for path in older.artifact_dir.iterdir() if path.name.startswith(".")]
    assert hidden == [".mnistburn-lock"]


@needs_signals
def test_checkpoints_within_an_epoch_survive_a_kill_and_change_no_bit(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, tmp_path: Path
) -> None:
    config = dataclasses.replace(small_config, batch_size=1, checkpoint_every=1e-6)
    config.save(tmp_path / "config.json")
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, artifact_dir, tmp_path / "config.json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for _ in process.stdout:
            if list(artifact_dir.glob("checkpoint/epoch-0001-step-*")):
                break
        process.send_signal(signal.SIGKILL)
    killed = mnistburn.load_run(artifact_dir)
    assert (killed.ended, killed.history.num_epochs) == ("interrupted", 0)
    assert killed.history.train_steps["step"]
    resumed = run(artifact_dir, None, small_data, resume=True)
    none = dataclasses.replace(config, checkpoint_every=None)
    assert_same_bits(resumed, run(tmp_path / "whole", none, small_data))
    names = {path.name for path in (artifact_dir / "checkpoint").iterdir()}
    assert len(names) <= 3
    assert "epoch-0002" in names


@needs_signals
def test_sigterm_on_the_command_line_keeps_the_work(tmp_path: Path) -> None:
    directory = tmp_path / "artifacts"
    arguments = ["--device=cpu", "--hidden-size=16", "--checkpoint-every=0.01"]
    with subprocess.Popen(
        [sys.executable, "-m", "mnistburn", "train", directory, *arguments],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not list(directory.glob("checkpoint/epoch-*")):
            pass
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert mnistburn.load_run(directory).ended == "interrupted"


def test_the_best_model_and_those_of_kept_epochs_are_loaded(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    # A rate that grows makes the last epochs worse than an early one.
    config = dataclasses.replace(small_config, num_epochs=5, learning_rate=0.03)
    result = run(artifact_dir, config, small_data)
    losses = result.history["valid_loss"]
    best = losses.index(min(losses)) + 1
    assert result.best_epoch == best
    for model in (result.best_model(), mnistburn.load_run(artifact_dir, epoch="best").model):
        assert abs(model.evaluate(small_data[1]).loss - min(losses)) < 1e-5
    for epoch in {best, 4, 5}:
        model = mnistburn.load_run(artifact_dir, epoch=epoch).model
        assert abs(model.evaluate(small_data[1]).loss - losses[epoch - 1]) < 1e-5
    with pytest.raises(ArtifactError, match=r"got 9, .* keeps the epochs .*4, 5"):
        mnistburn.load_run(artifact_dir, epoch=9)
