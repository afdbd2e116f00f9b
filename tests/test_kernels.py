"""The kernels of the CPU give the numbers of Burn's own operations, on every instruction set."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import ArrayLike

import mnistburn

LEVELS = ("portable", "avx2", "avx512")

PROGRAM = textwrap.dedent("""
    import json, sys, tempfile
    import numpy
    import mnistburn as mb

    dropout, hidden_size, num_classes = json.loads(sys.argv[1])
    config = mb.ModelConfig(dropout=dropout, hidden_size=hidden_size, num_classes=num_classes)
    data = mb.datasets.load("mnist", split="test").subset(range(97))
    model = mb.Model(config, seed=3)
    images, targets = data.images[:67], data.targets[:67]
    out = model.forward_classification(images, targets)
    gradients = out.loss.backward()
    training = mb.TrainingConfig(model=config, num_epochs=2, batch_size=32, learning_rate=1e-3)
    with tempfile.TemporaryDirectory() as directory:
        run = mb.train(directory, training, "cpu", data=(data, data), progress=False)
    history = run.history
    print(json.dumps({
        "logits": model.forward(images).tolist(),
        "loss": float(out.loss),
        "gradients": {name: gradients[name].ravel().tolist() for name in gradients.names()},
        "losses": history.train_steps["loss"],
        "accuracy": list(history["valid_accuracy"]),
        "valid_loss": list(history["valid_loss"]),
    }))
""")


def run(kernels: str | None, setting: tuple[float, int, int], threads: int = 2) -> dict[str, Any]:
    """Return the numbers of the program with those kernels."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    environment.pop("MNISTBURN_KERNELS", None)
    if kernels is not None:
        environment["MNISTBURN_KERNELS"] = kernels
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(setting)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "must be burn or one of the instruction sets" in done.stderr:
        pytest.skip(f"the processor has no {kernels}")
    assert done.returncode == 0, done.stderr
    numbers: dict[str, Any] = json.loads(done.stdout)
    return numbers


def close(actual: ArrayLike, expected: ArrayLike, tolerance: float) -> bool:
    """Whether numbers differ by less than the tolerance times the largest."""
    largest = numpy.abs(expected).max()
    return bool(numpy.abs(numpy.subtract(actual, expected)).max() <= tolerance * largest)


SETTINGS = ((0.5, 512, 10), (0.3, 33, 13), (0.0, 1, 10))


@pytest.fixture(scope="module")
def stock() -> dict[tuple[float, int, int], dict[str, Any]]:
    """The numbers of Burn's own operations."""
    return {setting: run("burn", setting) for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("level", LEVELS)
def test_gradients_and_losses_are_those_of_burn(
    level: str,
    setting: tuple[float, int, int],
    stock: dict[tuple[float, int, int], dict[str, Any]],
) -> None:
    """Same masks, same network: logits and gradients agree, and so does a short training."""
    numbers, expected = run(level, setting), stock[setting]
    assert close(numbers["logits"], expected["logits"], 1e-5)
    assert numbers["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    for name, gradient in expected["gradients"].items():
        assert close(numbers["gradients"][name], gradient, 1e-5), name
    assert numbers["losses"] == pytest.approx(expected["losses"], rel=1e-4)
    assert numbers["valid_loss"] == pytest.approx(expected["valid_loss"], rel=1e-4)


def test_threads_change_nothing() -> None:
    """One, two and three threads give the same bits."""
    one = run(None, SETTINGS[1], threads=1)
    assert all(run(None, SETTINGS[1], threads=threads) == one for threads in (2, 3))


def test_the_setting_of_threads_changes_nothing(tmp_path: Path) -> None:
    """`threads` is taken, kept in the config, and decides nothing but speed."""
    data = mnistburn.datasets.load("mnist", split="test").subset(range(70))
    states = []
    for threads in (None, 1, 3):
        config = mnistburn.TrainingConfig(num_epochs=1, batch_size=32, threads=threads)
        directory = tmp_path / str(threads)
        trained = mnistburn.train(directory, config, "cpu", data=(data, data), progress=False)
        assert mnistburn.load_run(directory).config.threads == threads
        states.append(trained.model.state_dict())
    for state in states[1:]:
        assert all((state[name] == states[0][name]).all() for name in state)


@pytest.mark.parametrize("threads", [0, -1, 256, 1.5, "2"])
def test_a_bad_number_of_threads_is_refused(threads: Any) -> None:
    """The rule is named."""
    with pytest.raises(mnistburn.errors.ConfigError, match="threads must be a whole number"):
        mnistburn.TrainingConfig(threads=threads)


def test_unknown_kernels_are_refused() -> None:
    """The message names the variable, its values and the way out."""
    program = "import mnistburn; mnistburn.Model()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MNISTBURN_KERNELS": "sse9"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "DeviceError" in done.stderr
    assert "MNISTBURN_KERNELS must be burn or one of" in done.stderr
    assert "'sse9'" in done.stderr or '"sse9"' in done.stderr
