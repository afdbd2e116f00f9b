"""CIFAR-10, CIFAR-100 and SVHN: colour images of 32 by 32 pixels."""

from typing import Final

from mnistburn.arrays import ImageShape
from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit

__all__ = ["COLOUR_SETS"]

_SHAPE: Final = ImageShape(32, 32, 3)
_CIFAR: Final = "https://www.cs.toronto.edu/~kriz/cifar.html"
_CIFAR_MIRRORS: Final = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")

# The binary versions: the Python ones are pickles, which run code when they are loaded.
_CIFAR_10_FILE: Final = KnownFile(
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)

_CIFAR_10: Final = KnownDataset(
    name="cifar-10",
    title="animals and vehicles",
    train=KnownSplit(
        50_000,
        _CIFAR_10_FILE,
        members=tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    ),
    test=KnownSplit(10_000, _CIFAR_10_FILE, members=("cifar-10-batches-bin/test_batch.bin",)),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    licence="none stated",
    homepage=_CIFAR,
    mirrors=(
        *_CIFAR_MIRRORS,
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
    format="cifar",
    image_shape=_SHAPE,
    label_columns=1,
)

_CIFAR_100_FILE: Final = KnownFile(
    "cifar-100-binary.tar.gz",
    168_513_733,
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    md5="03b5dce01913d631647c71ecec9e9cb8",
)

_CIFAR_100: Final = KnownDataset(
    name="cifar-100",
    title="animals, plants, people, things and places",
    train=KnownSplit(50_000, _CIFAR_100_FILE, members=("cifar-100-binary/train.bin",)),
    test=KnownSplit(10_000, _CIFAR_100_FILE, members=("cifar-100-binary/test.bin",)),
    # The fine labels, in the order of the alphabet.
    class_names=(
        *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle"),
        *("bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle"),
        *("caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch"),
        *("crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest"),
        *("fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower"),
        *("leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain"),
        *("mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear"),
        *("pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum"),
        *("rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew"),
        *("skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar"),
        *("sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger"),
        *("tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree"),
        *("wolf", "woman", "worm"),
    ),
    licence="none stated",
    homepage=_CIFAR,
    mirrors=_CIFAR_MIRRORS,
    format="cifar",
    image_shape=_SHAPE,
    label_columns=2,
)

_SVHN: Final = KnownDataset(
    name="svhn",
    title="digits of house numbers, cropped (format 2)",
    train=KnownSplit(
        73_257,
        KnownFile(
            "train_32x32.mat",
            182_040_794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            md5="e26dedcc434d2e4c54c9b2d4a06d8373",
        ),
        members=("X", "y"),
    ),
    test=KnownSplit(
        26_032,
        KnownFile(
            "test_32x32.mat",
            64_275_384,
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            md5="eb5a983be6a315427106f1b164d9cef3",
        ),
        members=("X", "y"),
    ),
    class_names=tuple("0123456789"),
    licence="non-commercial use",
    homepage="http://ufldl.stanford.edu/housenumbers/",
    mirrors=(
        "https://ufldl.stanford.edu/housenumbers/",
        "http://ufldl.stanford.edu/housenumbers/",
    ),
    format="mat",
    image_shape=_SHAPE,
    first_label=1,
    last_label_first=True,
)

COLOUR_SETS: Final = (_CIFAR_10, _CIFAR_100, _SVHN)
"""The data sets."""
