"""Every bad argument of the public functions: its error class, and what the message says."""

from pathlib import Path

import bad_data
import bad_runs
import bad_settings
import pytest
from bad_arguments import Act, Bench, Row

from mnistburn import (
    Model,
    ModelConfig,
)
from mnistburn.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DeviceError,
    InternalError,
    MnistburnError,
    RecordError,
    TrainingError,
)

TABLE: list[Row] = [*bad_data.ROWS, *bad_settings.ROWS, *bad_runs.ROWS]


@pytest.mark.parametrize(
    ("act", "error", "parts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_bad_arguments_are_named(
    act: Act,
    error: type[Exception],
    parts: tuple[str, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(error) as caught:
        act(bench)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert len(message) < 1000
    assert not isinstance(caught.value, InternalError)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    # Nothing was made, and what follows works.
    assert not (tmp_path / "artifacts" / "config.json").exists()
    assert bench.model.predict(bench.images).shape == (3,)


def test_the_table_is_long_and_its_rows_differ() -> None:
    assert len(TABLE) >= 60
    assert len({row[0] for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError, ValueError),
        (DataError, ValueError),
        (DeviceError, RuntimeError),
        (RecordError, ValueError),
        (ArtifactError, OSError),
        (TrainingError, RuntimeError),
        (InternalError, RuntimeError),
    ],
)
def test_each_error_is_also_a_builtin_one(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, MnistburnError)
    assert issubclass(error, builtin)
    assert str(error("what happened")) == "what happened"


def test_a_leading_tilde_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    path = Model(ModelConfig(hidden_size=2), seed=1).save("~/model")
    assert path == home / "model.mpk"
    assert Model.load("~/model.mpk", image_size=(28, 28)).num_params > 0
    assert not (tmp_path / "~").exists()
    with pytest.raises(RecordError, match=r"home directory.* \./~nobody-of-this-name"):
        Model.load("~nobody-of-this-name/model.mpk")
