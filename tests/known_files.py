"""Small files in the layouts of the known data sets, and the sets that they make."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace

import numpy
from numpy.typing import NDArray

from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit
from mnistburn.datasets.registry import DATASETS

CIFAR_COUNTS = {"train": 10, "test": 2}
MEDMNIST_COUNTS = {"train": 12, "val": 5, "test": 7}


def pixels(count: int, *sizes: int, seed: int = 1) -> NDArray[numpy.uint8]:
    """Return noise."""
    return numpy.random.default_rng(seed).integers(0, 256, (count, *sizes), dtype=numpy.uint8)


def pinned(name: str, content: bytes, *, md5: bool = False, exact_size: bool = True) -> KnownFile:
    """Return what is known of a file of that content."""
    if md5:
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return KnownFile(name, len(content), None, md5=digest, exact_size=exact_size)
    return KnownFile(name, len(content), hashlib.sha256(content).hexdigest())


def cifar_record(labels: tuple[int, ...], image: NDArray[numpy.uint8]) -> bytes:
    """Return the labels, then all red, all green and all blue pixels, row by row."""
    planes = [bytes(int(pixel[channel]) for row in image for pixel in row) for channel in range(3)]
    return bytes(labels) + b"".join(planes)


def archive(members: Mapping[str, bytes]) -> bytes:
    """Return a .tar.gz file, with the folder and the text that CIFAR's have too."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        file.addfile(folder)
        for name, content in {**members, "cifar-10-batches-bin/readme.html": b"<p>"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def cifar(name: str) -> tuple[KnownDataset, dict[str, bytes], dict[str, NDArray[numpy.uint8]]]:
    """Return CIFAR-10 or CIFAR-100 with twelve images, the members, and the images by part."""
    entry = DATASETS[name]
    images = {part: pixels(count, 32, 32, 3) for part, count in CIFAR_COUNTS.items()}
    members = {}
    for part, split in (("train", entry.train), ("test", entry.test)):
        each = CIFAR_COUNTS[part] // len(split.members)
        for place, member in enumerate(split.members):
            members[member] = b"".join(
                # The coarse label of CIFAR-100 comes first.
                cifar_record((9, number)[2 - entry.label_columns :], images[part][number])
                for number in range(place * each, (place + 1) * each)
            )
    return with_cifar_archive(entry, archive(members)), members, images


def with_cifar_archive(entry: KnownDataset, content: bytes) -> KnownDataset:
    """Return the data set with twelve images in an archive of that content."""
    file = pinned(entry.train.images.name, content)
    train = KnownSplit(CIFAR_COUNTS["train"], file, members=entry.train.members)
    test = KnownSplit(CIFAR_COUNTS["test"], file, members=entry.test.members)
    return replace(entry, train=train, test=test)


def medmnist_arrays(
    name: str, counts: Mapping[str, int] = MEDMNIST_COUNTS
) -> dict[str, NDArray[numpy.uint8]]:
    """Return the six arrays of a set of MedMNIST, of noise with a grey value for each class."""
    entry = DATASETS[name]
    classes = len(entry.class_names)
    arrays = {}
    for seed, (part, count) in enumerate(counts.items()):
        labels = (numpy.arange(count) % classes).astype(numpy.uint8)
        noise = pixels(count, *entry.image_shape.sizes, seed=seed) // 8
        grey = (labels * (200 // classes)).reshape(-1, *[1] * len(entry.image_shape.sizes))
        arrays[f"{part}_images"] = (noise + grey).astype(numpy.uint8)
        arrays[f"{part}_labels"] = labels.reshape(-1, 1)
    return arrays


def medmnist(name: str, arrays: Mapping[str, NDArray[numpy.generic]]) -> tuple[KnownDataset, bytes]:
    """Return a set of MedMNIST with other arrays, and its file."""
    packed = io.BytesIO()
    numpy.savez_compressed(packed, allow_pickle=True, **dict(arrays))
    content = packed.getvalue()
    return with_medmnist_file(name, content, arrays), content


def with_medmnist_file(
    name: str, content: bytes, arrays: Mapping[str, NDArray[numpy.generic]]
) -> KnownDataset:
    """Return a set of MedMNIST with as many images as the arrays, in a file of that content."""
    entry = DATASETS[name]
    file = pinned(entry.train.images.name, content, md5=True, exact_size=False)
    train, valid, test = (
        KnownSplit(
            len(arrays.get(f"{part}_images", ())),
            file,
            members=(f"{part}_images", f"{part}_labels"),
        )
        for part in ("train", "val", "test")
    )
    return replace(entry, train=train, valid=valid, test=test)
