"""A training loop of one's own does what `train` does, bit for bit."""

import copy
import dataclasses
from pathlib import Path
from typing import Literal

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdamWConfig,
    Batch,
    ConvBlock,
    ConvNetConfig,
    CosineAnnealingLrSchedulerConfig,
    DataLoader,
    Dataset,
    ExponentialLrSchedulerConfig,
    Model,
    ModelConfig,
    MomentumConfig,
    MuonConfig,
    RmsPropConfig,
    SgdConfig,
    TrainingConfig,
    WarmUpLrSchedulerConfig,
)


def normalised(norm: Literal["batch", "group"]) -> ConvNetConfig:
    return ConvNetConfig(
        blocks=[ConvBlock(channels=8, pool=True, norm=norm), ConvBlock(channels=8, pool=True)],
        hidden_sizes=(12,),
        dropout=0.3,
    )


CONFIGS = {
    "the book's": TrainingConfig(
        model=ModelConfig(hidden_size=16),
        lr_scheduler=CosineAnnealingLrSchedulerConfig(),
        learning_rate=1e-2,
    ),
    "a convolutional network": TrainingConfig(
        model=normalised("group"),
        optimizer=AdamWConfig(weight_decay=0.1),
        lr_scheduler=WarmUpLrSchedulerConfig(num_iters=3, after=CosineAnnealingLrSchedulerConfig()),
        learning_rate=1e-2,
    ),
    "batch normalisation": TrainingConfig(
        model=normalised("batch"),
        lr_scheduler=ExponentialLrSchedulerConfig(gamma=0.9),
        learning_rate=1e-2,
    ),
    "Muon": TrainingConfig(
        model=ModelConfig(hidden_size=16), optimizer=MuonConfig(), learning_rate=1e-2
    ),
    "SGD": TrainingConfig(
        model=ModelConfig(hidden_size=16),
        optimizer=SgdConfig(momentum=MomentumConfig(nesterov=True)),
        learning_rate=0.05,
    ),
    "RMSprop": TrainingConfig(
        model=ModelConfig(hidden_size=16),
        optimizer=RmsPropConfig(centered=True),
        lr_scheduler=ExponentialLrSchedulerConfig(gamma=0.9),
        learning_rate=1e-3,
    ),
}


def loop(config: TrainingConfig, model: Model, data: Dataset) -> Model:
    """Train as the configuration says."""
    loader = DataLoader(data, batch_size=config.batch_size, shuffle=config.seed)
    optimizer = config.optimizer.init()
    steps = config.num_epochs * len(loader)
    schedule = (
        config.lr_scheduler.init(config.learning_rate, num_steps=steps)
        if config.lr_scheduler
        else None
    )
    for _ in range(config.num_epochs):
        for batch in loader:
            out = model.forward_classification(*batch, dropout=batch.dropout)
            rate = schedule.step() if schedule else config.learning_rate
            model = optimizer.step(rate, model, out.loss.backward())
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_it_has_the_weights_of_train(name: str, artifact_dir: Path, train_data: Dataset) -> None:
    # Two epochs of six steps, the last of four images.
    data = train_data[:324]
    config = dataclasses.replace(CONFIGS[name], num_epochs=2, batch_size=64, seed=7)
    run = mnistburn.train(artifact_dir, config, "cpu", data=(data, data[:10]), progress=False)
    expected = run.model.state_dict()
    # The network of the run has the statistics of the images.
    start = Model(run.config.model, seed=config.seed)
    weights = loop(config, start, data).state_dict()
    assert max(numpy.abs(weights[key] - start.state_dict()[key]).max() for key in weights) > 1e-3
    for key, values in weights.items():
        assert values.tobytes() == expected[key].tobytes(), key


def test_other_masks_give_other_weights(train_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=16), seed=7)
    batch = next(iter(DataLoader(train_data, batch_size=64, shuffle=7)))
    first = model.forward_classification(*batch, dropout=batch.dropout).output
    second = model.forward_classification(*batch).output
    assert (first != second).any()


def test_a_batch_is_a_pair_that_knows_its_dropout(train_data: Dataset) -> None:
    images, targets = batch = next(iter(DataLoader(train_data, batch_size=5, shuffle=7)))
    assert batch.dropout is not None
    assert batch.dropout.seed == 7
    assert batch.dropout.epoch == 1
    assert (train_data.images[batch.dropout.indices] == images).all()
    assert (train_data.targets[batch.dropout.indices] == targets).all()
    twin = copy.deepcopy(batch)
    assert twin.dropout is not None
    assert (twin.dropout.indices == batch.dropout.indices).all()
    assert next(iter(DataLoader(train_data, batch_size=5))).dropout is None
    assert Batch(images, targets).dropout is None
