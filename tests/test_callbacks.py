"""Callbacks: what they see, and those that are built in."""

import csv
import dataclasses
import gc
import itertools
import json
import struct
import weakref
from pathlib import Path
from typing import Any

import pytest
import tensorboardX.proto.event_pb2
from callbacks_that_stop import CopyAt, StopAt
from tensorboardX.proto.event_pb2 import SessionLog

import mnistburn
from mnistburn import (
    Callback,
    Checkpoint,
    CsvLogger,
    Dataset,
    EarlyStopping,
    JsonLinesLogger,
    Model,
    TensorBoard,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import (
    EpochBegin,
    EpochEnd,
    ExceptionRaised,
    RunView,
    StepBegin,
    StepEnd,
    TrainBegin,
    TrainEnd,
    ValidationBegin,
    ValidationEnd,
)
from mnistburn.errors import ArtifactError, ConfigError, TrainingError

Pair = tuple[Dataset, Dataset]

STEPS = 4


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


def same(first: Model, second: Model) -> bool:
    states = first.state_dict(), second.state_dict()
    return all(values.tobytes() == states[1][name].tobytes() for name, values in states[0].items())


def test_a_callback_hears_of_beginnings_and_ends(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    heard: list[Any] = []

    class Listener(Callback):
        def on_train_begin(self, event: TrainBegin) -> None:
            heard.append(event)

        def on_epoch_begin(self, event: EpochBegin) -> None:
            heard.append(event)

        def on_step_begin(self, event: StepBegin) -> None:
            heard.append(event)

        def on_step_end(self, event: StepEnd) -> None:
            heard.append(event)

        def on_validation_begin(self, event: ValidationBegin) -> None:
            heard.append(event)

        def on_validation_end(self, event: ValidationEnd) -> None:
            heard.append(event)

        def on_epoch_end(self, event: EpochEnd) -> None:
            heard.append(event)

        def on_train_end(self, event: TrainEnd) -> None:
            heard.append(event)

    result = run(artifact_dir, small_config, small_data, callbacks=[Listener()])
    validation = [ValidationBegin, ValidationEnd]
    epoch = [EpochBegin, *[StepBegin, StepEnd] * STEPS, *validation, EpochEnd]
    assert [type(event) for event in heard] == [TrainBegin, *epoch, *epoch, TrainEnd]
    steps = [(event.epoch, event.step) for event in heard if isinstance(event, StepBegin)]
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(1, STEPS + 1)]
    ends = [event for event in heard if isinstance(event, ValidationEnd)]
    assert [event.valid_loss for event in ends] == result.history["valid_loss"]
    assert [event.valid_accuracy for event in ends] == result.history["valid_accuracy"]
    assert ValidationBegin(epoch=1, steps=1) in heard


@pytest.mark.parametrize("where", ["a callback", "the training", "the beginning"])
def test_an_exception_is_heard_of(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    where: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[TrainEnd | ExceptionRaised] = []

    class Listener(Callback):
        def on_train_end(self, event: TrainEnd) -> None:
            heard.append(event)

        def on_exception(self, event: ExceptionRaised) -> None:
            heard.append(event)
            with pytest.raises(TrainingError, match="only while a callback is called"):
                _ = event.run.model

    class Fails(Callback):
        def on_epoch_end(self, event: EpochEnd) -> None:
            if where == "a callback":
                raise ZeroDivisionError

        def on_exception(self, event: ExceptionRaised) -> None:
            raise ValueError from event.exception

    config = small_config
    error: type[Exception] = ZeroDivisionError
    if where == "the training":
        config, error = dataclasses.replace(small_config, learning_rate=1e30), TrainingError
    elif where == "the beginning":
        config, error = dataclasses.replace(small_config, freeze=["nothing"]), ConfigError
    with pytest.raises(error) as raised:
        run(artifact_dir, config, small_data, callbacks=[Fails(), Listener(), Fails()])
    if where == "the beginning":
        assert heard == []
        return
    assert [type(event) for event in heard] == [ExceptionRaised]
    assert heard[0] == ExceptionRaised(raised.value)
    failures = [line for line in caplog.messages if line == "a callback failed in on_exception"]
    assert len(failures) == 2


def test_steps_are_heard_of_at_each_so_many_of_the_run(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    heard: list[tuple[int, int]] = []

    class EachThird(Callback):
        every = 3

        def on_step_end(self, event: StepEnd) -> None:
            heard.append((event.epoch, event.step))

    callbacks = [EachThird()]
    run(artifact_dir, small_config, small_data, callbacks=[*callbacks, StopAt(1, 2)])
    run(artifact_dir, None, small_data, resume=True, callbacks=callbacks)
    assert heard == [(1, 3), (2, 2)]
    EachThird.every = 0
    with pytest.raises(ConfigError, match="every must be"):
        run(artifact_dir, small_config, small_data, callbacks=callbacks)


def test_a_callback_sees_the_model_the_history_and_the_data(
    artifact_dir: Path, tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    models: list[Model] = []
    views: list[RunView] = []

    class Looks(Callback):
        def on_train_begin(self, event: TrainBegin) -> None:
            models.append(event.run.model)
            assert event.run.history.num_epochs == 0

        def on_step_end(self, event: StepEnd) -> None:
            assert event.run.history.train_steps["loss"][-1] == event.loss
            models.append(event.run.model)

        def on_epoch_end(self, event: EpochEnd) -> None:
            views.append(event.run)
            assert event.run.model is event.run.model
            found = event.run.model.evaluate(event.run.valid_data)
            assert found.loss == pytest.approx(event.valid_loss, rel=1e-5)
            assert event.run.history["valid_loss"][-1] == event.valid_loss
            assert event.run.config == small_config
            assert event.run.artifact_dir == artifact_dir
            assert len(event.run.train_data) == 256

    result = run(artifact_dir, small_config, small_data, callbacks=[Looks()])
    # A model that a callback keeps stays as it was, and changes nothing.
    assert len(models) == 1 + 2 * STEPS
    assert same(models[-1], result.model)
    assert same(models[0], Model(small_config.model, seed=small_config.seed))
    assert not any(same(first, second) for first, second in itertools.pairwise(models))
    plain = run(tmp_path / "plain", small_config, small_data)
    assert same(plain.model, result.model)
    assert plain.history["valid_loss"] == result.history["valid_loss"]
    with pytest.raises(TrainingError, match="only while a callback is called"):
        _ = views[0].model
    with pytest.raises(TrainingError, match="no run to look at"):
        _ = TrainEnd("completed", interrupted=False).run.history
    kept = weakref.ref(models[0])
    models.clear()
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    "hook",
    ["on_train_begin", "on_epoch_begin", "on_step_begin", "on_validation_begin", "on_epoch_end"],
)
def test_an_exception_comes_through_once_the_checkpoint_is_safe(
    artifact_dir: Path, tmp_path: Path, small_config: TrainingConfig, small_data: Pair, hook: str
) -> None:
    failure = LookupError("of the callback")

    class Fails(Callback):
        def __getattribute__(self, name: str) -> Any:
            return self._fail if name == hook else super().__getattribute__(name)

        def _fail(self, event: Any) -> None:
            if getattr(event, "epoch", 2) == 2 or hook == "on_train_begin":
                raise failure

    with pytest.raises(LookupError) as caught:
        run(artifact_dir, small_config, small_data, callbacks=[Fails()])
    assert caught.value is failure
    if hook == "on_train_begin":
        resumed = run(artifact_dir, small_config, small_data)
    else:
        assert mnistburn.load_run(artifact_dir).history.num_epochs >= 1
        resumed = run(artifact_dir, None, small_data, resume=True)
    whole = run(tmp_path / "whole", small_config, small_data)
    assert same(resumed.model, whole.model)


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = ("seconds", "images_per_second")
    return [{name: row[name] for name in row if name not in timed} for row in rows]


@pytest.mark.parametrize("place", [(1, 3), (2, 1), (2, 4)])
def test_logs_of_a_resumed_run_have_each_row_once(
    artifact_dir: Path,
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    place: tuple[int, int],
) -> None:
    config = dataclasses.replace(small_config, num_epochs=3, metrics=["f1_macro"])

    def loggers(name: str) -> list[Callback]:
        folder = tmp_path / name
        return [
            CsvLogger(folder / "log.csv"),
            JsonLinesLogger(folder / "log.jsonl", every=2),
            JsonLinesLogger(folder / "epochs.jsonl"),
        ]

    whole = run(tmp_path / "whole", config, small_data, callbacks=loggers("logs"))
    stopped = [*loggers("again"), StopAt(*place)]
    run(artifact_dir, config, small_data, callbacks=stopped)
    run(artifact_dir, None, small_data, resume=True, callbacks=loggers("again"))
    for name in ("logs", "again"):
        with (tmp_path / name / "log.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == list(whole.history)
        for column in ("epoch", "valid_loss", "valid_f1_macro", "learning_rate"):
            assert [float(row[column]) for row in rows] == whole.history[column]
    read = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("logs", "again")
    ]
    assert [next(iter(row)) for row in read[0]] == ["step", "step", "epoch"] * 3
    first, second = (untimed([next(iter(row.values())) for row in rows]) for rows in read)
    assert first == second
    epochs = (tmp_path / "again" / "epochs.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"]["epoch"] for line in epochs] == [1, 2, 3]
    # A new run begins a new log.
    run(tmp_path / "whole", config, small_data, callbacks=loggers("logs"))
    assert len((tmp_path / "logs" / "log.csv").read_text().splitlines()) == 4


def test_a_log_leaves_the_files_of_others_alone(
    artifact_dir: Path, tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    for kind in (CsvLogger, JsonLinesLogger):
        path = tmp_path / "notes.txt"
        path.write_text("mine\n")
        with pytest.raises(ConfigError, match="something else than such a log"):
            run(artifact_dir, small_config, small_data, callbacks=[kind(path)])
        assert path.read_text() == "mine\n"


def events(folder: Path) -> list[Any]:
    """Read TensorBoard's event files: records of a length, its checksum, data and a checksum."""
    found = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = tensorboardX.proto.event_pb2.Event()
            event.ParseFromString(content[12 : 12 + length])
            found.append(event)
            content = content[16 + length :]
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard shows: a new part drops what was written from its first step on."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        if event.session_log.status == SessionLog.START:
            for tag, values in found.items():
                found[tag] = [row for row in values if row[0] < event.step]
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_tensorboard_reads_what_was_measured(
    artifact_dir: Path,
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    killed: bool,
) -> None:
    config = dataclasses.replace(small_config, metrics=["f1_macro"])
    logs = tmp_path / "logs"
    # A killed run may have logged beyond its last checkpoint.
    end = CopyAt(1, tmp_path / "copy") if killed else StopAt(2, 2)
    run(artifact_dir, config, small_data, callbacks=[TensorBoard(logs, every=2), end])
    directory = tmp_path / "copy" if killed else artifact_dir
    again = TensorBoard(logs, every=2)
    result = run(directory, None, small_data, resume=True, callbacks=[again])
    found = scalars(logs)
    for tag, column in (
        ("train/loss", "train_loss"),
        ("valid/accuracy", "valid_accuracy"),
        ("valid/f1_macro", "valid_f1_macro"),
        ("learning_rate", "learning_rate"),
    ):
        steps, values = zip(*found[tag], strict=True)
        assert steps == (4, 8)
        assert values == pytest.approx(result.history[column], rel=1e-6)
    steps, values = zip(*found["step/loss"], strict=True)
    assert steps == (2, 4, 6, 8)
    assert values == pytest.approx(result.history.train_steps["loss"][1::2], rel=1e-6)


def kept(directory: Path) -> list[int]:
    """Return the epochs whose models are kept."""
    found = []
    for epoch in range(1, 9):
        try:
            assert mnistburn.load_run(directory, epoch=epoch).model_epoch == epoch
        except ArtifactError:
            continue
        found.append(epoch)
    return found


def test_checkpoints_are_kept_as_asked_for(
    artifact_dir: Path, tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = dataclasses.replace(small_config, num_epochs=6, learning_rate=3e-2)
    result = run(artifact_dir, config, small_data, callbacks=[Checkpoint(keep_last=None)])
    assert kept(artifact_dir) == [1, 2, 3, 4, 5, 6]
    losses = result.history["valid_loss"]
    order = sorted(range(1, 7), key=lambda epoch: losses[epoch - 1])
    rule = Checkpoint(keep_last=1, keep_best=3)
    run(tmp_path / "best", config, small_data, callbacks=[rule, StopAt(4, 1)])
    # What a resumed run keeps is what it kept before.
    run(tmp_path / "best", None, small_data, resume=True)
    assert kept(tmp_path / "best") == sorted({6, *order[:3]})
    run(tmp_path / "plain", config, small_data)
    assert kept(tmp_path / "plain") == sorted({5, 6, order[0]})
    with pytest.raises(ConfigError, match="keep_last must be"):
        Checkpoint(keep_last=0)
    with pytest.raises(ConfigError, match="one Checkpoint at most"):
        run(artifact_dir, config, small_data, callbacks=[rule, rule])


def test_types_of_callbacks_are_checked(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    class Alike:
        def on_epoch_end(self, event: EpochEnd) -> bool:
            return event.epoch == 1

    # mypy refuses a comment that ignores nothing, so it is part of this test.
    with pytest.raises(ConfigError, match="got 3 "):
        mnistburn.train(
            artifact_dir,
            small_config,
            data=small_data,
            callbacks=[3, "bad"],  # type: ignore[list-item]
        )
    result = mnistburn.train(
        artifact_dir,
        small_config,
        "cpu",
        data=small_data,
        callbacks=[Alike(), EarlyStopping(), Callback()],
        progress=False,
    )
    assert result.ended == "stopped"
