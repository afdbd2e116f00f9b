"""Properties that hold for whatever is passed: an error of this package, or a right answer."""

import contextlib
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pictures import write_png
from PIL import Image

from mnistburn import (
    AdamConfig,
    AugmentationConfig,
    Dataset,
    Model,
    ModelConfig,
    SgdConfig,
    TrainingConfig,
    read_picture,
)
from mnistburn.errors import MnistburnError

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")

ANY_ARRAY = arrays.arrays(
    dtype=st.one_of(
        arrays.integer_dtypes(),
        arrays.unsigned_integer_dtypes(),
        arrays.floating_dtypes(),
        arrays.boolean_dtypes(),
        arrays.complex_number_dtypes(),
        arrays.byte_string_dtypes(max_len=3),
        arrays.unicode_string_dtypes(max_len=3),
        arrays.datetime64_dtypes(),
    ),
    shape=arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
)
ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-5, 300), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ANY_ARRAY,
)
NAMES = [field.name for field in dataclasses.fields(TrainingConfig)]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ModelConfig(num_classes=3, hidden_size=4, image_height=6, image_width=6), seed=1)


@given(value=ANY_VALUE)
def test_predicting_anything_is_an_answer_or_an_error(model: Model, value: Any) -> None:
    # A text is the path of a picture, which may be missing.
    with contextlib.suppress(MnistburnError, OSError):
        classes = model.predict(value)
        assert classes.dtype == numpy.int64
        assert ((classes >= 0) & (classes < 3)).all()


@given(images=ANY_VALUE, targets=ANY_VALUE, weights=ANY_VALUE)
def test_a_data_set_of_anything_is_whole_or_an_error(
    images: Any, targets: Any, weights: Any
) -> None:
    with contextlib.suppress(MnistburnError):
        data = Dataset.from_numpy(images, targets, weights=weights)
        assert len(data.images) == len(data.targets) == len(data)
        assert data.weights is None or len(data.weights) == len(data)
        assert data.images.dtype == numpy.uint8
        assert (numpy.asarray(targets) == data.targets).all()


@st.composite
def labelled(draw: st.DrawFn) -> tuple[NDArray[numpy.uint8], NDArray[numpy.int64]]:
    """Draw images of one shape with their classes."""
    count = draw(st.integers(1, 12))
    height, width = draw(st.integers(5, 9)), draw(st.integers(5, 9))
    channels = draw(st.sampled_from([(), (3,)]))
    images = draw(arrays.arrays(numpy.uint8, (count, height, width, *channels)))
    classes = arrays.arrays(numpy.int64, count, elements=st.integers(0, 4))
    return images, draw(classes)


@given(pair=labelled(), data=st.data())
def test_parts_of_a_data_set_are_those_of_its_arrays(pair: Any, data: st.DataObject) -> None:
    images, targets = pair
    dataset = Dataset.from_numpy(images, targets)
    part = data.draw(st.slices(len(targets)))
    assert (dataset[part].images == images[part]).all()
    assert (dataset[part].targets == targets[part]).all()
    places = data.draw(st.lists(st.integers(0, len(targets) - 1), max_size=8))
    assert (dataset.subset(places).images == images[places]).all()
    joined = dataset.concat(dataset.subset(places))
    assert (joined.images == numpy.concatenate([images, images[places]])).all()


@given(pair=labelled(), seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.9))
def test_a_split_keeps_each_image_once(pair: Any, seed: int, share: float) -> None:
    images, targets = pair
    # Images that tell where they were.
    images[:, 0, 0] = numpy.arange(len(images)).reshape(-1, *[1] * (images.ndim - 3))
    with contextlib.suppress(MnistburnError):
        rest, held_out = Dataset.from_numpy(images, targets).split(share, seed)
        places = [int(image[0, 0].max()) for part in (rest, held_out) for image in part.images]
        assert sorted(places) == list(range(len(images)))


@given(pair=labelled(), batch=st.integers(1, 20))
def test_predictions_do_not_depend_on_the_batch(pair: Any, batch: int) -> None:
    images, _ = pair
    shape = (*images.shape[1:], 1)[:3]
    config = ModelConfig(
        num_classes=3,
        hidden_size=4,
        image_height=shape[0],
        image_width=shape[1],
        image_channels=shape[2],
    )
    network = Model(config, seed=3)
    together = network.forward(images)
    parts = [
        network.forward(images[first : first + batch]) for first in range(0, len(images), batch)
    ]
    assert (numpy.concatenate(parts) == together).all()


@st.composite
def drawings(draw: st.DrawFn) -> NDArray[numpy.uint8]:
    """Draw a large picture of some strokes, light or dark, with or without noise."""
    height, width = draw(st.integers(200, 700)), draw(st.integers(200, 700))
    ground, ink = draw(st.sampled_from([(230, 20), (0, 255), (120, 160)]))
    grey = numpy.full((height, width), ground, numpy.float64)
    for _ in range(draw(st.integers(0, 4))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top, height)), draw(st.integers(left, width))
        grey[top:bottom, left:right] = ink
    noise = draw(st.sampled_from([0, 0, 3, 30]))
    random = numpy.random.default_rng(draw(st.integers(0, 99)))
    return (grey + noise * random.standard_normal(grey.shape)).clip(0, 255).astype(numpy.uint8)


@settings(max_examples=100)
@given(grey=drawings())
def test_any_drawing_becomes_an_image(grey: NDArray[numpy.uint8]) -> None:
    image = read_picture(Image.fromarray(grey), size=(28, 28), prepare="digit")
    assert image.shape == (28, 28)
    # It has strokes from dark to light, or none at all.
    assert image.max() in {0, 255}


@given(name=st.sampled_from(NAMES), value=ANY_VALUE)
def test_any_value_of_a_configuration_is_kept_or_refused(name: str, value: Any) -> None:
    with contextlib.suppress(MnistburnError, TypeError):
        config = TrainingConfig(**{name: value})
        assert TrainingConfig.from_json(config.to_json()) == config


CONFIGURATIONS = st.builds(
    TrainingConfig,
    model=st.builds(ModelConfig, hidden_size=st.integers(1, 512), dropout=st.floats(0, 0.99)),
    optimizer=st.one_of(
        st.builds(AdamConfig, beta_1=st.floats(0, 0.99), epsilon=st.floats(1e-12, 1)),
        st.builds(SgdConfig, weight_decay=st.none() | st.floats(0, 1)),
    ),
    num_epochs=st.integers(1, 2**31 - 1),
    batch_size=st.integers(1, 2**31 - 1),
    seed=st.integers(0, 2**64 - 1),
    learning_rate=st.floats(1e-12, 1e6),
    label_smoothing=st.floats(0, 0.99),
    average_decay=st.none() | st.floats(1e-6, 0.999999),
    class_weights=st.none()
    | st.just("balanced")
    | st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4),
    augmentation=st.none() | st.builds(AugmentationConfig, rotate=st.floats(0, 180)),
    checkpoint_every=st.none() | st.floats(1e-3, 1e6),
)


@given(config=CONFIGURATIONS)
def test_a_configuration_survives_its_json(config: TrainingConfig) -> None:
    text = config.to_json()
    assert TrainingConfig.from_json(text) == config
    assert TrainingConfig.from_json(json.dumps(json.loads(text))).to_json() == text


@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda item: item.decode("latin-1")))
def test_any_text_is_a_configuration_or_an_error(text: str) -> None:
    with contextlib.suppress(MnistburnError):
        TrainingConfig.from_json(text)


FILE_NAMES = st.text(
    st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 200)


@settings(max_examples=60)
@given(
    classes=st.lists(FILE_NAMES, min_size=2, max_size=4, unique=True),
    others=st.lists(st.tuples(FILE_NAMES, st.binary(max_size=40)), max_size=4),
)
def test_a_folder_of_any_names_is_read_or_refused(
    classes: list[str], others: list[tuple[str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        for number, name in enumerate(classes):
            for picture in range(2):
                pixels = numpy.full((8, 8), 40 * number + picture, numpy.uint8)
                write_png(folder / name / f"{picture}.png", pixels)
        for name, content in others:
            place = folder / classes[0] / name
            assume(not place.is_dir())
            place.write_bytes(content)
        with contextlib.suppress(MnistburnError):
            data = Dataset.from_folder(folder, progress=False)
            assert data.class_names is not None
            assert set(data.class_names) <= set(classes)
            assert len(data) >= 2 * len(data.class_names)
            # Each image has the class of its folder.
            assert data.files is not None
            for file, target in zip(data.files, data.targets, strict=True):
                assert file.parent.name == data.class_names[target]
