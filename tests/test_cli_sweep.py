"""``mnistburn sweep``."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn.cli import main


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 40 images of MNIST with all classes, and 20 to validate on."""
    images = mnistburn.datasets.load("mnist", "train")[:60]
    path = tmp_path_factory.mktemp("data") / "data.npz"
    numpy.savez(
        path,
        x_train=images.images[:40],
        y_train=images.targets[:40],
        x_test=images.images[40:],
        y_test=images.targets[40:],
    )
    return path


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def sweep(directory: Path, data: Path, *options: object) -> Result:
    return command("sweep", directory, "--data", data, "--device=cpu", "--no-progress", *options)


def refused(directory: Path, data: Path, *options: object) -> str:
    done = sweep(directory, data, *options)
    assert done.exit_code != 0
    assert done.stdout == ""
    assert not directory.exists()
    return done.stderr


def test_the_table_is_printed_and_written(tmp_path: Path, data: Path) -> None:
    done = sweep(
        tmp_path / "sweep",
        data,
        *("--choice", "optimizer=adam,sgd", "--choice", "learning_rate=0.001,0.01"),
        *("--choice", 'augmentation=[null, {"rotate": 5}]'),
        *("--num-epochs=2", "--hidden-size=8", "--workers=2", "--csv", tmp_path / "table.csv"),
    )
    assert done.exit_code == 0, done.output
    result = mnistburn.load_sweep(tmp_path / "sweep")
    assert done.stdout == f"{result.table()}\n"
    assert len(result.trials) == 8
    assert [trial.settings["optimizer"] for trial in result.trials] == [*["adam"] * 4, *["sgd"] * 4]
    config = mnistburn.load_run(result.trials[7].directory).config
    assert isinstance(config.optimizer, mnistburn.SgdConfig)
    assert isinstance(config.model, mnistburn.ModelConfig)
    assert (config.learning_rate, config.num_epochs, config.model.hidden_size) == (0.01, 2, 8)
    assert config.augmentation == mnistburn.AugmentationConfig(rotate=5)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        assert [row["trial"] for row in csv.DictReader(file)] == [str(n) for n in range(1, 9)]
    evaluated = command("evaluate", tmp_path / "sweep" / "trial-0003")
    assert evaluated.exit_code == 0, evaluated.output


def test_distributions_and_files_are_as_in_python(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text(json.dumps({"learning-rate": {"log_uniform": [1e-4, 1e-2]}}))
    done = sweep(
        tmp_path / "sweep",
        data,
        *("--space", file, "--uniform", "label_smoothing=0,0.5"),
        *("--integers", "batch_size=8,16", "--num-trials=3", "--search-seed=5"),
        *("--num-epochs=1", "--hidden-size=4"),
    )
    assert done.exit_code == 0, done.output
    same = mnistburn.sweep(
        {
            "batch_size": mnistburn.integers(8, 16),
            "label_smoothing": mnistburn.uniform(0, 0.5),
            "learning_rate": mnistburn.log_uniform(1e-4, 1e-2),
        },
        tmp_path / "same",
        mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=4), num_epochs=1),
        "cpu",
        data=data,
        num_trials=3,
        search_seed=5,
        progress=False,
    )
    found = mnistburn.load_sweep(tmp_path / "sweep")
    assert [trial.settings for trial in found.trials] == [trial.settings for trial in same.trials]
    assert [trial.values for trial in found.trials] == [trial.values for trial in same.trials]
    more = command("sweep", tmp_path / "sweep", "--resume", "--num-trials=4", "--no-progress")
    assert more.exit_code == 0, more.output
    assert mnistburn.load_sweep(tmp_path / "sweep").trials[:3] == found.trials


def test_options_change_a_recipe_that_is_tried(tmp_path: Path, data: Path) -> None:
    done = sweep(
        tmp_path / "sweep",
        data,
        *("--choice", "recipe=book,fast", "--num-epochs=1", "--batch-size=20", "--threads=1"),
        *("--optimizer=sgd", "--metric=valid_accuracy"),
    )
    assert done.exit_code == 0, done.output
    result = mnistburn.load_sweep(tmp_path / "sweep")
    assert (result.metric, result.direction) == ("valid_accuracy", "max")
    configs = [mnistburn.load_run(trial.directory).config for trial in result.trials]
    assert [type(config.model) for config in configs] == [
        mnistburn.ModelConfig,
        mnistburn.ConvNetConfig,
    ]
    for config in configs:
        assert (config.num_epochs, config.batch_size, config.threads) == (1, 20, 1)
        assert isinstance(config.optimizer, mnistburn.SgdConfig)


def test_halving_and_early_stopping_are_options(tmp_path: Path, data: Path) -> None:
    done = sweep(
        tmp_path / "sweep",
        data,
        *("--choice", "learning_rate=0.01,1e-5,1e-6", "--num-epochs=5", "--hidden-size=8"),
        *("--halving=2", "--min-epochs=2", "--early-stopping=4"),
    )
    assert done.exit_code == 0, done.output
    epochs = [trial.epochs for trial in mnistburn.load_sweep(tmp_path / "sweep").trials]
    assert epochs == [5, 2, 2]
    state = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert state["patience"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "space must have at least one key"),
        (("--choice", "lerning_rate=1"), "did you mean 'learning_rate'?"),
        (("--choice", "hidden_size=1"), "did you mean 'model.hidden_size'?"),
        (("--choice", "seed"), "'seed' must be a key and its values, as in KEY=32,64,128"),
        (("--uniform", "seed=1"), "'seed=1' must have two limits, as in seed=1,2"),
        (("--choice", "seed=[1"), "'[1' must be a JSON list"),
        (("--choice", "seed=1", "--choice", "seed=2"), "seed is given twice"),
        (("--choice", "seed=1", "--min-epochs=2"), "give --halving too"),
        (("--uniform", "learning_rate=0,1"), "--num-trials must say how many trials"),
        (("--choice", "seed=1", "--metric=valid_f1"), "--metric must be one that each trial"),
        (("--choice", "batch_size=8,0"), "trial 2, batch_size=0: batch_size must be a whole"),
        (("--choice", "recipe=fast", "--recipe=book"), "takes the place of --recipe"),
        (("--choice", "seed=1", "--engine=dask"), "'dask' is not one of 'threads', 'ray'"),
        (("--choice", "seed=1", "--workers=0"), "--workers must be an integer of at least 1"),
        (("--choice", "seed=1", "--halving=1"), "factor must be an integer of at least 2"),
        (("--choice", "seed=1", "--checkpoint.keep-last=1"), "is no setting of a sweep"),
        (("--resume",), "holds no sweep to resume"),
        (("--resume", "--num-epochs=3"), "--resume goes on with the configuration of the sweep"),
        (("--choise", "seed=1"), "No such option --choise; did you mean --choice?"),
    ],
)
def test_errors_are_in_terms_of_the_options(
    tmp_path: Path, data: Path, options: tuple[str, ...], message: str
) -> None:
    assert message in refused(tmp_path / "sweep", data, *options)


def test_a_sweep_is_not_replaced(tmp_path: Path, data: Path) -> None:
    options = ("--choice", "seed=1", "--num-epochs=1", "--hidden-size=4")
    assert sweep(tmp_path / "sweep", data, *options).exit_code == 0
    again = sweep(tmp_path / "sweep", data, *options)
    assert again.exit_code == 1
    assert "holds a sweep already; go on with it with --resume" in again.stderr


def test_a_sweep_whose_trials_all_fail_fails(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise mnistburn.errors.TrainingError("the loss is not finite")

    monkeypatch.setattr("mnistburn.sweeps.trial_run.train", fail)
    done = sweep(tmp_path / "sweep", data, "--choice", "seed=1,2")
    assert done.exit_code == 1
    assert "trial 2: TrainingError: the loss is not finite\n" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
def test_sigterm_keeps_the_work_of_all_trials(tmp_path: Path, data: Path) -> None:
    script = (
        "from mnistburn.sweeps.threads import InOrder\n"
        "goes_on = InOrder.goes_on\n"
        "def told(self, *values):\n"
        "    print('epoch', flush=True)\n"
        "    return goes_on(self, *values)\n"
        "InOrder.goes_on = told\n"
        "from mnistburn.cli import main\n"
        "main()\n"
    )
    options = ["--choice", "seed=1,2", "--num-epochs=100000", "--hidden-size=4", "--threads=1"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", script, "sweep", tmp_path / "sweep", "--data", data),
            *("--device=cpu", "--no-progress", "--workers=2", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        next((line for line in process.stdout if line == "epoch\n"), None)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    assert "stopped before its end; --resume goes on" in errors
    assert "interrupted" in output
    first = mnistburn.load_sweep(tmp_path / "sweep").trials[0]
    if first.ended == "interrupted":
        assert mnistburn.load_run(first.directory).history.num_epochs == first.epochs
