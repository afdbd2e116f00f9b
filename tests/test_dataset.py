"""Dataset and DataLoader."""

import copy
import gzip
import pickle
import struct
from pathlib import Path

import numpy
import pytest

from mnistburn import DataLoader, Dataset


def idx(array: numpy.ndarray) -> bytes:
    """Return an IDX file of unsigned bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(numpy.uint8).tobytes()


def numbered(count: int) -> Dataset:
    """Return images that tell their own position."""
    images = numpy.zeros((count, 28, 28), dtype=numpy.uint8)
    images[:, 0, 0] = numpy.arange(count) % 256
    return Dataset.from_numpy(images, numpy.arange(count) % 10)


def test_what_the_caller_writes_later_is_not_seen() -> None:
    images = numpy.zeros((5, 28, 28), dtype=numpy.uint8)
    targets = numpy.arange(5)
    hidden = images.view()
    hidden.flags.writeable = False
    for given in (images, images.reshape(5, 784), images.transpose(0, 2, 1), hidden):
        dataset = Dataset.from_numpy(given, targets)
        images[:] = 9
        targets[:] = 0
        assert not dataset.images.any()
        assert dataset.targets.tolist() == [0, 1, 2, 3, 4]
        assert images.flags.writeable
        assert targets.flags.writeable
        images[:] = 0
        targets[:] = range(5)


def test_arrays_that_nobody_can_write_to_are_shared() -> None:
    images = numpy.zeros((5, 28, 28), dtype=numpy.uint8)
    targets = numpy.arange(5)
    images.flags.writeable = targets.flags.writeable = False
    dataset = Dataset.from_numpy(images, targets)
    assert numpy.shares_memory(dataset.images, images)
    assert numpy.shares_memory(dataset.targets, targets)
    assert numpy.shares_memory(dataset[1:3].images, images)
    of_bytes = numpy.frombuffer(bytes(5 * 784), dtype=numpy.uint8).reshape(5, 28, 28)
    assert numpy.shares_memory(Dataset.from_numpy(of_bytes, targets).images, of_bytes)


def test_a_dataset_does_not_change() -> None:
    made = numbered(20)
    for dataset in (made, made[2:8], made.subset([1, 2]), made.concat(made), copy.deepcopy(made)):
        for array in (dataset.images, dataset.targets):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.setflags(write=True)
        for name in ("images", "targets", "class_names", "preprocessing", "broken"):
            with pytest.raises(AttributeError, match=f"{name} cannot be assigned; make another"):
                setattr(dataset, name, None)
            with pytest.raises(AttributeError, match="does not change"):
                delattr(dataset, name)
    # As the message says.
    other = Dataset.from_numpy(made.images, made.targets, made.class_names)
    assert (other.images == made.images).all()


@pytest.mark.parametrize("shape", [(5, 784), (5, 1, 28, 28), (5, 28, 28)])
def test_other_shapes_hold_the_same_pixels(shape: tuple[int, ...]) -> None:
    pixels = numpy.arange(5 * 784, dtype=numpy.uint64).astype(numpy.uint8)
    dataset = Dataset.from_numpy(pixels.reshape(shape), [0, 1, 2, 3, 4])
    assert (dataset.images.reshape(-1) == pixels).all()


def test_items_slices_and_iteration_agree() -> None:
    dataset = numbered(20)
    image, target = dataset[-1]
    assert (int(image[0, 0]), target, type(target)) == (19, 9, int)
    assert [int(part[0][0, 0]) for part in dataset[4:10:2]] == [4, 6, 8]
    assert [target for _, target in dataset] == list(dataset.targets)
    assert len(dataset[5:5]) == 0
    with pytest.raises(IndexError, match="20"):
        dataset[20]


def test_a_subset_keeps_the_given_order() -> None:
    part = numbered(20).subset([3, 1, 3])
    assert part.images[:, 0, 0].tolist() == [3, 1, 3]
    assert len(numbered(20).subset([])) == 0


def test_a_split_is_stratified_disjoint_and_a_function_of_the_seed() -> None:
    dataset = numbered(200)
    rest, share = dataset.split(0.25, seed=1)
    assert (len(rest), len(share)) == (150, 50)
    assert numpy.bincount(share.targets).tolist() == [5] * 10
    positions = sorted([*rest.images[:, 0, 0].tolist(), *share.images[:, 0, 0].tolist()])
    assert positions == list(range(200))
    again = dataset.split(0.25, seed=1)[1]
    other = dataset.split(0.25, seed=2)[1]
    assert (again.images == share.images).all()
    assert (other.images != share.images).any()


def test_copies_are_equal_and_read_only() -> None:
    dataset = numbered(5)
    unpickled = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    for other in (copy.copy(dataset), copy.deepcopy(dataset), unpickled):
        assert (other.images == dataset.images).all()
        assert (other.targets == dataset.targets).all()
        assert not other.images.flags.writeable
        assert not other.targets.flags.writeable


def test_repr_tells_images_and_classes() -> None:
    assert repr(numbered(20)) == "Dataset(20 images, 10 classes)"
    assert numbered(20).num_classes == 10
    assert numbered(0).num_classes == 0


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_idx_files_are_read(tmp_path: Path, compress: bool) -> None:
    dataset = numbered(7)
    paths = (tmp_path / "images", tmp_path / "labels")
    contents = (idx(dataset.images), idx(dataset.targets))
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(gzip.compress(content) if compress else content)
    read = Dataset.from_idx(paths[0], str(paths[1]))
    assert (read.images == dataset.images).all()
    assert (read.targets == dataset.targets).all()


def test_batches_in_order_are_views() -> None:
    dataset = numbered(150)
    loader = DataLoader(dataset, batch_size=64)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [len(batch.images) for batch in batches] == [64, 64, 22]
    assert numpy.shares_memory(batches[0].images, dataset.images)
    assert batches[0].images.dtype == numpy.uint8
    images, targets = batches[2]
    assert (targets == dataset.targets[128:]).all()
    assert (images == dataset.images[128:]).all()


def test_each_epoch_has_an_order_of_its_own_that_the_seed_repeats() -> None:
    dataset = numbered(150)

    def epochs(seed: int, num_workers: int) -> list[list[int]]:
        loader = DataLoader(dataset, 64, shuffle=seed, num_workers=num_workers)
        return [
            [int(pixel) for batch in loader for pixel in batch.images[:, 0, 0]] for _ in range(2)
        ]

    first, second = epochs(42, 0)
    assert sorted(first) == sorted(second) == list(range(150))
    assert first not in (second, list(range(150)))
    assert epochs(42, 4) == [first, second]
    assert epochs(43, 0) != [first, second]


def test_images_and_targets_stay_together() -> None:
    for batch in DataLoader(numbered(100), 32, shuffle=7):
        assert (batch.images[:, 0, 0] % 10 == batch.targets).all()


def test_an_empty_set_has_no_batches() -> None:
    assert list(DataLoader(numbered(0), shuffle=1)) == []
