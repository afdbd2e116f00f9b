"""The data sets of the MNIST family: files in IDX's format, compressed one by one."""

from typing import Final

from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit

__all__ = ["EMNIST_ARCHIVE", "MNIST_FAMILY"]

_DIGITS: Final = tuple("0123456789")


def _images(
    name: str, count: int, size: int, sha256: str, content_sha256: str | None = None
) -> KnownFile:
    return KnownFile(name, size, sha256, 16 + count * 28 * 28, content_sha256)


def _labels(
    name: str, count: int, size: int, sha256: str, content_sha256: str | None = None
) -> KnownFile:
    return KnownFile(name, size, sha256, 8 + count, content_sha256)


_MNIST: Final = KnownDataset(
    name="mnist",
    title="handwritten digits",
    train=KnownSplit(
        60_000,
        _images(
            "train-images-idx3-ubyte.gz",
            60_000,
            9_719_438,
            "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _labels(
            "train-labels-idx1-ubyte.gz",
            60_000,
            28_857,
            "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    test=KnownSplit(
        10_000,
        _images(
            "t10k-images-idx3-ubyte.gz",
            10_000,
            1_616_508,
            "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _labels(
            "t10k-labels-idx1-ubyte.gz",
            10_000,
            4_517,
            "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    class_names=_DIGITS,
    licence="CC BY-SA 3.0",
    homepage="http://yann.lecun.com/exdb/mnist/",
    packaged=True,
    torchvision="MNIST",
    prepare="digit",
)

_FASHION_MNIST: Final = KnownDataset(
    name="fashion-mnist",
    title="articles of clothing",
    train=KnownSplit(
        60_000,
        _images(
            "train-images-idx3-ubyte.gz",
            60_000,
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        _labels(
            "train-labels-idx1-ubyte.gz",
            60_000,
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
    ),
    test=KnownSplit(
        10_000,
        _images(
            "t10k-images-idx3-ubyte.gz",
            10_000,
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        _labels(
            "t10k-labels-idx1-ubyte.gz",
            10_000,
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    licence="MIT",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    torchvision="FashionMNIST",
    system_folders=("/usr/share/datasets/fashion-mnist",),
    advice=("on Debian and Ubuntu: apt install dataset-fashion-mnist",),
)

_KMNIST_COPY: Final = (
    "https://media.githubusercontent.com/media/namanlab/CVCNN_Paper/"
    "0f30b9c852904dc63a7902c1d2a2f5c61d0547e4"
)

_KMNIST: Final = KnownDataset(
    name="kmnist",
    title="cursive Japanese characters",
    train=KnownSplit(
        60_000,
        _images(
            "train-images-idx3-ubyte.gz",
            60_000,
            18_165_135,
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        ),
        _labels(
            "train-labels-idx1-ubyte.gz",
            60_000,
            29_497,
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        ),
    ),
    test=KnownSplit(
        10_000,
        _images(
            "t10k-images-idx3-ubyte.gz",
            10_000,
            3_041_136,
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        ),
        _labels(
            "t10k-labels-idx1-ubyte.gz",
            10_000,
            5_120,
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    licence="CC BY-SA 4.0",
    homepage="https://codh.rois.ac.jp/kmnist/",
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        f"{_KMNIST_COPY}/data/KMNIST/raw/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    torchvision="KMNIST",
)

# A header of 12 bytes, then eight integers of four bytes for each image.
_QMNIST_LABELS_SIZE: Final = 12 + 60_000 * 8 * 4

_QMNIST: Final = KnownDataset(
    name="qmnist",
    title="handwritten digits, MNIST rebuilt with all 60,000 test images",
    train=KnownSplit(
        60_000,
        _images(
            "qmnist-train-images-idx3-ubyte.gz",
            60_000,
            9_704_059,
            "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
        ),
        KnownFile(
            "qmnist-train-labels-idx2-int.gz",
            463_024,
            "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
            _QMNIST_LABELS_SIZE,
            "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
        ),
    ),
    test=KnownSplit(
        60_000,
        _images(
            "qmnist-test-images-idx3-ubyte.gz",
            60_000,
            9_742_279,
            "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
        ),
        KnownFile(
            "qmnist-test-labels-idx2-int.gz",
            526_800,
            "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
            _QMNIST_LABELS_SIZE,
            "92d0ccb8c25f9c6534270fb4be7e1d24a1c6d315edfc8a638bfbd31c70f362dd",
        ),
    ),
    class_names=_DIGITS,
    licence="BSD 3-Clause",
    homepage="https://github.com/facebookresearch/qmnist",
    mirrors=(
        "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
        "https://github.com/facebookresearch/qmnist/raw/master/",
        "https://cdn.jsdelivr.net/gh/facebookresearch/qmnist@master/",
    ),
    torchvision="QMNIST",
    label_columns=8,
    prepare="digit",
)

EMNIST_ARCHIVE: Final = "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip"
"""The official archive of all EMNIST files, in its folder ``gzip``."""


def _emnist(
    part: str,
    title: str,
    counts: tuple[int, int],
    files: tuple[tuple[int, str], tuple[int, str], tuple[int, str], tuple[int, str]],
    class_names: tuple[str, ...],
    *,
    first_label: int = 0,
) -> KnownDataset:
    """Return a part of EMNIST; `files` are the sizes and hashes of the four, training first."""
    name = f"emnist-{part}"
    train, test = counts
    return KnownDataset(
        name=name,
        title=title,
        train=KnownSplit(
            train,
            _images(f"{name}-train-images-idx3-ubyte.gz", train, *files[0]),
            _labels(f"{name}-train-labels-idx1-ubyte.gz", train, *files[1]),
        ),
        test=KnownSplit(
            test,
            _images(f"{name}-test-images-idx3-ubyte.gz", test, *files[2]),
            _labels(f"{name}-test-labels-idx1-ubyte.gz", test, *files[3]),
        ),
        class_names=class_names,
        licence="public domain (NIST Special Database 19)",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        mirrors=(
            "https://media.githubusercontent.com/media/aurelienduarte/emnist/master/gzip/",
            "https://github.com/aurelienduarte/emnist/raw/master/gzip/",
        ),
        torchvision="EMNIST",
        advice=(f"from the official archive (562 MB), its folder gzip: {EMNIST_ARCHIVE}",),
        transposed=True,
        first_label=first_label,
        # Not as MNIST was made: EMNIST's are blurred, fill 24 x 24 pixels, and are centred by their
        # bounding box.
        prepare=None,
    )


_EMNIST_DIGITS: Final = _emnist(
    "digits",
    "handwritten digits",
    (240_000, 40_000),
    (
        (59_515_779, "f7c95004d14d81af89522e67d8f0c781dfb3bd544181c81bfe1eb6b41c35b726"),
        (113_859, "6638a6ff5fe2eefd9cca2471995b46c82986b8e4b2a70d2f5ce8e05d7edb319e"),
        (9_908_519, "20ebe43509264f7639d37c835a3f0b009e90b29e00a099a03101abe1644a3f63"),
        (19_960, "bad1834c45d5988e270b99d43b13edc3fd898f658ffbc2caf2846ef27f7b05b0"),
    ),
    _DIGITS,
)

_EMNIST_LETTERS: Final = _emnist(
    "letters",
    "handwritten letters, capital and small as one class",
    (124_800, 20_800),
    (
        (30_804_864, "6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f"),
        (79_283, "9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c"),
        (5_039_157, "50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d"),
        (144, "924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb"),
    ),
    tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    first_label=1,
)

_EMNIST_BALANCED: Final = _emnist(
    "balanced",
    "handwritten digits and letters, where small ones look unlike capitals",
    (112_800, 18_800),
    (
        (28_207_740, "74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4"),
        (80_618, "b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed"),
        (4_714_707, "117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db"),
        (13_504, "a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd"),
    ),
    tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"),
)

MNIST_FAMILY: Final = (
    _MNIST,
    _FASHION_MNIST,
    _KMNIST,
    _QMNIST,
    _EMNIST_DIGITS,
    _EMNIST_LETTERS,
    _EMNIST_BALANCED,
)
"""The data sets, in the order of their descriptions."""
