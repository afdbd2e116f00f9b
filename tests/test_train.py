"""The main job: artifacts, history, resume, callbacks, progress, threads."""

import copy
import dataclasses
import io
import json
import logging
import pickle
import re
import shutil
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import numpy
import pytest

import mnistburn
from mnistburn import (
    Callback,
    CosineAnnealingLrSchedulerConfig,
    Dataset,
    Model,
    ModelConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import EpochBegin, EpochEnd, StepEnd, TrainBegin, TrainEnd
from mnistburn.errors import TrainingError
from mnistburn.model import Recorder

Pair = tuple[Dataset, Dataset]

TIMES = ("seconds", "images_per_second")


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    """Train without progress on the CPU."""
    return mnistburn.train(directory, config, "cpu", data=data, **{"progress": False, **more})


def untimed(result: TrainingResult) -> dict[str, Any]:
    """Return the history without its columns of times."""
    return {
        table: {name: column for name, column in columns.items() if name not in TIMES}
        for table, columns in dataclasses.asdict(result.history).items()
    }


def assert_same_bits(first: TrainingResult, second: TrainingResult) -> None:
    weights, others = first.model.state_dict(), second.model.state_dict()
    assert list(weights) == list(others)
    for name, values in weights.items():
        assert values.tobytes() == others[name].tobytes(), name
    assert untimed(first) == untimed(second)
    assert first.best_epoch == second.best_epoch


class StopAt(Callback):
    """Stops after a step of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def on_step_end(self, event: StepEnd) -> bool:
        return (event.epoch, event.step) == self.at


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, small_config: TrainingConfig, small_data: Pair
) -> TrainingResult:
    """Train once, for the tests that look at the result only."""
    return run(tmp_path_factory.mktemp("finished") / "artifacts", small_config, small_data)


def test_a_training_learns(artifact_dir: Path, train_data: Dataset, test_data: Dataset) -> None:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=32, dropout=0.1),
        num_epochs=5,
        batch_size=32,
        learning_rate=2e-3,
    )
    result = run(artifact_dir, config, (train_data, test_data))
    assert result.history["valid_accuracy"][-1] > 0.7
    assert result.history["train_loss"][-1] < result.history["train_loss"][0]


def test_the_directory_has_the_files_of_the_contract(finished: TrainingResult) -> None:
    names = {path.name for path in finished.artifact_dir.iterdir()}
    assert names >= {
        "config.json",
        "model.mpk",
        "checkpoint",
        "history.json",
        "summary.txt",
        "train.log",
    }
    checkpoints = sorted(path.name for path in (finished.artifact_dir / "checkpoint").iterdir())
    assert checkpoints == ["epoch-0001", "epoch-0002"]
    assert TrainingConfig.load(finished.artifact_dir / "config.json") == finished.config
    assert finished.summary() == (finished.artifact_dir / "summary.txt").read_text("utf-8")


def test_the_model_file_is_half_precision_of_the_model(finished: TrainingResult) -> None:
    read = Model.load(finished.artifact_dir / "model.mpk")
    assert read.config == finished.config.model
    for name, values in finished.model.state_dict().items():
        halved = values.astype(numpy.float16).astype(numpy.float32)
        assert (read.state_dict()[name] == halved).all(), name


def test_the_history_has_a_row_for_each_epoch_and_step(finished: TrainingResult) -> None:
    history = finished.history
    assert set(history) == {
        "epoch",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_accuracy",
        "learning_rate",
        "seconds",
        "images_per_second",
    }
    assert history["epoch"] == [1, 2]
    assert {len(column) for column in history.epochs.values()} == {2}
    assert history.train_steps["epoch"] == [1] * 4 + [2] * 4
    assert history.train_steps["step"] == [1, 2, 3, 4] * 2
    assert history.train_steps["images"] == [64] * 8
    assert history.train_steps["learning_rate"] == [1e-3] * 8
    assert {len(column) for column in history.train_steps.values()} == {8}
    assert all(0.0 <= value <= 1.0 for value in history["valid_accuracy"])
    assert all(value > 0.0 for value in history["images_per_second"])
    losses = numpy.reshape(history.train_steps["loss"], (2, 4)).mean(axis=1)
    assert history["train_loss"] == pytest.approx(losses, rel=1e-5)
    assert finished.best_epoch == 1 + int(numpy.argmin(history["valid_loss"]))
    assert not finished.interrupted
    assert finished.seconds > 0.0
    with pytest.raises(KeyError, match="valid_accuracy"):
        history["valid_acuracy"]
    assert repr(history).startswith("History(2 epochs, 8 training steps")


def test_the_history_is_what_evaluate_measures(finished: TrainingResult, small_data: Pair) -> None:
    evaluation = finished.model.evaluate(small_data[1])
    assert finished.history["valid_accuracy"][-1] == pytest.approx(evaluation.accuracy, abs=1e-6)
    assert finished.history["valid_loss"][-1] == pytest.approx(evaluation.loss, rel=1e-5)


def test_the_summary_is_the_table_of_burn(finished: TrainingResult) -> None:
    summary = finished.summary()
    for part in ("Split", "Metric", "Min.", "Max.", "Epoch", "Train", "Valid", "Loss", "Accuracy"):
        assert part in summary


def test_a_run_is_loaded_from_its_files(finished: TrainingResult) -> None:
    loaded = mnistburn.load_run(str(finished.artifact_dir))
    assert_same_bits(loaded, finished)
    assert loaded.history == finished.history
    assert loaded.config == finished.config
    assert loaded.summary() == finished.summary()
    assert (loaded.interrupted, loaded.seconds) == (False, finished.seconds)


def test_a_run_without_checkpoints_has_the_model_of_its_file(
    finished: TrainingResult, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished.artifact_dir, tmp_path / "copy")
    shutil.rmtree(copy / "checkpoint")
    images = mnistburn.datasets.load("mnist", "test").images[:10]
    stored = Model.load(copy / "model.mpk").forward(images)
    assert (mnistburn.load_run(copy).model.forward(images) == stored).all()
    # Half precision: near the model in memory, and not the same.
    assert not (stored == finished.model.forward(images)).all()


def test_the_same_config_gives_the_same_bits(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair
) -> None:
    for workers in (0, 1, 4):
        config = dataclasses.replace(finished.config, num_workers=workers)
        again = run(artifact_dir, config, small_data)
        assert_same_bits(again, finished)
    other = run(artifact_dir, dataclasses.replace(finished.config, seed=1), small_data)
    assert untimed(other) != untimed(finished)


def test_a_custom_loop_takes_the_steps_of_a_training(artifact_dir: Path, small_data: Pair) -> None:
    # Same weights, same order, same optimizer; without dropout, nothing else is random.
    config = TrainingConfig(
        model=ModelConfig(hidden_size=16, dropout=0.0), num_epochs=2, learning_rate=1e-3, seed=5
    )
    result = run(artifact_dir, config, small_data)
    model = Model(config.model, seed=config.seed)
    optimizer = config.optimizer.init()
    loader = mnistburn.DataLoader(small_data[0], config.batch_size, shuffle=config.seed)
    losses = []
    for _ in range(config.num_epochs):
        for batch in loader:
            out = model.forward_classification(batch.images, batch.targets)
            losses.append(float(out.loss))
            model = optimizer.step(config.learning_rate, model, out.loss.backward())
    assert losses == pytest.approx(result.history.train_steps["loss"], rel=1e-4)


@pytest.mark.parametrize(("epoch", "step"), [(1, 1), (1, 3), (1, 4), (2, 1), (2, 4)])
def test_a_stopped_run_goes_on_to_the_same_bits(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair, epoch: int, step: int
) -> None:
    stop = StopAt(epoch, step)
    stopped = run(artifact_dir, finished.config, small_data, callbacks=[stop])
    assert stopped.ended == "stopped"
    assert len(stopped.history.train_steps["step"]) == (epoch - 1) * 4 + step
    assert mnistburn.load_run(artifact_dir).ended == "stopped"
    loaded = mnistburn.load_run(artifact_dir).model.state_dict()
    for name, values in stopped.model.state_dict().items():
        assert (loaded[name] == values).all(), name
    resumed = run(artifact_dir, None, small_data, resume=True)
    assert resumed.ended == "completed"
    assert_same_bits(resumed, finished)
    assert_same_bits(mnistburn.load_run(artifact_dir), finished)


def test_a_run_stopped_at_every_step_ends_the_same(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair
) -> None:
    class StopAlways(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return True

    result = run(artifact_dir, finished.config, small_data, callbacks=[StopAlways()])
    resumes = 0
    while result.ended == "stopped":
        resumes += 1
        assert resumes < 12
        result = run(artifact_dir, None, small_data, resume=True, callbacks=[StopAlways()])
    assert_same_bits(result, finished)


def test_a_schedule_goes_on_where_it_stopped(artifact_dir: Path, small_data: Pair) -> None:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=8),
        num_epochs=2,
        learning_rate=1e-3,
        lr_scheduler=CosineAnnealingLrSchedulerConfig(num_iters=8),
    )
    whole = run(artifact_dir, config, small_data)
    rates = whole.history.train_steps["learning_rate"]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 5 * rates[-1]
    run(artifact_dir, config, small_data, callbacks=[StopAt(1, 3)])
    assert_same_bits(run(artifact_dir, None, small_data, resume=True), whole)


def test_a_finished_run_is_lengthened_by_more_epochs(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair
) -> None:
    shorter = dataclasses.replace(finished.config, num_epochs=1)
    run(artifact_dir, shorter, small_data)
    longer = run(artifact_dir, finished.config, small_data, resume=True)
    assert_same_bits(longer, finished)


def test_callbacks_hear_everything_in_order(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    heard: list[Any] = []

    class Listener:
        """Not derived from Callback on purpose."""

        def on_train_begin(self, event: TrainBegin) -> None:
            heard.append(event)

        def on_epoch_begin(self, event: EpochBegin) -> None:
            heard.append(event)

        def on_step_end(self, event: StepEnd) -> None:
            heard.append(event)
            assert threading.current_thread() is threading.main_thread()

        def on_epoch_end(self, event: EpochEnd) -> None:
            heard.append(event)

        def on_train_end(self, event: TrainEnd) -> None:
            heard.append(event)

    result = run(artifact_dir, small_config, small_data, callbacks=[Listener(), Callback()])
    kinds = [type(event) for event in heard]
    epoch = [EpochBegin, *[StepEnd] * 4, EpochEnd]
    assert kinds == [TrainBegin, *epoch, *epoch, TrainEnd]
    begin = heard[0]
    assert (begin.epoch, begin.num_epochs, begin.train_steps, begin.valid_steps) == (1, 2, 4, 1)
    assert (begin.train_images, begin.valid_images, begin.device) == (256, 64, "cpu")
    assert (begin.config, begin.artifact_dir) == (small_config, artifact_dir)
    assert [event.loss for event in heard if isinstance(event, StepEnd)] == (
        result.history.train_steps["loss"]
    )
    assert [event.valid_loss for event in heard if isinstance(event, EpochEnd)] == (
        result.history["valid_loss"]
    )
    assert heard[-1] == TrainEnd(ended="completed", interrupted=False)


def test_a_callback_stops_after_an_epoch(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    class StopAfterFirst(Callback):
        def on_epoch_end(self, event: EpochEnd) -> bool:
            return event.epoch == 1

    result = run(artifact_dir, small_config, small_data, callbacks=[StopAfterFirst()])
    assert (result.ended, result.interrupted) == ("stopped", False)
    assert result.history["epoch"] == [1]
    assert len(result.history.train_steps["step"]) == 4


def test_an_exception_of_a_callback_is_raised_and_the_work_kept(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair
) -> None:
    class Fails(Callback):
        def on_step_end(self, event: StepEnd) -> None:
            if event.step == 2:
                raise LookupError("of the callback")

    with pytest.raises(LookupError, match="of the callback"):
        run(artifact_dir, finished.config, small_data, callbacks=[Fails()])
    assert mnistburn.load_run(artifact_dir).ended == "stopped"
    assert_same_bits(run(artifact_dir, None, small_data, resume=True), finished)


def test_a_loss_that_is_not_finite_is_an_error(artifact_dir: Path, small_data: Pair) -> None:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=8), num_epochs=20, batch_size=32, learning_rate=3e38
    )
    with pytest.raises(TrainingError, match="finite"):
        run(artifact_dir, config, small_data)


def test_no_progress_prints_nothing(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run(artifact_dir, small_config, small_data)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


def test_progress_is_a_line_for_each_epoch_without_a_terminal(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run(artifact_dir, small_config, small_data, progress=True)
    output = capfd.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line[:10] for line in lines] == ["epoch 1/2:", "epoch 2/2:"]
    assert "valid loss" in lines[0]


def test_lines_tell_of_speed_and_time_left(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("mnistburn.progress._SECONDS_BETWEEN_LINES", 0.0)
    run(artifact_dir, small_config, small_data, progress=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if "256 images" in line]
    assert len(lines) == 8
    for line in lines:
        assert re.search(r"images, \d+:\d\d left, [\d.]+k? images/s, loss \d", line), line


class Terminal(io.TextIOWrapper):
    """A standard error that is a terminal of the given encoding."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, write_through=True)

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_progress_is_a_bar_in_a_terminal(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
) -> None:
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stderr", terminal)
    threads = threading.active_count()
    run(artifact_dir, small_config, small_data, progress=True)
    text = terminal.bytes.getvalue().decode(encoding)
    assert "epoch 1/2" in text
    assert "images/s" in text
    assert "valid loss" in text
    assert text.rstrip(" ").endswith(("\n", "\r"))
    assert threading.active_count() == threads


def test_bars_are_closed_when_a_callback_fails(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Fails(Callback):
        def on_step_end(self, event: StepEnd) -> None:
            raise LookupError

    terminal = Terminal("utf-8")
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(LookupError):
        run(artifact_dir, small_config, small_data, progress=True, callbacks=[Fails()])
    assert terminal.bytes.getvalue().decode().rstrip(" ").endswith(("\n", "\r"))


def test_a_closed_stderr_does_not_end_the_training(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Pipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stderr", Pipe())
    assert not run(artifact_dir, small_config, small_data, progress=True).interrupted
    monkeypatch.setattr(sys, "stderr", None)
    assert not run(artifact_dir, small_config, small_data, progress=True).interrupted
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert not run(artifact_dir, small_config, small_data, progress=True).interrupted


def test_a_stand_in_for_stderr_needs_write_alone(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Writes:
        def __init__(self) -> None:
            self.text = ""

        def write(self, text: str) -> None:
            self.text += text

    class Refuses(Writes):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            raise RuntimeError("not now")

    stream = Writes()
    monkeypatch.setattr(sys, "stderr", stream)
    assert not run(artifact_dir, small_config, small_data, progress=True).interrupted
    assert stream.text.count("epoch") == 2
    monkeypatch.setattr(sys, "stderr", Refuses())
    assert not run(artifact_dir, small_config, small_data, progress=True).interrupted


def test_messages_go_to_logging(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    halved = dataclasses.replace(small_config, num_epochs=1, recorder="compact")
    with caplog.at_level(logging.INFO, logger="mnistburn"):
        run(artifact_dir, halved, small_data)
    assert any("half" in record.message for record in caplog.records)
    assert {record.name for record in caplog.records} == {"mnistburn"}


def test_other_threads_run_during_a_training(
    artifact_dir: Path, train_data: Dataset, test_data: Dataset, small_config: TrainingConfig
) -> None:
    done = threading.Event()
    count = 0

    def counting() -> None:
        nonlocal count
        while not done.wait(0.001):
            count += 1

    thread = threading.Thread(target=counting)
    thread.start()
    try:
        result = run(artifact_dir, small_config, (train_data, test_data))
    finally:
        done.set()
        thread.join()
    # A thread that wakes every millisecond, on a machine that is busy.
    assert count > 50 * result.seconds


def test_two_trainings_at_once_equal_each_alone(
    finished: TrainingResult, tmp_path: Path, small_data: Pair
) -> None:
    other_config = dataclasses.replace(finished.config, seed=7)
    other = run(tmp_path / "alone", other_config, small_data)
    results: dict[int, TrainingResult] = {}

    def work(config: TrainingConfig) -> None:
        directory = tmp_path / f"seed-{config.seed}"
        results[config.seed] = run(directory, config, small_data)

    threads = [
        threading.Thread(target=work, args=(config,)) for config in (finished.config, other_config)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_same_bits(results[finished.config.seed], finished)
    assert_same_bits(results[7], other)


def test_equal_runs_leave_equal_files(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair
) -> None:
    again = run(artifact_dir, finished.config, small_data)
    for name in ("config.json", "model.mpk", "checkpoint/epoch-0002/optim.mpk"):
        first = (finished.artifact_dir / name).read_bytes()
        assert (again.artifact_dir / name).read_bytes() == first, name


def test_the_book_s_way_validates_on_the_test_images() -> None:
    from mnistburn.training_data import data_pair

    pair = data_pair(None, TrainingConfig(), None, progress=False)
    assert (len(pair.train), len(pair.valid)) == (60_000, 10_000)


def test_history_file_is_json_of_the_contract(finished: TrainingResult) -> None:
    content = json.loads((finished.artifact_dir / "history.json").read_text())
    assert {"epochs", "train_steps", "valid_steps", "best_epoch", "interrupted", "seconds"} <= set(
        content
    )
    assert content["epochs"] == finished.history.epochs


@pytest.mark.parametrize("recorder", get_args(Recorder))
def test_a_run_resumes_from_checkpoints_of_every_recorder(
    finished: TrainingResult, artifact_dir: Path, small_data: Pair, recorder: Recorder
) -> None:
    config = dataclasses.replace(finished.config, recorder=recorder)
    stopped = run(artifact_dir, config, small_data, callbacks=[StopAt(1, 2)])
    assert stopped.ended == "stopped"
    extensions = {path.name.partition(".")[2] for path in artifact_dir.glob("checkpoint/*/optim.*")}
    own = {"compact": "mpk", "default": "mpk"}
    assert extensions == {own.get(recorder, recorder.removeprefix("named-").replace("-", "."))}
    resumed = run(artifact_dir, None, small_data, resume=True)
    assert not resumed.interrupted
    if recorder != "compact":
        assert_same_bits(resumed, finished)
        assert_same_bits(mnistburn.load_run(artifact_dir), finished)


def test_the_results_of_each_epoch_are_logged(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", "mnistburn"):
        result = run(artifact_dir, small_config, small_data)
    found = [line for line in caplog.messages if line.startswith("epoch ")]
    assert len(found) == result.history.num_epochs > 0
    for line, loss in zip(found, result.history["valid_loss"], strict=True):
        assert f"valid loss {loss:.4f}" in line


def test_a_history_is_a_dict_of_its_columns(finished: TrainingResult) -> None:
    history = finished.history
    assert dict(history) == history.epochs
    assert list(history.keys()) == list(history.epochs)
    assert len(history) == len(history.epochs) != history.num_epochs
    assert history.get("nonsense") is None
    assert json.loads(json.dumps(history)) == history.epochs
    for other in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):  # noqa: S301  of our own
        assert other == history
        assert dict(other) == history.epochs
    more = dataclasses.replace(history, train_steps={})
    assert more != history
    assert dict(more) == history.epochs


def test_a_history_becomes_a_table_of_pandas(finished: TrainingResult) -> None:
    pandas = pytest.importorskip("pandas")
    history = finished.history
    table = pandas.DataFrame(history)
    assert table.to_dict("list") == history.epochs
    assert table["valid_loss"].dtype == "float64"
    assert pandas.DataFrame(history.train_steps).to_dict("list") == history.train_steps


def test_the_bar_fits_80_columns(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    # What tqdm looks at where standard error has no size.
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    config = dataclasses.replace(small_config, num_epochs=10)
    run(artifact_dir, config, small_data, progress=True)
    bars = [part for part in terminal.getvalue().split("\r") if "accuracy" in part and "|" in part]
    assert bars
    for bar in bars:
        text = bar.split("\n")[0]
        assert len(text) <= 80
        numbers = r"\d+:\d\d left, [\d.]+k? images/s, loss \d\.\d{4}, accuracy \d\.\d{4}"
        assert re.search(rf"\|.{{8,}}\| {numbers}", text), text
