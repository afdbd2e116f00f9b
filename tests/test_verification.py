"""A run that is trained again has the same bits, and what differs is said."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn import Callback, Dataset, EarlyStopping, ModelConfig, TrainingConfig, verify
from mnistburn.callbacks import EpochEnd, StepEnd
from mnistburn.cli import main
from mnistburn.errors import ArtifactError, DataError, DeviceError

Pair = tuple[Dataset, Dataset]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_npz(path: Path, data: Pair) -> Path:
    """Write data as Keras does, so that a run finds them again."""
    train, test = data
    numpy.savez(
        path,
        x_train=train.images,
        y_train=train.targets,
        x_test=test.images,
        y_test=test.targets,
    )
    return path


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, small_data: Pair, small_config: TrainingConfig
) -> Path:
    """Return a folder with ``data.npz`` and ``run``, the run on it."""
    folder = tmp_path_factory.mktemp("made")
    write_npz(folder / "data.npz", small_data)
    mnistburn.train(folder / "run", small_config, "cpu", data=folder / "data.npz", progress=False)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the run to break."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_text("utf-8")
    changed = change(text)
    assert changed != text
    path.write_text(changed, "utf-8")


def test_a_run_is_verified_from_its_files_alone(made: Path) -> None:
    before = {path: path.read_bytes() for path in (made / "run").rglob("*") if path.is_file()}
    found = verify(made / "run", progress=False)
    assert found.same
    assert found.sha256 == found.retrained_sha256
    assert (found.precision, found.largest_difference, found.steps) == ("full", 0.0, 8)
    assert found.first_difference is None
    assert found.reasons == found.notes == ()
    after = {path: path.read_bytes() for path in (made / "run").rglob("*") if path.is_file()}
    assert after == before


def test_the_hash_is_that_of_the_parameters(made: Path) -> None:
    import hashlib

    state = mnistburn.load_run(made / "run").model.state_dict()
    content = b"".join(values.astype("<f4").tobytes() for values in state.values())
    found = verify(mnistburn.load_run(made / "run"), progress=False)
    assert found.sha256 == hashlib.sha256(content).hexdigest()


def test_the_command_says_so_and_its_exit_status_too(run: Path) -> None:
    done = command("verify", run, "--no-progress")
    assert done.exit_code == 0, done.output
    assert "after 8 steps the weights are the same bits" in done.stdout
    edit(run / "config.json", lambda text: text.replace('"seed": 42', '"seed": 43'))
    done = command("verify", run, "--no-progress")
    assert done.exit_code == 1
    assert "the weights are other bits" in done.stdout
    assert "the histories part at training step 1 of epoch 1: loss 2." in done.stdout
    assert "equal bits are promised here" in done.stdout
    done = command("verify", run, "--no-progress", "--json")
    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert content["same"] is False
    assert content["first_difference"]["step"] == 1


def test_the_step_at_which_the_histories_part_is_named(run: Path) -> None:
    def change(text: str) -> str:
        content = json.loads(text)
        content["train_steps"]["loss"][5] += 1e-6
        return json.dumps(content)

    edit(run / "history.json", change)
    found = verify(run, progress=False)
    assert found.same  # the weights are
    assert found.first_difference is not None
    place = dataclasses.asdict(found.first_difference)
    assert (place["epoch"], place["part"], place["step"]) == (2, "train", 2)
    assert place["of_run"] - place["of_retraining"] == pytest.approx(1e-6)


def test_a_run_that_a_callback_stopped_is_trained_for_as_many_steps(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    class Stop(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return (event.epoch, event.step) == (2, 3)

    run = mnistburn.train(
        artifact_dir, small_config, "cpu", data=small_data, callbacks=[Stop()], progress=False
    )
    assert run.ended == "stopped"
    found = verify(run, data=small_data, progress=False)
    assert found.same, found
    assert found.steps == 7
    assert "a callback or its time limit stopped the run after step 3 of epoch 2" in str(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"grads_accumulation": 2},
        {"limit_batches": 3},
        {"average_decay": 0.9},
        {"grads_accumulation": 3, "limit_batches": 4, "average_decay": 0.5},
    ],
    ids=str,
)
def test_runs_of_other_steps_are_the_same(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig, changes: dict[str, Any]
) -> None:
    config = dataclasses.replace(small_config, **changes)
    run = mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False)
    found = verify(run, data=small_data, progress=False)
    assert found.same, found
    assert found.steps == len(run.history.train_steps["step"])


def test_a_run_that_is_out_of_time_is_trained_for_as_many_steps(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    config = dataclasses.replace(small_config, max_seconds=1e-9, average_decay=0.9)
    run = mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False)
    assert run.ended == "stopped"
    found = verify(run, data=small_data, progress=False)
    assert found.same, found
    assert found.steps == 1
    assert "its time limit stopped the run after step 1 of epoch 1" in str(found)


def test_a_run_that_was_stopped_early_is_compared_after_its_last_step(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    config = dataclasses.replace(small_config, num_epochs=9)
    # The loss falls, so that its highest is that of the first epoch.
    stop = EarlyStopping(patience=1, direction="max")
    run = mnistburn.train(
        artifact_dir, config, "cpu", data=small_data, callbacks=[stop], progress=False
    )
    assert run.ended == "stopped_early"
    assert run.model_epoch != run.history.num_epochs
    found = verify(run, data=small_data, progress=False)
    assert found.same, found
    assert found.steps == 4 * run.history.num_epochs
    assert f"model.mpk has the model of epoch {run.model_epoch}" in str(found)


def test_a_run_that_was_resumed_is_the_same(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    class Stop(Callback):
        def on_epoch_end(self, event: EpochEnd) -> bool:
            return True

    options = {"data": small_data, "progress": False}
    mnistburn.train(artifact_dir, small_config, "cpu", callbacks=[Stop()], **options)  # type: ignore[arg-type]
    found = verify(artifact_dir, **options)  # type: ignore[arg-type]
    assert found.same
    assert found.steps == 4
    mnistburn.train(artifact_dir, None, "cpu", resume=True, **options)  # type: ignore[arg-type]
    found = verify(artifact_dir, **options)  # type: ignore[arg-type]
    assert found.same
    assert found.steps == 8
    # With another rate it is no longer what its configuration says.
    longer = dataclasses.replace(small_config, num_epochs=3, learning_rate=5e-4)
    mnistburn.train(artifact_dir, longer, "cpu", resume=True, **options)  # type: ignore[arg-type]
    found = verify(artifact_dir, **options)  # type: ignore[arg-type]
    assert not found.same
    assert found.first_difference is not None
    assert found.first_difference.column == "learning_rate"
    assert any("resumed with another learning rate (0.001, 0.0005)" in one for one in found.reasons)


def test_a_run_with_a_start_begins_there_again(artifact_dir: Path, small_data: Pair) -> None:
    train, valid = small_data
    names = [f"class {number}" for number in range(10)]
    data = (
        Dataset.from_numpy(train.images, train.targets, class_names=names),
        Dataset.from_numpy(valid.images, valid.targets, class_names=names),
    )
    start = mnistburn.Model(ModelConfig(hidden_size=8), seed=5, class_names=[*"abcdefghij"])
    config = TrainingConfig(num_epochs=1, freeze=["conv1"], seed=3)
    run = mnistburn.train(artifact_dir, config, "cpu", data=data, start=start, progress=False)
    assert run.start is not None
    assert run.start.output_layer == "initialised"
    found = verify(run, data=data, progress=False)
    assert found.same, found


def test_other_training_images_are_told_and_nothing_is_trained(
    made: Path, tmp_path: Path, small_data: Pair
) -> None:
    other = write_npz(tmp_path / "other.npz", (small_data[0][::-1], small_data[1]))
    done = command("verify", made / "run", "--data", other, "--no-progress")
    assert done.exit_code == 1
    assert "not verified: nothing was trained" in done.stdout
    assert "the training images are others" in done.stdout


def test_other_validation_images_leave_the_weights(
    made: Path, tmp_path: Path, small_data: Pair
) -> None:
    other = write_npz(tmp_path / "other.npz", (small_data[0], small_data[1][:32]))
    found = verify(made / "run", data=other, progress=False)
    assert found.same
    assert found.first_difference is not None
    assert found.first_difference.part == "valid"
    assert any("the validation images are others" in note for note in found.notes)


def test_arrays_are_asked_for(artifact_dir: Path, small_data: Pair) -> None:
    config = TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=4))
    mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False)
    with pytest.raises(DataError, match="pass the images again, with data= or --data"):
        verify(artifact_dir, progress=False)
    (artifact_dir / "data.json").unlink()
    with pytest.raises(DataError, match="does not say what its run was trained on"):
        verify(artifact_dir, progress=False)
    found = verify(artifact_dir, data=small_data, progress=False)
    assert found.same
    assert found.reasons == ("the run does not say what it was trained on",)


def test_half_precision_is_compared_where_the_run_keeps_no_more(run: Path) -> None:
    shutil.rmtree(run / "checkpoint")
    found = verify(run, progress=False)
    assert found.same
    assert found.precision == "half"
    assert "half precision" in str(found)


def test_another_version_and_another_device_are_reasons(run: Path) -> None:
    edit(run / "manifest.json", lambda text: text.replace(mnistburn.__version__, "0.0.7"))
    edit(run / "train.log", lambda text: text.replace("starts on cpu:", "starts on cpu, cpu:"))
    found = verify(run, device="cpu", progress=False)
    assert found.same
    assert [reason.split(",")[0] for reason in found.reasons] == [
        "the run was computed on cpu",
        "the run was made by mnistburn 0.0.7",
    ]


def test_a_device_that_is_gone_is_told_with_the_way_out(run: Path) -> None:
    edit(run / "train.log", lambda text: text.replace("starts on cpu:", "starts on cuda:77:"))
    with pytest.raises(DeviceError, match='device="cpu" trains it on the processor'):
        verify(run, progress=False)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no run"):
        verify(tmp_path, progress=False)


def test_a_result_whose_directory_was_taken_is_refused(
    artifact_dir: Path, small_data: Pair
) -> None:
    config = TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=4))
    first = mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False)
    mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False)
    with pytest.raises(ArtifactError, match="holds another run by now"):
        verify(first, data=small_data, progress=False)


def test_nothing_is_left_in_the_temporary_directory(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    verify(made / "run", progress=False)
    assert list(tmp_path.iterdir()) == []
