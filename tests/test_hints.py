"""What messages propose is tried: the code is taken from the message, run, and the call works then.

A row is (id, the call, its names, the kind of the result): the code in the message either gives the
argument whose place it takes, or assigns it.
"""

import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from pictures import write_png

import mnistburn
from mnistburn.errors import DataError
from mnistburn.training_data import fitting_model

DIGITS = mnistburn.datasets.load("mnist", "test")[:60]
RAW, CLASSES = DIGITS.images, DIGITS.targets
COLOURS = numpy.repeat(RAW[..., None], 3, axis=3)
RGBA = numpy.concatenate([COLOURS, COLOURS[..., :1] | 255], axis=3)
TABLE = numpy.concatenate([CLASSES[:, None], RAW.reshape(60, 784)], axis=1)
NAMES = numpy.where(CLASSES > 4, "cat", "dog")

MAKE = "mnistburn.Dataset.from_numpy(images, targets)"
PREDICT = "model.predict(images)"
STEP = "model.forward_classification(images, targets)"
PAIR = "train(data)"

Row = tuple[str, str, dict[str, Any], Any]


class Frame:
    """A table of pandas, as far as NumPy sees it."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.values


class Torch:
    """A data set of PyTorch without arrays, of float images with a channel."""

    def __len__(self) -> int:
        return len(RAW)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return RAW[index], int(CLASSES[index])


def torchvision() -> Any:
    class Known(Torch):
        data = RAW
        targets = CLASSES.tolist()

    return Known()


def loader() -> Any:
    return SimpleNamespace(dataset=Torch(), batch_size=8)


def rows(call: str, result: Any, argument: str, **values: Any) -> list[Row]:
    return [
        (f"{argument}: {name}", call, {argument: value}, result) for name, value in values.items()
    ]


IMAGES = [
    *rows(
        MAKE,
        RAW,
        "images",
        int64=RAW.astype("i8"),
        big_endian=RAW.astype(">u2") * 257,
        sixteen_bits=RAW.astype("u2") * 257,
        ten_bits=RAW.astype("u2") * 4,
        twelve_bits=RAW.astype("u2") * 16,
        fourteen_bits=RAW.astype("i4") * 64,
        lists=RAW.tolist(),
        frame=Frame(TABLE[:, 1:]),
        signed=(RAW.astype("i2") - 128).astype("i1"),
        raw_floats=RAW.astype("f4"),
        ten_bit_floats=RAW * 4.0,
        twelve_bit_floats=(RAW * 16.0).astype("f4"),
        sixteen_bit_floats=RAW * 257.0,
        floats_of_more_bits=RAW * 1e6,
        scaled_floats=(RAW / 255).astype("f4"),
        matlab=numpy.moveaxis(RAW[:, :, :, None], 0, -1),
        masked=numpy.ma.masked_equal(RAW, 0),
        generator=(image for image in RAW),
        text=RAW.astype(str).tolist(),
        text_of_floats=(RAW / 255).astype("S"),
    ),
    *rows(MAKE, COLOURS, "images", rgba=RGBA, rgba_first=numpy.moveaxis(RGBA, 3, 1)),
    *rows(MAKE, RAW, "images", grey_and_alpha=RGBA[..., 2:]),
    *rows(MAKE, (RAW > 127) * 255, "images", boolean=RAW > 127),
    *rows(
        MAKE, RAW // 16 * 17, "images", sixteen_levels=(RAW // 16 * 16 / 15 * 15 / 16).astype("f8")
    ),
    *rows(
        PREDICT,
        "classes",
        "images",
        normalised=(RAW / 255 - 0.1307) / 0.3081,
        centred=RAW / 127.5 - 1,
        rounding=RAW / 255 * 1.0000001,
        overshoot=RAW / 255 * 1.08 - 0.04,
        raw_floats=RAW.astype("f8"),
        colours=COLOURS,
        colours_first=numpy.moveaxis(COLOURS, 3, 1),
        rgba=RGBA,
        flat=RAW[0].reshape(784),
        dataset=DIGITS,
        labelled=TABLE.astype("u1"),
    ),
    *rows(
        "colour_model.predict(images)",
        None,
        "images",
        grey=RAW,
        one_channel=RAW[..., None],
    ),
    *rows(
        "one(colour_model.predict(images))",
        None,
        "images",
        grey=RAW[0],
        grey_with_a_channel=RAW[0][..., None],
        channels_first=numpy.moveaxis(COLOURS[0], 2, 0),
        channels_between=numpy.moveaxis(COLOURS[0], 2, 1),
        channels_first_in_lists=numpy.moveaxis(COLOURS[0], 2, 0).tolist(),
        transparent=RGBA[0],
    ),
    *rows(
        "one(model.predict(images))", None, "images", colour=COLOURS[0], colour_and_alpha=RGBA[0]
    ),
    *rows(
        MAKE,
        RAW,
        "images",
        csv=TABLE,
        csv_of_bytes=TABLE.astype("u1"),
        csv_of_floats=TABLE.astype("f8"),
        csv_frame=Frame(TABLE),
        csv_label_last=numpy.roll(TABLE, -1, axis=1),
        pairs=list(zip(RAW, CLASSES.tolist(), strict=True)),
        torch_dataset=Torch(),
        torchvision_dataset=torchvision(),
        torch_loader=loader(),
    ),
]

TARGETS = [
    *rows(
        MAKE,
        RAW,
        "targets",
        one_hot=numpy.eye(10)[CLASSES],
        column=CLASSES[:, None],
        column_of_lists=CLASSES[:, None].tolist(),
        row=CLASSES[None],
        digits=CLASSES.astype(str),
        floats=CLASSES.astype("f8"),
        objects=CLASSES.astype(object),
        from_one=CLASSES + 1,
    )[:-1],
    *rows(
        MAKE,
        None,
        "targets",
        names=NAMES,
        names_in_lists=NAMES.tolist(),
        names_of_bytes=NAMES.astype("S"),
        booleans=CLASSES > 4,
        huge=CLASSES * 10_000_000,
        signs=numpy.where(CLASSES > 4, 1, -1),
    ),
    *rows(
        STEP,
        None,
        "targets",
        from_one=CLASSES + 1,
        from_one_in_lists=(CLASSES + 1).tolist(),
        gaps=CLASSES * 100,
        one_hot=numpy.eye(10)[CLASSES],
        column=CLASSES[:, None],
    ),
]

DATA = rows(
    PAIR,
    None,
    "data",
    arrays=(RAW, CLASSES),
    keras=((RAW, CLASSES), (RAW[:20], CLASSES[:20])),
    scikit_learn=(RAW[:40], RAW[40:], CLASSES[:40], CLASSES[40:]),
    four=(RAW[:40], CLASSES[:40], RAW[40:], CLASSES[40:]),
    images_alone=RAW,
    one_dataset=DIGITS,
    torch=(Torch(), Torch()),
    torchvision=(torchvision(), torchvision()),
    loaders=(loader(), loader()),
    one_torch=Torch(),
    one_torchvision=torchvision(),
    one_loader=loader(),
    pairs=list(zip(RAW, CLASSES.tolist(), strict=True)),
)


def apply_hint(message: str, names: dict[str, Any]) -> None:
    """Run the code that follows the last sign of a proposal in the message."""
    text = message.partition("; or set ")[0].rpartition("; ")[2]
    data = re.search(r"data=(.*)$", message)
    arguments = re.search(r"its images and targets are (.*)$", message)
    both = re.search(r"(images, targets = .*)$", message)
    named = re.search(r"(names, targets = .*?True\))", message)
    code = re.search(r" (\(*(?:numpy\.|list\(|images(?=[.\[]| [/*@+])).*)$", text)
    if data:
        exec(f"data = {data[1]}", names)  # noqa: S102  that is the test
    elif arguments:
        exec(f"images, targets = {arguments[1]}", names)  # noqa: S102  that is the test
    elif both or named:
        found = both or named
        assert found
        exec(found[1], names)  # noqa: S102  that is the test
        if named:
            mnistburn.Dataset.from_numpy(RAW, names["targets"], names["names"].tolist())
    elif "pass its .images" in message:
        names["images"] = names["images"].images
    else:
        assert code, message
        argument = "targets" if "targets" in code[1] else "images"
        names[argument] = eval(code[1], names)  # noqa: S307  that is the test


PATHS = [
    (PREDICT, "grid", lambda paths: numpy.array([paths])),
    (PREDICT, "one", lambda paths: numpy.array(paths[0])),
    ("model.forward(images)", "list", lambda paths: paths),
    (MAKE, "column", lambda paths: numpy.array(list(map(Path, paths)), dtype=object)),
]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {
        "model": mnistburn.Model(mnistburn.ModelConfig(hidden_size=8), seed=1),
        "colour_model": mnistburn.Model(
            mnistburn.ModelConfig(hidden_size=8, image_channels=3), seed=1
        ),
    }


@pytest.mark.parametrize(
    ("call", "given", "result"),
    [row[1:] for row in IMAGES + TARGETS + DATA],
    ids=[f"{row[1].split('(')[0]} {row[0]}" for row in IMAGES + TARGETS + DATA],
)
def test_what_a_message_proposes_works(
    call: str, given: dict[str, Any], result: Any, models: dict[str, Any], tmp_path: Any
) -> None:
    config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=8), num_epochs=1)

    def train(data: Any) -> Any:
        return mnistburn.train(tmp_path / "run", config, "cpu", data=data, progress=False)

    def one(predictions: Any) -> None:
        assert len(predictions) == 1

    names: dict[str, Any] = {"numpy": numpy, "mnistburn": mnistburn, "train": train, "one": one}
    names |= {"images": RAW, "targets": CLASSES, **models, **given}
    messages = []
    for _ in range(4):  # one thing after the other
        try:
            made = eval(call, names)  # noqa: S307  that is the test
            break
        except DataError as error:
            messages.append(str(error))
            apply_hint(messages[-1], names)
    else:
        pytest.fail("\n".join(messages))
    assert messages, "the call is right without a hint"
    if isinstance(result, numpy.ndarray):
        numpy.testing.assert_allclose(made.images.astype(int), result.astype(int), atol=1)
        numpy.testing.assert_array_equal(made.targets, CLASSES)
    elif result == "classes":
        expected = names["model"].predict_proba(RAW)[: len(made)]
        found = names["model"].predict_proba(names["images"])
        numpy.testing.assert_allclose(found, expected, atol=0.1)


@pytest.mark.parametrize(
    ("call", "shape"),
    [(call, shape) for call, _, shape in PATHS],
    ids=[f"{call.split('(')[0]} {name}" for call, name, _ in PATHS],
)
def test_what_is_proposed_for_paths_works(
    call: str, shape: Any, models: dict[str, Any], tmp_path: Path
) -> None:
    paths = []
    for number, image in enumerate(RAW[:3]):
        path = tmp_path / f"{number}.png"
        write_png(path, image)
        paths.append(str(path))
    names = {"numpy": numpy, "mnistburn": mnistburn, "images": shape(paths), **models}
    names["targets"] = CLASSES[:3]
    with pytest.raises(DataError, match="must be numbers, got text") as caught:
        eval(call, names)  # noqa: S307  that is the test
    apply_hint(str(caught.value), names)
    eval(call, names)  # noqa: S307  that is the test
    assert numpy.array_equal(names["images"], RAW[: len(names["images"])])


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (CLASSES + 1, 10),
        (CLASSES % 3 + 1, 3),
        (numpy.where(CLASSES > 4, 900, 0), 2),
        (numpy.where(CLASSES > 4, 7, 3), 2),
        (CLASSES * 10, 9),  # there is no 8
    ],
    ids=["from one", "three from one", "two numbers", "two small ones", "tens"],
)
def test_what_is_proposed_for_labels_that_leave_classes_out_works(
    targets: Any, classes: int, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"numpy": numpy, "targets": targets}
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        data = mnistburn.Dataset(RAW, targets)
        found = fitting_model(data, data[:0])
        assert found.num_classes == targets.max() + 1
        (record,) = caplog.records
        apply_hint(record.getMessage(), names)
        caplog.clear()
        data = mnistburn.Dataset(RAW, names["targets"])
        again = fitting_model(data, data)
    assert again.num_classes == classes
    assert len(numpy.unique(names["targets"])) == len(numpy.unique(targets))
    assert not caplog.records


@pytest.mark.parametrize("targets", [CLASSES, CLASSES % 2 * 2, CLASSES + numpy.arange(60) % 2 * 9])
def test_labels_that_may_be_meant_are_not_told(
    targets: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        names = [str(name) for name in range(200)]
        for data in (mnistburn.Dataset(RAW, targets), mnistburn.Dataset(RAW, targets * 10, names)):
            fitting_model(data, data)
    assert not caplog.records
