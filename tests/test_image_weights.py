"""Weights of images: how much each counts in the loss of training."""

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

import mnistburn
from mnistburn import Batch, DataLoader, Dataset, Model, ModelConfig, SgdConfig, TrainingConfig
from mnistburn.errors import ArtifactError, DataError

CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=16),
    optimizer=SgdConfig(),
    num_epochs=2,
    batch_size=32,
    learning_rate=0.1,
)


def run(directory: Path, config: TrainingConfig, train: Dataset, **options: Any) -> Any:
    data = options.pop("data", (train, train[:64]))
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **options)


def own(data: Dataset) -> NDArray[numpy.float32]:
    assert data.weights is not None
    return data.weights


def counted(batch: Batch) -> NDArray[numpy.float32]:
    assert batch.weights is not None
    return batch.weights


def weights_of(count: int) -> Any:
    return numpy.random.default_rng(3).uniform(0.1, 4.0, count).astype(numpy.float32)


def assert_same_bits(first: Model, second: Model) -> None:
    expected = second.state_dict()
    for name, values in first.state_dict().items():
        assert values.tobytes() == expected[name].tobytes(), name


def test_a_loop_with_the_weights_of_its_batches_has_the_same_bits(
    tmp_path: Path, train_data: Dataset
) -> None:
    data = train_data[:200].with_weights(weights_of(200))
    result = run(tmp_path / "run", CONFIG, data)
    model = Model(CONFIG.model, seed=CONFIG.seed)
    optimizer = CONFIG.optimizer.init()
    loader = DataLoader(data, batch_size=32, shuffle=CONFIG.seed)
    losses = []
    for _ in range(CONFIG.num_epochs):
        for batch in loader:
            out = model.forward_classification(
                batch.images, batch.targets, weights=batch.weights, dropout=batch.dropout
            )
            model = optimizer.step(CONFIG.learning_rate, model, out.loss.backward())
            share = counted(batch) / counted(batch).sum()
            losses.append(float((out.losses * share).sum()))
    assert result.history.train_steps["loss"] == pytest.approx(losses, rel=1e-5)
    for name, values in result.model.state_dict().items():
        numpy.testing.assert_allclose(
            values, model.state_dict()[name], rtol=1e-4, atol=1e-6, err_msg=name
        )


def test_whole_numbers_count_as_copies(tmp_path: Path, train_data: Dataset) -> None:
    # One batch holds all, so that the order of the images changes the rounding alone.
    config = dataclasses.replace(
        CONFIG, model=ModelConfig(hidden_size=16, dropout=0.0), batch_size=512
    )
    counts = numpy.random.default_rng(1).integers(0, 4, 100)
    data = train_data[:100]
    weighted = run(tmp_path / "weighted", config, data.with_weights(counts))
    copies = data.subset(numpy.repeat(numpy.arange(100), counts))
    repeated = run(tmp_path / "repeated", config, copies, data=(copies, data[:64]))
    for name, values in weighted.model.state_dict().items():
        numpy.testing.assert_allclose(
            values, repeated.model.state_dict()[name], rtol=1e-4, atol=1e-6, err_msg=name
        )
    losses = repeated.history.train_steps["loss"]
    assert weighted.history.train_steps["loss"] == pytest.approx(losses, rel=1e-5)


def test_equal_weights_are_none(tmp_path: Path, train_data: Dataset) -> None:
    plain = run(tmp_path / "plain", CONFIG, train_data[:200])
    for weight in (1.0, 0.25):
        data = train_data[:200].with_weights(numpy.full(200, weight))
        equal = run(tmp_path / f"equal {weight}", CONFIG, data)
        losses = plain.history.train_steps["loss"]
        assert equal.history.train_steps["loss"] == pytest.approx(losses, rel=1e-6)


def test_they_are_those_of_classes_times_those_of_images(
    tmp_path: Path, train_data: Dataset
) -> None:
    data, weights = train_data[:200], weights_of(200)
    of_classes = numpy.linspace(0.5, 2.0, 10).astype(numpy.float32)
    config = dataclasses.replace(CONFIG, class_weights=of_classes.tolist())
    both = run(tmp_path / "both", config, data.with_weights(weights))
    one = run(tmp_path / "one", CONFIG, data.with_weights(weights * of_classes[data.targets]))
    assert_same_bits(both.model, one.model)


def test_validation_does_without(tmp_path: Path, train_data: Dataset) -> None:
    valid = train_data[200:264]
    plain = run(tmp_path / "plain", CONFIG, train_data[:200], data=(train_data[:200], valid))
    heavy = valid.with_weights(weights_of(64))
    result = run(tmp_path / "run", CONFIG, train_data[:200], data=(train_data[:200], heavy))
    assert result.history["valid_loss"] == plain.history["valid_loss"]
    assert result.model.evaluate(heavy).loss == result.model.evaluate(valid).loss


def test_resume_is_bit_exact_and_knows_the_weights(tmp_path: Path, train_data: Dataset) -> None:
    data = train_data[:200].with_weights(weights_of(200))
    whole = run(tmp_path / "whole", CONFIG, data)
    half = dataclasses.replace(CONFIG, num_epochs=1)
    run(tmp_path / "run", half, data)
    for other in (train_data[:200], data.with_weights(weights_of(200)[::-1])):
        with pytest.raises(ArtifactError, match="the training set is another"):
            run(tmp_path / "run", CONFIG, other, data=(other, data[:64]), resume=True)
    resumed = run(tmp_path / "run", CONFIG, data, resume=True)
    assert_same_bits(resumed.model, whole.model)


def test_parts_and_copies_keep_them(train_data: Dataset) -> None:
    weights = weights_of(100)
    data = train_data[:100].with_weights(weights)
    assert not own(data).flags.writeable
    assert (own(data[10:20]) == weights[10:20]).all()
    assert (own(data.subset([5, 5, 2])) == weights[[5, 5, 2]]).all()
    rest, share = data.split(0.2)
    assert sorted([*own(rest), *own(share)]) == sorted(weights)
    for other in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):  # noqa: S301  our own
        assert (own(other) == weights).all()
    joined = data.concat(train_data[:2])
    assert (own(joined) == [*weights, 1, 1]).all()
    assert (own(train_data[:2].concat(data)) == [1, 1, *weights]).all()
    assert train_data[:2].concat(train_data[:3]).weights is None
    assert data.with_weights(None).weights is None
    loaded = next(iter(DataLoader(data, batch_size=16, shuffle=3)))
    found = {image.tobytes(): weight for image, weight in zip(data.images, weights, strict=True)}
    assert [found[image.tobytes()] for image in loaded.images] == list(counted(loaded))
    assert next(iter(DataLoader(train_data, batch_size=16))).weights is None


def test_images_on_disk_have_them_too(tmp_path: Path, train_data: Dataset) -> None:
    data = train_data[:200].with_weights(weights_of(200))
    images = tmp_path / "images-idx3-ubyte"
    header = numpy.array([0x803, 200, 28, 28], dtype=">i4").tobytes()
    images.write_bytes(header + data.images.tobytes())
    labels = tmp_path / "labels-idx1-ubyte"
    header = numpy.array([0x801, 200], dtype=">i4").tobytes()
    labels.write_bytes(header + data.targets.astype(numpy.uint8).tobytes())
    names = data.class_names
    disk = Dataset.from_idx(images, labels, in_memory=False, class_names=names)
    disk = disk.with_weights(data.weights)
    assert (own(disk[10:20]) == own(data[10:20])).all()
    valid = data[:64]
    in_memory = run(tmp_path / "memory", CONFIG, data, data=(data, valid))
    from_disk = run(tmp_path / "disk", CONFIG, disk, data=(disk, valid))
    assert_same_bits(from_disk.model, in_memory.model)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (numpy.ones(9), "one weight for each of the 10 images, got 9"),
        (numpy.ones((10, 1)), r"shape \[n\], got the shape \[10, 1\]"),
        ([1.0] * 9 + [-0.5], "of at least 0, got -0.5 for image 9"),
        ([float("nan")] + [1.0] * 9, "got NaN for image 0"),
        ([float("inf")] + [1.0] * 9, "got inf for image 0"),
        (["1"] * 10, "weights must be"),
        (3.0, "weights must"),
    ],
)
def test_wrong_weights_are_refused(train_data: Dataset, weights: Any, message: str) -> None:
    data = train_data[:10]
    with pytest.raises(DataError, match=message):
        data.with_weights(weights)
    with pytest.raises(DataError, match=message):
        Dataset(data.images, data.targets, weights=weights)


def test_a_run_needs_images_that_count(tmp_path: Path, train_data: Dataset) -> None:
    data = train_data[:64].with_weights(numpy.zeros(64))
    with pytest.raises(DataError, match="weights must not all be 0"):
        run(tmp_path / "run", CONFIG, data)
    assert not (tmp_path / "run").exists()
