"""Steps of training and inference of ConvNets beside PyTorch, JAX and onnxruntime, in turns.

    PYTHONPATH=python .venv/compare/bin/python benches/compare/conv_nets.py

Every peer runs in a process of its own, for one case at a time. A training step is forward,
backward and Adam on one batch that is in memory; of PyTorch and JAX both layouts of images are
measured, and the faster one counts. mnistburn's step is that of the public `train`, with its data
loader, read from its history.
"""

# A process imports its own peer alone, and tensors of four libraries have no common type.
# ruff: noqa: ANN401, PLC0415

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy

PEERS = ("mnistburn", "pytorch", "jax", "onnxruntime")


class Network(NamedTuple):
    """Two convolutions of 3 x 3 for each width, as ConvNetConfig has them."""

    side: int
    channels: int
    widths: tuple[int, ...]
    batch_norm: bool = False

    @property
    def peers(self) -> tuple[str, ...]:
        """Who is measured: JAX has no batch normalisation of its own."""
        return tuple(peer for peer in PEERS if peer != "jax" or not self.batch_norm)


NETWORKS = {
    "28x28x1": Network(28, 1, (16, 32, 64)),
    "32x32x3": Network(32, 3, (32, 64, 64)),
    "32x32x3 with batch norm": Network(32, 3, (32, 64, 64), batch_norm=True),
}
CLASSES = 10
STEPS = 12


def images(network: Network, count: int) -> tuple[Any, Any]:
    """Return random images, the channels of a pixel side by side, and targets."""
    generator = numpy.random.default_rng(1)
    shape = (count, network.side, network.side, network.channels)
    pixels = generator.integers(0, 256, shape, dtype=numpy.uint8)
    return pixels, generator.integers(0, CLASSES, count)


def median_rate(step: Callable[[], object], count: int) -> float:
    """Return images a second of the median step, after two that warm up."""
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return count / statistics.median(seconds[2:])


def config_of(network: Network) -> Any:
    """Return mnistburn's configuration."""
    import mnistburn

    last = len(network.widths) - 1
    norm: Literal["batch"] | None = "batch" if network.batch_norm else None
    blocks = [
        mnistburn.ConvBlock(channels=width, pool=second and place < last, norm=norm)
        for place, width in enumerate(network.widths)
        for second in (False, True)
    ]
    return mnistburn.ConvNetConfig(
        blocks=blocks,
        image_height=network.side,
        image_width=network.side,
        image_channels=network.channels,
    )


def mnistburn_rates(network: Network, count: int) -> Iterator[tuple[str, float]]:
    """Yield the rates of training and of inference."""
    import mnistburn

    pixels, targets = images(network, (STEPS + 1) * count)
    squeezed = pixels[..., 0] if network.channels == 1 else pixels
    dataset = mnistburn.Dataset.from_numpy(squeezed, targets)
    data = (dataset[count:], dataset[:count])
    config = mnistburn.TrainingConfig(model=config_of(network), num_epochs=1, batch_size=count)
    with tempfile.TemporaryDirectory() as folder:
        run = mnistburn.train(folder, config, "cpu", data=data, progress=False)
    yield "train", count / statistics.median(run.history.train_steps["seconds"][2:])
    batch = squeezed[:count]
    yield "infer", median_rate(lambda: run.model.forward(batch), count)


def pytorch_rates(network: Network, count: int) -> Iterator[tuple[str, float]]:
    """Yield the rates of both layouts."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    pixels, targets = images(network, count)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0
    classes = torch.from_numpy(targets)
    for layout in (torch.contiguous_format, torch.channels_last):
        layers: list[nn.Module] = []
        inputs = network.channels
        for place, width in enumerate(network.widths):
            pool = place + 1 < len(network.widths)
            for second in (False, True):
                bias = not network.batch_norm
                layers += [nn.Conv2d(width if second else inputs, width, 3, padding=1, bias=bias)]
                layers += [nn.MaxPool2d(2)] if second and pool else []
                layers += [nn.BatchNorm2d(width)] if network.batch_norm else []
                layers += [nn.ReLU(inplace=network.batch_norm)]
            inputs = width
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)]
        model = nn.Sequential(*layers).to(memory_format=layout)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        x = batch.contiguous(memory_format=layout)

        def step(model: nn.Module = model, x: Any = x, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(x), classes).backward()
            optimizer.step()

        yield "train", median_rate(step, count)
        with torch.inference_mode():
            yield "infer", median_rate(partial(model.eval(), x), count)


def jax_logits(layout: str) -> Callable[[Any, Any], Any]:
    """Return the network as a function of its parameters and the images, in a layout."""
    from jax import lax
    from jax import numpy as jnp

    first = layout == "NCHW"
    kernel, axes = ("OIHW", (2, 3)) if first else ("HWIO", (1, 2))
    window = (1, 1, 2, 2) if first else (1, 2, 2, 1)

    def logits(parameters: Any, x: Any) -> Any:
        for place, (weight, bias) in enumerate(parameters[:-1]):
            x = lax.conv_general_dilated(
                x, weight, (1, 1), "SAME", dimension_numbers=(layout, kernel, layout)
            )
            x = x + (bias[:, None, None] if first else bias)
            if place % 2 == 1 and place + 2 < len(parameters):
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
            x = jnp.maximum(x, 0.0)
        weight, bias = parameters[-1]
        return x.mean(axes) @ weight + bias

    return logits


def jax_rates(network: Network, count: int) -> Iterator[tuple[str, float]]:
    """Yield the rates of both layouts."""
    import jax
    from jax import numpy as jnp

    pixels, targets = images(network, count)
    batch = pixels.astype(numpy.float32) / 255.0
    generator = numpy.random.default_rng(2)
    for layout in ("NCHW", "NHWC"):
        x = jnp.asarray(batch.transpose(0, 3, 1, 2) if layout == "NCHW" else batch)
        parameters = []
        inputs = network.channels
        for width in network.widths:
            for entering in (inputs, width):
                weight = generator.normal(0, 0.1, (width, entering, 3, 3)).astype(numpy.float32)
                weight = weight if layout == "NCHW" else weight.transpose(2, 3, 1, 0)
                parameters.append((jnp.asarray(weight), jnp.zeros(width)))
            inputs = width
        last = generator.normal(0, 0.1, (inputs, CLASSES)).astype(numpy.float32)
        parameters.append((jnp.asarray(last), jnp.zeros(CLASSES)))

        logits = jax_logits(layout)

        def loss(parameters: Any, x: Any, logits: Any = logits) -> Any:
            logs = jax.nn.log_softmax(logits(parameters, x))
            return -logs[jnp.arange(count), targets].mean()

        def adam(state: Any, x: Any, loss: Any = loss) -> Any:
            parameters, first, second = state
            gradients = jax.grad(loss)(parameters, x)
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
            parameters = jax.tree.map(
                lambda p, m, v: p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), parameters, first, second
            )
            return parameters, first, second

        zeros = jax.tree.map(jnp.zeros_like, parameters)
        states = [(parameters, zeros, zeros)]
        compiled = jax.jit(adam)

        def step(compiled: Any = compiled, states: Any = states, x: Any = x) -> None:
            states[0] = jax.block_until_ready(compiled(states[0], x))

        yield "train", median_rate(step, count)
        infer = jax.jit(logits)
        parameters = states[0][0]

        def finished(infer: Any) -> Any:
            return jax.block_until_ready(infer())

        infer = partial(jax.jit(logits), states[0][0], x)
        yield "infer", median_rate(partial(finished, infer), count)


def onnxruntime_rates(network: Network, count: int) -> Iterator[tuple[str, float]]:
    """Yield the rate of inference of mnistburn's own export."""
    import onnxruntime

    import mnistburn

    model = mnistburn.Model(config_of(network), seed=0)
    pixels, _ = images(network, count)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    with tempfile.TemporaryDirectory() as folder:
        model.export(f"{folder}/model.onnx")
        session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
    x = pixels[..., 0] if network.channels == 1 else pixels
    name = session.get_inputs()[0].name
    yield "infer", median_rate(lambda: session.run(None, {name: x}), count)


def measure(peer: str, case: str, count: int) -> dict[str, float]:
    """Return the best rates of a peer."""
    best: dict[str, float] = {}
    for kind, rate in globals()[f"{peer}_rates"](NETWORKS[case], count):
        best[kind] = max(rate, best.get(kind, 0.0))
    return best


def compare(rounds: int, threads: int) -> None:
    """Print the medians of the rounds, and each peer's ratio to mnistburn."""
    variables = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(threads))
    for case, network in NETWORKS.items():
        for count in (64, 256):
            rates: dict[str, dict[str, list[float]]] = {"train": {}, "infer": {}}
            for _ in range(rounds):
                for peer in network.peers:
                    command = [sys.executable, __file__, "--peer", peer, case, str(count)]
                    output = subprocess.run(  # noqa: S603  this script itself
                        command, env=environment, check=True, capture_output=True, text=True
                    ).stdout
                    for kind, rate in json.loads(output.splitlines()[-1]).items():
                        rates[kind].setdefault(peer, []).append(rate)
            for kind, peers in rates.items():
                own = statistics.median(peers["mnistburn"])
                medians = {peer: statistics.median(values) for peer, values in peers.items()}
                shown = [f"{peer} {rate:,.0f} ({own / rate:.2f})" for peer, rate in medians.items()]
                print(f"{case} {kind} {count}: {', '.join(shown)} images/s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", nargs=3)
    arguments = parser.parse_args()
    if arguments.peer:
        name, of_case, size = arguments.peer
        print(json.dumps(measure(name, of_case, int(size))))
    else:
        compare(arguments.rounds, arguments.threads)
