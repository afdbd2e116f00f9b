"""The configurations: defaults, JSON, files."""

import dataclasses
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

from mnistburn import (
    AdamConfig,
    AugmentationConfig,
    CosineAnnealingLrSchedulerConfig,
    ExponentialLrSchedulerConfig,
    GradientClippingConfig,
    LinearLrSchedulerConfig,
    ModelConfig,
    NoamLrSchedulerConfig,
    OneCycleLrSchedulerConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
    _native,
    arrays,
)
from mnistburn.errors import ConfigError

KINDS: list[tuple[str, type[Any]]] = [
    ("model", ModelConfig),
    ("adam", AdamConfig),
    ("augmentation", AugmentationConfig),
    ("training", TrainingConfig),
]

FULL = TrainingConfig(
    model=ModelConfig(num_classes=7, hidden_size=33, dropout=0.25),
    optimizer=AdamConfig(
        beta_1=0.8,
        beta_2=0.99,
        epsilon=1e-7,
        amsgrad=True,
        weight_decay=5e-5,
        grad_clipping=GradientClippingConfig(norm=2.0),
    ),
    num_epochs=3,
    batch_size=17,
    num_workers=0,
    seed=2**64 - 1,
    learning_rate=0.5,
    lr_scheduler=CosineAnnealingLrSchedulerConfig(num_iters=100, min_lr=0.125),
    augmentation=AugmentationConfig(rotate=10, shift=0.1, elastic=34, elastic_sigma=5, cutout=0.3),
    recorder="named-mpk-gz",
)


@pytest.mark.parametrize(("kind", "config"), KINDS)
def test_python_defaults_are_the_defaults_of_rust(kind: str, config: type[Any]) -> None:
    rust = json.loads(_native.complete_config(kind, "{}"))
    expected = config()
    if kind == "training":  # which fits the model to the data where there is none
        expected = dataclasses.replace(expected, model=ModelConfig())
    assert config._from_checked(rust) == expected
    # The fields themselves, not what Rust would fill in for them.
    assert {item.name for item in dataclasses.fields(config)} == set(rust)
    for item in dataclasses.fields(config):
        if item.default is not dataclasses.MISSING and item.name != "model":
            assert json.loads(json.dumps(item.default)) == rust[item.name], item.name


@pytest.mark.parametrize(
    ("config", "schedule"),
    [
        (NoamLrSchedulerConfig(), {"Noam": {}}),
        (
            CosineAnnealingLrSchedulerConfig(num_iters=5),
            {"CosineAnnealing": {"num_iters": 5}},
        ),
        (OneCycleLrSchedulerConfig(num_iters=5), {"OneCycle": {"num_iters": 5}}),
        (StepLrSchedulerConfig(step_size=5), {"Step": {"step_size": 5}}),
    ],
    ids=["noam", "cosine", "one-cycle", "step"],
)
def test_defaults_of_schedules_are_those_of_rust(config: Any, schedule: dict[str, Any]) -> None:
    read = TrainingConfig.from_json(json.dumps({"lr_scheduler": schedule}))
    assert read.lr_scheduler == config


def test_json_of_a_default_training_has_the_keys_of_the_burn_book_only() -> None:
    content = json.loads(TrainingConfig(model=ModelConfig()).to_json())
    assert list(content["model"]) == ["num_classes", "hidden_size", "dropout"]
    assert set(content) == {
        "model",
        "optimizer",
        "num_epochs",
        "batch_size",
        "num_workers",
        "seed",
        "learning_rate",
    }
    assert content["learning_rate"] == 1e-4
    assert content["optimizer"]["epsilon"] == 1e-5


def test_json_of_a_full_training_is_read_back_equal() -> None:
    content = json.loads(FULL.to_json())
    assert content["optimizer"]["grad_clipping"] == {"Norm": 2.0}
    assert content["optimizer"]["weight_decay"] == {"penalty": 5e-5}
    assert content["lr_scheduler"] == {"CosineAnnealing": {"num_iters": 100, "min_lr": 0.125}}
    assert content["recorder"] == "named-mpk-gz"
    assert TrainingConfig.from_json(FULL.to_json()) == FULL


@pytest.mark.parametrize(
    "schedule",
    [
        ExponentialLrSchedulerConfig(gamma=0.5),
        CosineAnnealingLrSchedulerConfig(num_iters=10),
        LinearLrSchedulerConfig(final_lr=1e-5, num_iters=10),
        NoamLrSchedulerConfig(warmup_steps=10, model_size=16),
        OneCycleLrSchedulerConfig(num_iters=10, pct_start=0.5, div_factor=5.0),
        StepLrSchedulerConfig(step_size=10, gamma=0.5),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_every_schedule_is_read_back_equal(schedule: Any) -> None:
    config = TrainingConfig(lr_scheduler=schedule)
    assert TrainingConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(("kind", "config"), KINDS)
def test_a_file_is_read_back_equal(kind: str, config: type[Any], tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.json"
    value = FULL if config is TrainingConfig else config()
    value.save(path)
    assert config.load(path) == value
    assert config.load(str(path)) == value
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_config_of_the_burn_book_is_read() -> None:
    text = """{
      "num_epochs": 10, "batch_size": 64, "num_workers": 4, "seed": 42, "learning_rate": 0.0001,
      "model": {"num_classes": 10, "hidden_size": 512, "dropout": 0.5},
      "optimizer": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-5,
                    "weight_decay": null, "grad_clipping": null}
    }"""
    assert TrainingConfig.from_json(text) == TrainingConfig(model=ModelConfig())


def test_missing_keys_take_their_defaults() -> None:
    config = TrainingConfig.from_json('{"seed": 7, "optimizer": {"beta_1": 0.5}}')
    assert config == TrainingConfig(seed=7, optimizer=AdamConfig(beta_1=0.5))


def test_replace_changes_one_field_and_checks_it() -> None:
    assert dataclasses.replace(FULL, seed=1).seed == 1
    with pytest.raises(ConfigError, match="seed"):
        dataclasses.replace(FULL, seed=-1)


def test_numbers_of_numpy_become_plain_ones() -> None:
    config = TrainingConfig(
        num_epochs=numpy.int64(3),  # type: ignore[arg-type]
        learning_rate=numpy.float32(0.5),  # type: ignore[arg-type]
    )
    assert type(config.num_epochs) is int
    assert type(config.learning_rate) is float
    assert config == TrainingConfig(num_epochs=3, learning_rate=0.5)


def test_a_config_is_frozen_and_hashable() -> None:
    config = TrainingConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    assert hash(config) == hash(TrainingConfig())


def test_errors_of_a_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        TrainingConfig.load(path)
    for content in (b"", b"{", b"[]", b"\xff\xfe", b'{"sed": 1}', b'{"seed": 1.5}'):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"config\.json"):
            TrainingConfig.load(path)


def test_a_failed_save_keeps_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    FULL.save(path)

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match=r"config\.json") as caught:
        TrainingConfig().save(path)
    assert caught.value.errno == 28
    assert TrainingConfig.load(path) == FULL
    assert [item.name for item in tmp_path.iterdir()] == ["config.json"]


def test_many_threads_save_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    failed: list[Exception] = []

    def save() -> None:
        try:
            for _ in range(30):
                FULL.save(path)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert TrainingConfig.load(path) == FULL
    assert [item.name for item in tmp_path.iterdir()] == ["config.json"]


def test_any_file_name_that_the_system_takes_is_saved_to(tmp_path: Path) -> None:
    path = tmp_path / ("c" * 255)
    FULL.save(path)
    assert TrainingConfig.load(path) == FULL


def test_an_error_names_the_target_not_a_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "config.json"
    with pytest.raises(OSError, match=r"config\.json") as caught:
        FULL.save(path)
    assert caught.value.filename == str(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes in directories")
def test_a_pipe_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for act in (FULL.save, TrainingConfig.load):
        with pytest.raises(ConfigError, match="not a regular file"):
            act(path)
    assert path.is_fifo()


def test_a_data_set_takes_as_many_classes_as_a_model() -> None:
    assert ModelConfig(num_classes=arrays._MOST_CLASSES).num_classes == arrays._MOST_CLASSES
    with pytest.raises(ConfigError, match=str(arrays._MOST_CLASSES)):
        ModelConfig(num_classes=arrays._MOST_CLASSES + 1)


def test_a_training_without_a_model_stays_without_one() -> None:
    config = TrainingConfig(num_epochs=3)
    assert config.model is None
    assert "model" not in json.loads(config.to_json())
    assert TrainingConfig.from_json(config.to_json()) == config
    with pytest.raises(ConfigError, match="model must be a ModelConfig"):
        TrainingConfig(model="guide")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "near"),
    [({"epochs": 3}, "num_epochs"), ({"lr": 0.1}, "learning_rate"), ({"batch": 8}, "batch_size")],
)
def test_the_nearest_field_is_proposed(values: dict[str, Any], near: str) -> None:
    with pytest.raises(TypeError, match=f"did you mean '{near}'") as caught:
        TrainingConfig(**values)
    proposed = str(caught.value).split("'")[-2]
    TrainingConfig(**{proposed: next(iter(values.values()))})
    untyped: Any = ModelConfig
    with pytest.raises(TypeError, match=r"ModelConfig has no 'zzzz'; it has .*hidden_size"):
        untyped(zzzz=1)


def test_a_wrong_part_of_a_configuration_has_the_right_article() -> None:
    value: Any = 3
    with pytest.raises(ConfigError, match="must be an AugmentationConfig"):
        TrainingConfig(augmentation=value)
