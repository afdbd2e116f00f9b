"""What is known of a data set: its files, hashes, mirrors and classes."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from mnistburn.arrays import MNIST, ImageShape
from mnistburn.datasets.parts import Split
from mnistburn.preprocessing import Prepare

__all__ = ["Digest", "FileFormat", "KnownDataset", "KnownFile", "KnownSplit"]

FileFormat = Literal["idx", "cifar", "mat", "npz"]
"""Gzip-compressed IDX files of images and of labels, a compressed archive of CIFAR's binary
records, MATLAB files, or a NumPy archive."""


class Digest(NamedTuple):
    """The hash of a file.

    Attributes:
        algorithm: The name that `hashlib` has for the function.
        value: The hash, in hexadecimal digits.
    """

    algorithm: Literal["sha256", "md5"]
    value: str

    @property
    def title(self) -> str:
        """The function's name as people write it."""
        return "SHA-256" if self.algorithm == "sha256" else "MD5"

    def __str__(self) -> str:
        return f"{self.title} {self.value}"


@dataclass(frozen=True)
class KnownFile:
    """A file of a data set, as servers have it.

    Attributes:
        name: Its name on every server.
        size: The number of its bytes.
        sha256: The SHA-256 of these; None where only the MD5 was published.
        content_size: Of a gzip-compressed IDX file, the number of bytes that it decompresses to;
            None for other files, which are read as they are.
        content_sha256: The SHA-256 of those; None where the file was not at hand to find it.
        md5: The MD5 of the file, where that is what was published.
        exact_size: Whether `size` is exact; else it is rounded, and the hash alone decides.
    """

    name: str
    size: int
    sha256: str | None
    content_size: int | None = None
    content_sha256: str | None = None
    md5: str | None = None
    exact_size: bool = True

    def __post_init__(self) -> None:
        if self.sha256 is None and self.md5 is None:
            message = f"{self.name} needs a hash"
            raise ValueError(message)

    @property
    def digest(self) -> Digest:
        """The hash that the file must have: the strongest that is known."""
        if self.sha256 is not None:
            return Digest("sha256", self.sha256)
        return Digest("md5", str(self.md5))

    @property
    def most_bytes(self) -> int:
        """The number of bytes that the file has at most."""
        return self.size if self.exact_size else self.size + self.size // 4

    @property
    def size_text(self) -> str:
        """The size in words."""
        return f"{'' if self.exact_size else 'about '}{self.size} bytes"

    @property
    def plain_name(self) -> str:
        """The name of the decompressed file; the same where it is read as it is."""
        return self.name if self.content_size is None else self.name.removesuffix(".gz")


@dataclass(frozen=True)
class KnownSplit:
    """The files of one part of a data set.

    Attributes:
        count: The number of images.
        images: The file of the images.
        labels: The file of the class numbers; None where the other file has them too.
        members: What holds the part inside the file: the members of an archive in their order, or
            the names of the arrays of the images and of the labels.
    """

    count: int
    images: KnownFile
    labels: KnownFile | None = None
    members: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """All files."""
        return (self.images,) if self.labels is None else (self.images, self.labels)


@dataclass(frozen=True)
class KnownDataset:
    """A data set: where it comes from and how its files are read.

    Attributes:
        name: The name that `mnistburn.datasets.load` takes.
        title: What it shows, in a few words.
        train: The images to train with.
        test: The images to test with.
        class_names: The names of the classes, by number.
        licence: The terms of use.
        homepage: Where it is described.
        valid: The images to validate on; None where the authors set none aside.
        mirrors: Folders on servers, in the order in which they are asked; a file's name is
            appended.
        packaged: Whether the files are in the package.
        torchvision: The folder that torchvision keeps it in.
        system_folders: Where operating systems install it.
        advice: Other ways to get it, for the message that says that files are missing.
        format: The format of its files.
        image_shape: The shape of its images.
        transposed: Whether the files hold columns where others hold rows.
        first_label: What the files call the first class.
        last_label_first: Whether the largest label stands for the first class, as 10 does for the
            digit 0.
        label_columns: The number of values for each image beside its pixels; 0 for IDX files of
            one byte for each. In IDX files of several the first is the class, in CIFAR's the last.
        prepare: How pictures are prepared so that they look as its images do, if that is known.
    """

    name: str
    title: str
    train: KnownSplit
    test: KnownSplit
    class_names: tuple[str, ...]
    licence: str
    homepage: str
    valid: KnownSplit | None = None
    mirrors: tuple[str, ...] = ()
    packaged: bool = False
    torchvision: str = ""
    system_folders: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    format: FileFormat = "idx"
    image_shape: ImageShape = MNIST
    transposed: bool = False
    first_label: int = 0
    last_label_first: bool = False
    label_columns: int = 0
    prepare: Prepare | None = None

    def split(self, name: Split) -> KnownSplit | None:
        """Return one of the parts; None where there is no such part."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    @property
    def splits(self) -> tuple[KnownSplit, ...]:
        """All parts."""
        return tuple(part for part in (self.train, self.valid, self.test) if part is not None)

    @property
    def files(self) -> tuple[KnownFile, ...]:
        """All files, each once."""
        return tuple(dict.fromkeys(file for part in self.splits for file in part.files))

    @property
    def size(self) -> int:
        """The number of bytes of all files, compressed."""
        return sum(file.size for file in self.files)
