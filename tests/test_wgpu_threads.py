"""Threads that use a graphics adapter at once have the results of each alone."""

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import AdamConfig, Callback, Dataset, Model, ModelConfig, TrainingConfig

pytestmark = [
    pytest.mark.skipif(
        "wgpu" not in mnistburn.build_info()["backends"], reason="the build has no wgpu back end"
    ),
    pytest.mark.timeout(900),
]

BATCH = 8
THREADS = 8
SMALL = ModelConfig(hidden_size=16)
CONFIG = TrainingConfig(model=SMALL, num_epochs=3, batch_size=BATCH, learning_rate=1e-3)

Pair = tuple[Dataset, Dataset]


@pytest.fixture(scope="module")
def data(train_data: Dataset, test_data: Dataset) -> Pair:
    return train_data[: 6 * BATCH], test_data[: 2 * BATCH]


class Predicting(Callback):
    """Predicts with another model after each step, while the run waits."""

    def __init__(self, predict: Callable[[], Any]) -> None:
        self.predict = predict
        self.predicted: list[Any] = []

    def on_step_end(self, event: Any) -> None:
        del event
        self.predicted.append(self.predict())


def test_eight_threads_predict_while_another_trains(wgpu: str, data: Pair, tmp_path: Path) -> None:
    images, targets = data[1].images, data[1].targets
    shared = Model(SMALL, seed=1).to(wgpu)
    own = [Model(SMALL, seed=2 + number) for number in range(THREADS)]
    expected = [(shared.forward(images), model.forward(images)) for model in own]
    alone = mnistburn.train(tmp_path / "alone", CONFIG, wgpu, data=data, progress=False)
    over = threading.Event()

    def predict(number: int) -> int:
        """Predict until the training is over, and count how often."""
        on_cpu = own[number]
        of_shared, of_own = expected[number]
        rounds = 0
        while rounds < 3 or not over.is_set():
            model = on_cpu.to(wgpu)
            numpy.testing.assert_allclose(shared.forward(images), of_shared, atol=1e-5)
            numpy.testing.assert_allclose(model.forward(images), of_own, atol=1e-4)
            loss = model.forward_classification(images[:BATCH], targets[:BATCH]).loss
            model = AdamConfig().init().step(0.0, model, loss.backward())
            numpy.testing.assert_allclose(model.forward(images), of_own, atol=1e-4)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(THREADS) as threads:
        predictions = [threads.submit(predict, number) for number in range(THREADS)]
        try:
            run = mnistburn.train(tmp_path / "run", CONFIG, wgpu, data=data, progress=False)
        finally:
            over.set()
        assert all(prediction.result() >= 3 for prediction in predictions)
    for name in ("loss", "accuracy"):
        assert run.history.train_steps[name] == pytest.approx(
            alone.history.train_steps[name], abs=1e-5
        )
    numpy.testing.assert_allclose(run.model.forward(images), alone.model.forward(images), atol=1e-4)


def test_a_callback_predicts_on_the_device_of_its_run(
    wgpu: str, data: Pair, tmp_path: Path
) -> None:
    other = Model(SMALL, seed=5, device=wgpu)
    images = data[1].images
    expected = other.forward(images)
    callback = Predicting(lambda: other.forward(images))
    mnistburn.train(tmp_path, CONFIG, wgpu, data=data, callbacks=[callback], progress=False)
    assert len(callback.predicted) == CONFIG.num_epochs * 6
    for found in callback.predicted:
        numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_callback_waits_for_a_thread_that_predicts(wgpu: str, data: Pair, tmp_path: Path) -> None:
    other = Model(SMALL, seed=5, device=wgpu)
    images = data[1].images
    expected = other.forward(images)
    with ThreadPoolExecutor(1) as thread:
        callback = Predicting(lambda: thread.submit(other.forward, images).result(timeout=300))
        mnistburn.train(tmp_path, CONFIG, wgpu, data=data, callbacks=[callback], progress=False)
    numpy.testing.assert_allclose(callback.predicted[-1], expected, atol=1e-5)


def test_what_one_thread_makes_another_drops(wgpu: str, data: Pair) -> None:
    images, targets = data[1].images[:BATCH], data[1].targets[:BATCH]
    expected = Model(SMALL, seed=1).forward(images)

    def make() -> list[Any]:
        model = Model(SMALL, seed=1, device=wgpu)
        output = model.forward_classification(images, targets)
        gradients = model.forward_classification(images, targets).loss.backward()
        optimizer = AdamConfig().init()
        return [optimizer.step(1e-3, model, gradients), model, output, gradients, optimizer]

    with ThreadPoolExecutor(4) as threads:
        for _ in range(10):
            made = [thread.result() for thread in [threads.submit(make) for _ in range(4)]]
            # Others compute while this thread drops what they made.
            more = [threads.submit(make) for _ in range(4)]
            del made
            gc.collect()
            for thread in more:
                found = thread.result()[1].forward(images)
                numpy.testing.assert_allclose(found, expected, atol=1e-4)
