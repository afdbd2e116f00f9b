"""The peers compute what mnistburn computes; skipped where they are not installed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import AdamConfig, Model, ModelConfig
from mnistburn.bench.peers import PEERS
from mnistburn.bench.tasks import Task

RATE = 1e-4
BATCH = 32
STEPS = 3

State = dict[str, Any]


@pytest.fixture(scope="module")
def images() -> Any:
    return mnistburn.datasets.load("mnist", "train").images[: STEPS * BATCH].copy()


@pytest.fixture(scope="module")
def targets() -> Any:
    return mnistburn.datasets.load("mnist", "train").targets[: STEPS * BATCH].copy()


@pytest.fixture(scope="module")
def trained(images: Any, targets: Any) -> State:
    """Return the weights after some steps without dropout."""
    model = Model(ModelConfig(dropout=0.0), seed=1)
    optimizer = AdamConfig().init()
    for at in range(0, STEPS * BATCH, BATCH):
        out = model.forward_classification(images[at : at + BATCH], targets[at : at + BATCH])
        model = optimizer.step(RATE, model, out.loss.backward())
    return model.state_dict()


def require_equal(weights: State, expected: State) -> None:
    assert weights.keys() == expected.keys()
    for name, values in weights.items():
        # Adam's first steps are as large as the rate, whatever the gradient is.
        numpy.testing.assert_allclose(values, expected[name], atol=RATE * 0.05, err_msg=name)


@pytest.mark.parametrize("on", [False, True])
def test_steps_of_pytorch(images: Any, targets: Any, trained: State, on: bool) -> None:
    torch = pytest.importorskip("torch")
    from mnistburn.bench import pytorch

    settings = {"channels_last": on, "fused Adam": on, "in place": on}
    data = torch.from_numpy(images), torch.from_numpy(targets)
    training = pytorch.Training(*data, BATCH, settings)
    training._net.eval()
    for chosen in torch.arange(STEPS * BATCH).split(BATCH):
        training.step(chosen)
    names = {"0": "conv1", "2": "conv2", "7": "linear1", "10": "linear2"}
    weights = {}
    for name, values in training._net.state_dict().items():
        place, kind = name.split(".")
        array = values.contiguous().numpy()
        named = names[place]
        transposed = named.startswith("linear") and kind == "weight"
        weights[f"{named}.{kind}"] = array.T if transposed else array
    require_equal(weights, trained)


@pytest.mark.parametrize("channels_last", [False, True])
def test_steps_of_jax(images: Any, targets: Any, trained: State, channels_last: bool) -> None:
    jax = pytest.importorskip("jax")
    from mnistburn.bench import jax_xla

    weights = jax_xla.parameters(channels_last=channels_last)
    zeros = jax.tree.map(jax.numpy.zeros_like, weights)
    state = (zeros, zeros)
    gradient = jax.grad(jax_xla.loss_and_hits, has_aux=True)
    for step in range(STEPS):
        at = slice(step * BATCH, (step + 1) * BATCH)
        gradients, _ = gradient(weights, images[at], targets[at], None, channels_last=channels_last)
        weights, state = jax_xla._adam(weights, state, gradients, step + 1)
    found = {name: numpy.asarray(values) for name, values in weights.items()}
    if channels_last:
        for name in ("conv1.weight", "conv2.weight"):
            found[name] = found[name].transpose(3, 2, 0, 1)
        by_place = found["linear1.weight"].reshape(8, 8, 16, 512).transpose(2, 0, 1, 3)
        found["linear1.weight"] = by_place.reshape(1024, 512)
    require_equal(found, trained)


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.needs], ids=lambda peer: peer.name)
@pytest.mark.parametrize("section", ["training", "inference"])
@pytest.mark.timeout(300)
def test_a_peer_answers(peer: Any, section: Any, tmp_path: Path) -> None:
    for module in peer.needs:
        pytest.importorskip(module)
    if section not in peer.sections:
        pytest.skip(f"{peer.title} has no {section}")
    task = Task(section, 300, 1, 0.1, (), str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "mnistburn.bench.runner", peer.module, task.to_json()],
        input="measure\nmeasure\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    prepared, first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert prepared["version"]
    for figure in (first, second):
        assert figure["images"] % 300 == 0
        assert figure["seconds"] > 0
    if section == "training":
        # It learns: the weights it begins with have a loss of 2.3.
        assert second["loss"] < 2.3
