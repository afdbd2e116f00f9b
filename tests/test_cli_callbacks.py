"""The options of `mnistburn train` for callbacks that are settings."""

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn import Checkpoint, EarlyStopping, TrainingConfig
from mnistburn.cli import main
from mnistburn.cli.configuration_options import given_in
from mnistburn.cli.training import train
from mnistburn.config.settings import callbacks_of


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a file of 64 images, and 16 to validate on."""
    images = mnistburn.datasets.load("mnist", "train")[:80]
    path = tmp_path / "data.npz"
    numpy.savez(
        path,
        x_train=images.images[:64],
        y_train=images.targets[:64],
        x_test=images.images[64:],
        y_test=images.targets[64:],
    )
    return path


def trained(data: Path, *options: str) -> Result:
    command = ["train", str(data.with_name("run")), "--data", str(data), "--hidden-size", "4"]
    return CliRunner().invoke(main, [*command, "--no-progress", "--num-epochs", "4", *options])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], []),
        (["--early-stopping", "2"], [EarlyStopping(patience=2)]),
        (["--early-stopping.patience", "2"], [EarlyStopping(patience=2)]),
        (["--early-stopping.metric", "valid_accuracy"], [EarlyStopping(metric="valid_accuracy")]),
        (
            [
                *("--early-stopping=5", "--early-stopping.min-delta=1e-3"),
                *("--early-stopping.metric=valid_mine", "--early-stopping.direction=max"),
                "--no-early-stopping.restore-best",
            ],
            [
                EarlyStopping(
                    metric="valid_mine",
                    patience=5,
                    min_delta=1e-3,
                    direction="max",
                    restore_best=False,
                )
            ],
        ),
        (["--checkpoint.keep-last=none"], [Checkpoint(keep_last=None)]),
        (
            ["--checkpoint.keep-best=3", "--early-stopping=1"],
            [EarlyStopping(patience=1), Checkpoint(keep_best=3)],
        ),
    ],
    ids=str,
)
def test_options_make_callbacks(options: list[str], expected: list[object]) -> None:
    with train.make_context("train", ["run", *options]) as ctx:
        assert callbacks_of(given_in(ctx)) == expected


def test_a_training_has_them(data: Path) -> None:
    # At such a rate nothing is learnt: the first epoch is the best.
    options = ("--early-stopping=1", "--early-stopping.metric=valid_accuracy")
    done = trained(data, *options, "--learning-rate=1e-9", "--checkpoint.keep-last=none")
    assert done.exit_code == 0, done.output
    run = mnistburn.load_run(data.with_name("run"))
    assert run.ended == "stopped_early"
    assert run.best_metric == "valid_accuracy"
    assert run.history.num_epochs == 2
    assert run.config == TrainingConfig.load(run.artifact_dir / "config.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--early-stopping=0"], "--early-stopping must be"),
        (["--early-stopping.min-delta=-1"], "--early-stopping.min-delta must be"),
        (["--early-stopping.metric=valid_mine"], "direction must be"),
        (["--checkpoint.keep-last=0"], "--checkpoint.keep-last must be"),
        (["--patience=3"], "did you mean --early-stopping?"),
        (["--keep-best=3"], "did you mean --checkpoint.keep-best?"),
    ],
    ids=str,
)
def test_errors_name_the_option(data: Path, options: list[str], message: str) -> None:
    done = trained(data, *options)
    assert done.exit_code in {1, 2}
    assert message in done.output
    assert not data.with_name("run").exists()
