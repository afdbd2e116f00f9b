"""The callback Mlflow: what MLflow's client reads of a training."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from callbacks_that_stop import CopyAt, StopAt

import mnistburn
from mnistburn import Dataset, Mlflow, TrainingConfig, TrainingResult
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("RUN_ID", "TRACKING_URI", "EXPERIMENT_ID", "EXPERIMENT_NAME"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return where MLflow keeps its runs: the folder of a test."""
    return (tmp_path / "mlruns").as_uri()


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


def runs(store: str, experiment: str = "Default") -> list[Any]:
    """Return the runs of an experiment, the oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id], order_by=["start_time ASC"]))


def points(store: str, run_id: str, name: str) -> list[tuple[int, float]]:
    """Return the steps and the values of a metric."""
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=store).get_metric_history(run_id, name)
    return [(point.step, point.value) for point in found]


def files(found: Any) -> dict[str, bytes]:
    """Return the artifacts of a run."""
    folder = Path(url2pathname(urlsplit(found.info.artifact_uri).path))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_parameters_metrics_and_files_are_kept(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    config = dataclasses.replace(
        small_config,
        metrics=["f1_macro", "f0.5_micro"],
        augmentation=mnistburn.AugmentationConfig(rotate=10),
        optimizer=mnistburn.AdamWConfig(weight_decay=0.01),
    )
    callback = Mlflow(experiment="Ziffern <äöü> & co", run_name="first", tracking_uri=store)
    result = run(artifact_dir, config, small_data, callbacks=[callback])
    (found,) = runs(store, "Ziffern <äöü> & co")
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "first"
    expected = {
        "model": "ModelConfig",
        "model.hidden_size": "16",
        "optimizer": "AdamWConfig",
        "optimizer.weight_decay": "0.01",
        "augmentation.rotate": "10.0",
        "num_epochs": "2",
        "learning_rate": "0.001",
        "lr_scheduler": "None",
        "metrics": "('f1_macro', 'f0.5_micro')",
    }
    assert expected.items() <= found.data.params.items()
    assert found.data.tags["mnistburn.device"] == "cpu"
    assert found.data.tags["mnistburn.version"] == mnistburn.__version__
    for name, column in (
        ("train/loss", "train_loss"),
        ("valid/accuracy", "valid_accuracy"),
        ("valid/f1_macro", "valid_f1_macro"),
        ("valid/f0.5_micro", "valid_f0.5_micro"),
        ("learning_rate", "learning_rate"),
        ("seconds", "seconds"),
    ):
        assert points(store, found.info.run_id, name) == [
            (4 * epoch, value) for epoch, value in enumerate(result.history[column], 1)
        ]
    assert not [name for name in found.data.metrics if name.startswith("step/")]
    kept = files(found)
    assert kept.keys() >= {"model.mpk", "model.mpk.meta.json", "config.json", "summary.txt"}
    for name, content in kept.items():
        if name != "train.log":  # which has a line of the end of the run
            assert content == (artifact_dir / name).read_bytes()
    assert json.loads(kept["history.json"])["epochs"]["train_loss"] == result.history["train_loss"]


def test_parts_within_parts_are_parameters(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    blocks = [mnistburn.ConvBlock(channels=4), mnistburn.ConvBlock(channels=8, norm="batch")]
    model = mnistburn.ConvNetConfig(blocks=blocks)
    config = dataclasses.replace(small_config, model=model, num_epochs=1)
    run(artifact_dir, config, small_data, callbacks=[Mlflow(tracking_uri=store)])
    (found,) = runs(store)
    assert found.info.run_name == artifact_dir.name
    assert found.data.params["model.blocks.0.channels"] == "4"
    assert found.data.params["model.blocks.1"] == "ConvBlock"
    assert found.data.params["model.blocks.1.norm"] == "batch"


@pytest.mark.parametrize(
    "case", ["stopped", "killed", "stopped after an older one", "killed after an older one"]
)
def test_a_resumed_run_goes_on_in_its_mlflow_run(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair, store: str, case: str
) -> None:
    artifact_dir = tmp_path / "artifacts"
    killed, older = "killed" in case, "older" in case

    def mlflow() -> Mlflow:
        return Mlflow(tracking_uri=store, every=2)

    if older:
        # A run in the place of another has an MLflow run of its own.
        run(artifact_dir, small_config, small_data, callbacks=[mlflow()])
    end = CopyAt(1, tmp_path / "copy") if killed else StopAt(2, 2)
    run(artifact_dir, small_config, small_data, callbacks=[mlflow(), end])
    stopped = runs(store)[-1]
    assert stopped.info.status == "FINISHED"
    directory = tmp_path / "copy" if killed else artifact_dir
    config = dataclasses.replace(small_config, num_epochs=3)
    result = run(directory, config, small_data, resume=True, callbacks=[mlflow()])
    assert len(runs(store)) == 1 + older
    found = runs(store)[-1]
    assert found.info.run_id == stopped.info.run_id
    losses = points(store, found.info.run_id, "valid/loss")
    assert losses == list(zip((4, 8, 12), result.history["valid_loss"], strict=True))
    steps = result.history.train_steps["loss"][1::2]
    assert sorted(points(store, found.info.run_id, "step/loss")) == list(
        zip((2, 4, 6, 8, 10, 12), steps, strict=True)
    )
    # MLflow's parameters are final.
    assert found.data.params["num_epochs"] == "2"
    assert found.data.tags["mnistburn.resumed.num_epochs"] == "3"
    assert json.loads(files(found)["config.json"])["num_epochs"] == 3


def test_a_callback_of_the_second_part_alone_logs_the_first_too(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    run(artifact_dir, small_config, small_data, callbacks=[StopAt(2, 1)])
    callback = Mlflow(tracking_uri=store, every=1)
    result = run(artifact_dir, None, small_data, resume=True, callbacks=[callback])
    (found,) = runs(store)
    assert points(store, found.info.run_id, "step/loss") == list(
        enumerate(result.history.train_steps["loss"], 1)
    )
    losses = list(zip((4, 8), result.history["train_loss"], strict=True))
    assert points(store, found.info.run_id, "train/loss") == losses


def test_values_that_differ_after_a_resume_are_logged(
    artifact_dir: Path, tmp_path: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    callbacks = [Mlflow(tracking_uri=store), CopyAt(1, tmp_path / "copy")]
    first = run(artifact_dir, small_config, small_data, callbacks=callbacks)
    config = dataclasses.replace(small_config, learning_rate=1e-4)
    callback = Mlflow(tracking_uri=store)
    second = run(tmp_path / "copy", config, small_data, resume=True, callbacks=[callback])
    (found,) = runs(store)
    assert points(store, found.info.run_id, "train/loss") == [
        (4, first.history["train_loss"][0]),
        (8, first.history["train_loss"][1]),
        (8, second.history["train_loss"][1]),
    ]
    assert found.data.metrics["train/loss"] == second.history["train_loss"][1]


def test_more_steps_than_a_server_takes_at_once(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    sizes: list[int] = []
    real = MlflowClient.log_batch

    def counted(client: Any, run_id: str, **more: Any) -> Any:
        sizes.append(len(more.get("metrics", ())))
        return real(client, run_id, **more)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    config = dataclasses.replace(small_config, num_epochs=1, batch_size=1)
    data = (Dataset.concat(small_data[0], small_data[0]), small_data[1][:8])
    run(artifact_dir, config, data, callbacks=[Mlflow(tracking_uri=store, every=1)])
    assert max(sizes) <= 1000
    (found,) = runs(store)
    assert len(points(store, found.info.run_id, "step/loss")) == 512


def test_an_active_run_is_logged_to_and_stays_open(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        with mlflow.start_run() as active:
            mlflow.log_param("mine", "1")
            run(artifact_dir, small_config, small_data, callbacks=[Mlflow()])
            mlflow.log_metric("mine", 2)
            current = mlflow.active_run()
            assert current is not None
            assert current.info.run_id == active.info.run_id
            assert runs(store)[0].info.status == "RUNNING"
    finally:
        mlflow.set_tracking_uri(before)
    (found,) = runs(store)
    assert found.info.status == "FINISHED"
    assert found.data.params["mine"] == "1"
    assert found.data.params["batch_size"] == "64"
    assert found.data.metrics["mine"] == 2
    assert "valid/loss" in found.data.metrics


def test_a_run_is_logged_to_by_its_identifier(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store)
    ids = [client.create_run("0").info.run_id for _ in range(2)]
    monkeypatch.setenv("MLFLOW_RUN_ID", ids[1])
    callbacks = [Mlflow(tracking_uri=store, run_id=ids[0], artifacts=False)]
    run(artifact_dir, small_config, small_data, callbacks=callbacks)
    first = client.get_run(ids[0])
    assert first.info.status == "FINISHED"
    assert "valid/loss" in first.data.metrics
    assert not client.list_artifacts(ids[0])
    run(artifact_dir, small_config, small_data, callbacks=[Mlflow(tracking_uri=store)])
    assert "valid/loss" in client.get_run(ids[1]).data.metrics
    assert len(runs(store)) == 2


def test_a_run_that_an_exception_ended_is_failed_in_mlflow(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    class Fails(mnistburn.Callback):
        def on_epoch_end(self, event: object) -> None:
            raise ZeroDivisionError

    first = Mlflow(tracking_uri=store)
    with pytest.raises(ZeroDivisionError):
        run(artifact_dir, small_config, small_data, callbacks=[first, Fails()])
    (found,) = runs(store)
    assert found.info.status == "FAILED"
    assert found.data.metrics["valid/loss"] > 0
    run(artifact_dir, None, small_data, resume=True, callbacks=[Mlflow(tracking_uri=store)])
    (found,) = runs(store)
    assert found.info.status == "FINISHED"
    # A second training that can't begin is none of the first one's business.
    first.run_id = "0" * 32
    with pytest.raises(ConfigError, match="not found"):
        run(artifact_dir, small_config, small_data, callbacks=[first], overwrite=True)
    assert runs(store)[0].info.status == "FINISHED"


def test_an_interrupted_run_is_killed_in_mlflow(
    artifact_dir: Path, small_config: TrainingConfig, small_data: Pair, store: str
) -> None:
    from mnistburn.callbacks import TrainBegin, TrainEnd

    callback = Mlflow(tracking_uri=store)

    class Ends(mnistburn.Callback):
        def on_train_end(self, event: TrainEnd) -> None:
            view = event.run
            callback.on_train_end(TrainEnd("interrupted", interrupted=True, run=view))

        def on_train_begin(self, event: TrainBegin) -> None:
            callback.on_train_begin(event)

    run(artifact_dir, small_config, small_data, callbacks=[Ends()])
    (found,) = runs(store)
    assert found.info.status == "KILLED"
    assert "model.mpk" in files(found)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"experiment": ""}, "experiment must be a text that is not empty"),
        ({"run_name": 3}, "run_name must be a text"),
        ({"run_id": Path("x")}, "run_id must be a text"),
        ({"tracking_uri": b"x"}, "tracking_uri must be a text"),
        ({"every": 0}, "every must be"),
        ({"artifacts": 1}, "artifacts must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        Mlflow(**arguments)


def test_errors_say_what_is_wrong(
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for callback, rule in (
        (Mlflow(tracking_uri=store, run_id="0" * 32), f"can't log to {store}: .*not found.*run_id"),
        (Mlflow(tracking_uri="what://ever"), r"can't log to what://ever: .*mnistburn\[mlflow\]"),
    ):
        with pytest.raises(ConfigError, match=rule):
            run(artifact_dir, small_config, small_data, callbacks=[callback])
    with pytest.raises(ConfigError, match="has not begun"):
        Mlflow().on_train_end(mnistburn.callbacks.TrainEnd("completed", interrupted=False))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r'pip install "mnistburn\[mlflow\]"'):
        run(artifact_dir, small_config, small_data, callbacks=[Mlflow(tracking_uri=store)])
