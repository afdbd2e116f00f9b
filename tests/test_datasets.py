"""The known data sets: the table, where files are looked for, and what comes of them."""

import dataclasses
import gzip
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from download_server import Behaviour, Server, closed_port, running

import mnistburn
from mnistburn import datasets
from mnistburn.datasets import store
from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit
from mnistburn.datasets.registry import DATASETS
from mnistburn.errors import DataError


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache directory that no other test uses; proxies of the machine are left out."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MNISTBURN_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_mnist_is_the_original() -> None:
    train = datasets.load("mnist")
    test = datasets.load("mnist", split="test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # The IDX header of the images takes 16 bytes.
    header = bytes.fromhex("00000803 00002710 0000001c 0000001c")
    digest = hashlib.sha256(header + test.images.tobytes()).hexdigest()
    assert digest == "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    # The mean and the deviation that the model normalises with.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=1e-4)


def test_a_validation_share_comes_from_the_training_images() -> None:
    train, valid = datasets.load("mnist", validation=0.1, seed=3)
    assert (len(train), len(valid)) == (54_000, 6_000)
    whole = numpy.bincount(datasets.load("mnist").targets)
    assert numpy.allclose(numpy.bincount(valid.targets), whole * 0.1, atol=1)
    again = datasets.load("mnist", validation=0.1, seed=3)[1]
    assert (again.images == valid.images).all()


def test_licence_and_source_lie_beside_the_files() -> None:
    text = (store._PACKAGE / "mnist" / "README.md").read_text("utf-8")
    for part in ("Attribution-ShareAlike 3.0", "creativecommons.org/licenses/by-sa/3.0"):
        assert part in text
    assert "Yann LeCun" in text
    for file in DATASETS["mnist"].files:
        assert file.content_sha256 is not None
        assert file.content_sha256 in text


def test_a_damaged_file_of_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(store._PACKAGE / "mnist", tmp_path / "mnist")
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes((tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").read_bytes())
    monkeypatch.setattr(store, "_PACKAGE", tmp_path)
    with pytest.raises(DataError, match=r"t10k-labels.* is damaged") as caught:
        datasets.load("mnist", split="test")
    assert "install mnistburn again" in str(caught.value)


def test_names_are_listed() -> None:
    assert datasets.names() == [
        *("bloodmnist", "breastmnist", "cifar-10", "cifar-100"),
        *("emnist-balanced", "emnist-digits", "emnist-letters"),
        *("fashion-mnist", "kmnist", "mnist", "octmnist"),
        *("organamnist", "organcmnist", "organsmnist", "pathmnist", "pneumoniamnist"),
        *("qmnist", "svhn", "tissuemnist"),
    ]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("MNIST", "mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("Fashion MNIST", "fashion-mnist"),
        ("EMNIST letters", "emnist-letters"),
        ("emnist_balanced", "emnist-balanced"),
        ("QMNIST", "qmnist"),
        ("cifar10", "cifar-10"),
        ("CIFAR-10", "cifar-10"),
        ("CIFAR_100", "cifar-100"),
        ("SVHN", "svhn"),
        ("PathMNIST", "pathmnist"),
        ("organ_a_mnist", "organamnist"),
    ],
)
def test_a_name_may_be_spelt_otherwise(spelling: str, name: str) -> None:
    assert datasets.info(spelling).name == name


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("emnist", "one of 'emnist-balanced', 'emnist-digits', 'emnist-letters'"),
        ("emnist-", "one of 'emnist-balanced', 'emnist-digits', 'emnist-letters'"),
        ("fashion", "did you mean 'fashion-mnist'?"),
        ("kminst", "did you mean 'kmnist'?"),
        ("cifar", "one of 'cifar-10', 'cifar-100'"),
        ("imagenet", "the names are bloodmnist, "),
        ("", "the names are bloodmnist, "),
        ("-", "the names are bloodmnist, "),
    ],
)
def test_an_unknown_name_is_an_error_with_advice(name: str, part: str) -> None:
    with pytest.raises(DataError, match="there is no data set ") as caught:
        datasets.load(name)
    assert part in str(caught.value)


@pytest.mark.parametrize("entry", DATASETS.values(), ids=lambda entry: entry.name)
def test_the_table_is_consistent(entry: KnownDataset) -> None:
    names = [file.name for file in entry.files]
    assert len(set(names)) == len(names)
    for file in entry.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256 or 64 * "0")
        assert re.fullmatch("[0-9a-f]{32}", file.md5 or 32 * "0")
        assert file.sha256 or file.md5
        assert 100 < file.size < (file.content_size or 1 << 30)
    for split in entry.splits:
        if entry.format == "idx":
            assert split.labels is not None
            assert split.images.content_size == 16 + split.count * 784
            assert "images" in split.images.name
            assert "labels" in split.labels.name
            assert all(file.name.endswith(".gz") for file in split.files)
        else:
            assert split.labels is None
            assert split.images.content_size is None
            assert len(set(split.members)) == len(split.members) > 0
    assert len(set(entry.class_names)) == len(entry.class_names)
    assert entry.packaged or len(entry.mirrors) >= 2
    assert all(re.fullmatch(r"https?://[^?#]+/", mirror) for mirror in entry.mirrors)
    # A mirror without encryption is the last one: what it gives is verified, who asks is seen.
    safe = [mirror.startswith("https://") for mirror in entry.mirrors]
    assert safe == sorted(safe, reverse=True)
    assert entry.licence
    assert entry.homepage.startswith("http")


def test_no_hash_stands_twice() -> None:
    hashes = [file.digest for entry in DATASETS.values() for file in entry.files]
    assert len(set(hashes)) == len(hashes) == 28 + 4 + 9


@pytest.mark.parametrize(
    ("name", "counts", "classes"),
    [
        ("mnist", (60_000, 10_000), 10),
        ("cifar-10", (50_000, 10_000), 10),
        ("cifar-100", (50_000, 10_000), 100),
        ("svhn", (73_257, 26_032), 10),
        ("pathmnist", (89_996, 7_180), 9),
        ("octmnist", (97_477, 1_000), 4),
        ("pneumoniamnist", (4_708, 624), 2),
        ("breastmnist", (546, 156), 2),
        ("bloodmnist", (11_959, 3_421), 8),
        ("tissuemnist", (165_466, 47_280), 8),
        ("fashion-mnist", (60_000, 10_000), 10),
        ("kmnist", (60_000, 10_000), 10),
        ("qmnist", (60_000, 60_000), 10),
        ("emnist-digits", (240_000, 40_000), 10),
        ("emnist-letters", (124_800, 20_800), 26),
        ("emnist-balanced", (112_800, 18_800), 47),
    ],
)
def test_counts_and_classes_are_those_of_the_papers(
    name: str, counts: tuple[int, int], classes: int
) -> None:
    entry = datasets.info(name)
    assert (entry.train.count, entry.test.count) == counts
    assert len(entry.class_names) == classes


def test_the_documentation_has_the_table() -> None:
    text = (Path(__file__).parent.parent / "docs" / "data.md").read_text("utf-8")
    for entry in DATASETS.values():
        (row,) = re.findall(rf"^\| `{entry.name}` \| \d.*$", text, re.MULTILINE)
        _, _, counts, classes, size, licence, _, _ = (cell.strip() for cell in row.split("|"))
        *others, last = (f"{split.count:,}" for split in entry.splits)
        assert counts == f"{', '.join(others)} and {last}"
        assert classes.split()[0] == str(len(entry.class_names))
        assert size == f"{entry.size / 1e6:.1f}"
        assert licence in entry.licence
    folders = [folder for entry in DATASETS.values() for folder in entry.system_folders]
    assert all(folder in text for folder in folders)


# A data set of eight and four images, with all that is odd in the known ones.

IMAGES = numpy.random.default_rng(5).integers(0, 256, (12, 28, 28), dtype=numpy.uint8)
CLASSES = numpy.array([0, 1, 2, 2, 1, 0, 1, 1, 2, 0, 1, 2])


def idx(kind: int, array: "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.generic]]") -> bytes:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + shape + array.tobytes()


def known(name: str, content: bytes, *, with_content: bool) -> tuple[KnownFile, bytes]:
    packed = gzip.compress(content, mtime=0)
    return (
        KnownFile(
            name,
            len(packed),
            hashlib.sha256(packed).hexdigest(),
            len(content),
            hashlib.sha256(content).hexdigest() if with_content else None,
        ),
        packed,
    )


@dataclasses.dataclass
class Tiny:
    """The data set, the bytes of its files, and the server that has them."""

    entry: KnownDataset
    contents: dict[str, bytes]
    server: Server

    @property
    def asked(self) -> list[str]:
        return [path.rsplit("/", 1)[1] for path, _ in self.server.log]


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    with running() as server:
        yield server


def serving(body: bytes) -> Behaviour:
    return lambda request: request.serve(body)


def make_tiny(server: Server, monkeypatch: pytest.MonkeyPatch, *, with_content: bool) -> Tiny:
    server.log.clear()
    server.behaviours.clear()
    labels = numpy.zeros((12, 8), dtype=">i4")
    labels[:, 0] = CLASSES + 1
    labels[:, 1:] = 99
    contents: dict[str, bytes] = {}
    splits = []
    for name, part in (("train", slice(0, 8)), ("test", slice(8, 12))):
        files = []
        for kind, content in (
            ("images", idx(0x08, IMAGES[part].transpose(0, 2, 1))),
            ("labels", idx(0x0C, labels[part])),
        ):
            file, packed = known(f"{name}-{kind}.gz", content, with_content=with_content)
            contents[file.name] = packed
            server.on(f"/second/{file.name}", serving(packed))
            files.append(file)
        splits.append(KnownSplit(part.stop - part.start, files[0], files[1]))
    entry = KnownDataset(
        name="tiny",
        title="noise",
        train=splits[0],
        test=splits[1],
        class_names=("a", "b", "c"),
        licence="none",
        homepage="http://nowhere.invalid",
        mirrors=(f"{server.url}/first/", f"{server.url}/second/"),
        torchvision="Tiny",
        advice=("or ask a friend",),
        transposed=True,
        first_label=1,
        label_columns=8,
    )
    monkeypatch.setitem(DATASETS, "tiny", entry)
    return Tiny(entry, contents, server)


@pytest.fixture
def tiny(running_server: Server, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    return make_tiny(running_server, monkeypatch, with_content=True)


@pytest.fixture
def offline(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    mirrors = (f"http://127.0.0.1:{closed_port()}/a/", f"http://127.0.0.1:{closed_port()}/b/")
    tiny.entry = dataclasses.replace(tiny.entry, mirrors=mirrors)
    monkeypatch.setitem(DATASETS, "tiny", tiny.entry)
    return tiny


def test_a_data_set_is_fetched_once_and_kept(tiny: Tiny, data_dir: Path) -> None:
    train = datasets.load("tiny", progress=False)
    assert (train.images == IMAGES[:8]).all()  # upright
    assert train.targets.tolist() == CLASSES[:8].tolist()  # the first column, from 0 up
    assert tiny.asked == ["train-images.gz"] * 2 + ["train-labels.gz"] * 2  # no test files
    for file in tiny.entry.train.files:
        assert (data_dir / "tiny" / file.name).read_bytes() == tiny.contents[file.name]
    tiny.server.log.clear()
    again, valid = datasets.load("TINY", validation=0.25, progress=False)
    assert (len(again), len(valid)) == (6, 2)
    assert len(datasets.load("tiny", download=False)) == 8
    assert tiny.asked == []
    assert (datasets.load("tiny", "test", progress=False).images == IMAGES[8:]).all()


def test_lines_show_what_is_fetched(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    datasets.load("tiny")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "tiny train-images.gz",
        "tiny train-labels.gz",
    ]
    datasets.load("tiny")
    assert capsys.readouterr().err == ""


def test_a_poisoned_file_is_replaced_or_named(tiny: Tiny, data_dir: Path) -> None:
    datasets.load("tiny", progress=False)
    path = data_dir / "tiny" / "train-labels.gz"
    for poison in (b"", b"poison", tiny.contents["test-labels.gz"], path.read_bytes()[:-9]):
        path.write_bytes(poison)
        with pytest.raises(DataError, match="train-labels") as caught:
            datasets.load("tiny", download=False)
        assert f"{path} is damaged" in str(caught.value)
        assert "train-images.gz" not in str(caught.value)
        assert path.read_bytes() == poison
        assert datasets.load("tiny", progress=False).targets.tolist() == CLASSES[:8].tolist()
        assert path.read_bytes() == tiny.contents["train-labels.gz"]


@pytest.mark.parametrize("download", [True, False])
def test_the_last_error_has_all_it_takes(download: bool, offline: Tiny, data_dir: Path) -> None:
    with pytest.raises(DataError) as caught:
        datasets.load("tiny", download=download, progress=False)
    text = str(caught.value)
    for file in offline.entry.train.files:
        assert f"{file.size} bytes, SHA-256 {file.sha256}" in text
        path = data_dir / "tiny" / file.name
        assert f"curl -fL --create-dirs -o {path} {offline.entry.mirrors[0]}{file.name}" in text
    assert "test-images" not in text
    assert "or ask a friend" in text
    for mirror in offline.entry.mirrors:
        assert (f"{mirror}train-images.gz: [Errno " in text) is download
    assert ("download=False" in text) is not download


def test_all_is_fetched_before_a_journey(tiny: Tiny, data_dir: Path) -> None:
    assert [state.state for state in datasets.verify("tiny")] == ["missing"] * 4
    paths = datasets.fetch("tiny", progress=False)
    assert paths == [data_dir / "tiny" / file.name for file in tiny.entry.files]
    assert [state.state for state in datasets.verify("tiny")] == ["ok"] * 4
    paths[2].write_bytes(b"poison")
    states = datasets.verify("tiny")
    assert [state.state for state in states] == ["ok", "ok", "damaged", "ok"]
    assert [state.name for state in states] == [file.name for file in tiny.entry.files]
    assert states[2].path == paths[2]
    assert "is damaged" in str(states[2].problem)
    tiny.server.log.clear()
    assert datasets.fetch("tiny", progress=False) == paths
    assert set(tiny.asked) == {"test-images.gz"}


@pytest.mark.parametrize("place", ["", "tiny", "Tiny/raw"])
@pytest.mark.parametrize("form", ["as fetched", "compressed anew", "plain"])
def test_copies_of_others_are_read(place: str, form: str, tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "root" / place
    folder.mkdir(parents=True)
    for name, packed in tiny.contents.items():
        content = gzip.decompress(packed)
        if form == "plain":
            (folder / name.removesuffix(".gz")).write_bytes(content)
        else:
            anew = gzip.compress(content, 1, mtime=7)
            assert anew != packed
            (folder / name).write_bytes(packed if form == "as fetched" else anew)
    root = tmp_path / "root"
    before = sorted(root.rglob("*"))
    for given in (root, str(root)):
        test = datasets.load("tiny", "test", root=given)
        assert (test.images == IMAGES[8:]).all()
        assert test.targets.tolist() == CLASSES[8:].tolist()
    assert [state.state for state in datasets.verify("tiny", root=root)] == ["ok"] * 4
    assert datasets.where("tiny", root=root) == folder
    assert tiny.asked == []
    # A damaged copy is named, and nothing is fetched or written.
    (bad,) = folder.glob("test-labels*")
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match="with root= nothing is fetched") as caught:
        datasets.load("tiny", "test", root=root)
    assert str(bad) in str(caught.value)
    assert tiny.asked == []
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("change", ["a flipped bit", "one byte less", "one byte more"])
@pytest.mark.parametrize("packed", [True, False])
def test_other_content_is_damaged_in_any_form(
    change: str, packed: bool, tiny: Tiny, tmp_path: Path
) -> None:
    for name, known_bytes in tiny.contents.items():
        content = bytearray(gzip.decompress(known_bytes))
        if change == "a flipped bit":
            content[-1] ^= 1
        elif change == "one byte less":
            del content[-1]
        else:
            content += b"?"
        if packed:
            (tmp_path / name).write_bytes(gzip.compress(content, mtime=0))
        else:
            (tmp_path / name.removesuffix(".gz")).write_bytes(content)
    states = datasets.verify("tiny", root=tmp_path)
    assert [state.state for state in states] == ["damaged"] * 4
    with pytest.raises(DataError, match="is damaged"):
        datasets.load("tiny", root=tmp_path)


def test_without_a_hash_of_the_content_a_file_must_be_as_fetched(
    running_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny = make_tiny(running_server, monkeypatch, with_content=False)
    for name, packed in tiny.contents.items():
        (tmp_path / name).write_bytes(packed)
    assert len(datasets.load("tiny", root=tmp_path)) == 8
    path = tmp_path / "train-labels.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content, 1, mtime=7))
    with pytest.raises(DataError, match=r"train-labels.gz is damaged: its SHA-256 is"):
        datasets.load("tiny", root=tmp_path)
    path.unlink()
    (tmp_path / "train-labels").write_bytes(content)
    with pytest.raises(DataError, match="only the hash of the compressed file, train-lab"):
        datasets.load("tiny", root=tmp_path)


def test_mnist_is_read_from_a_folder_too(tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in DATASETS["mnist"].test.files:
        packed = (store._PACKAGE / "mnist" / file.name).read_bytes()
        (raw / file.plain_name).write_bytes(gzip.decompress(packed))
    copy = datasets.load("mnist", "test", root=tmp_path)
    assert (copy.images == datasets.load("mnist", "test").images).all()
    with pytest.raises(DataError, match="train-images"):
        datasets.load("mnist", "train", root=tmp_path)


def test_a_table_that_is_wrong_is_noticed(
    running_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny = make_tiny(running_server, monkeypatch, with_content=True)
    for name, packed in tiny.contents.items():
        (tmp_path / name).write_bytes(packed)
    for change, part in (
        ({"class_names": ("a", "b")}, "class numbers from 1 to 2, got 1 to 3"),
        ({"first_label": 2}, "class numbers from 2 to 4, got 1 to 3"),
        ({"label_columns": 7}, "IDX data of the shape \\[8, 7\\]"),
        ({"label_columns": 0}, "IDX data of the shape \\[8\\]"),
    ):
        monkeypatch.setitem(DATASETS, "tiny", dataclasses.replace(tiny.entry, **change))
        with pytest.raises(DataError, match=part):
            datasets.load("tiny", root=tmp_path)


def test_where_files_go(
    tiny: Tiny, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert datasets.where() == data_dir
    assert datasets.where("tiny") == data_dir / "tiny"
    assert datasets.where("mnist") == store._PACKAGE / "mnist"
    assert datasets.where(root=tmp_path) == tmp_path
    monkeypatch.setenv("MNISTBURN_DATA_DIR", "~/data")
    assert datasets.where() == Path.home() / "data"
    monkeypatch.setenv("MNISTBURN_DATA_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert datasets.where() == tmp_path / "mnistburn" / "data"


def test_a_cache_that_cannot_be_written_is_named(tiny: Tiny, data_dir: Path) -> None:
    data_dir.write_bytes(b"in the way")
    with pytest.raises(DataError, match="MNISTBURN_DATA_DIR") as caught:
        datasets.load("tiny", progress=False)
    assert str(data_dir / "tiny") in str(caught.value)
    assert tiny.asked == []


def test_a_system_copy_is_found_and_verified(
    tiny: Tiny, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.mkdir()
    for name, packed in tiny.contents.items():
        (system / name).write_bytes(gzip.compress(gzip.decompress(packed), 1, mtime=7))
    entry = dataclasses.replace(tiny.entry, system_folders=(str(system),))
    monkeypatch.setitem(DATASETS, "tiny", entry)
    assert len(datasets.load("tiny")) == 8
    assert datasets.where("tiny") == system
    assert not data_dir.exists()
    assert tiny.asked == []
    # A damaged one is no obstacle.
    (system / "train-labels.gz").write_bytes(b"poison")
    assert len(datasets.load("tiny", progress=False)) == 8
    assert set(tiny.asked) == {"train-labels.gz"}
    assert [state.state for state in datasets.verify("tiny")] == ["ok"] * 4


def test_fashion_mnist_of_debian(fashion_mnist: Path, data_dir: Path) -> None:
    assert datasets.where("fashion-mnist") == fashion_mnist
    assert [state.state for state in datasets.verify("fashion-mnist")] == ["ok"] * 4
    test = datasets.load("fashion-mnist", "test", download=False)
    # The first ten of the test set, as upstream's pictures show them.
    assert test.targets[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert numpy.bincount(test.targets).tolist() == [1000] * 10
    train = datasets.load("fashion-mnist", download=False)
    assert train.targets[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    # As published for these images.
    assert train.images.mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert train.images.std() / 255 == pytest.approx(0.3530, abs=1e-4)
    assert not data_dir.exists()


def test_a_training_takes_the_name(
    tiny: Tiny, artifact_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = mnistburn.train(
        artifact_dir,
        mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=8), num_epochs=1),
        "cpu",
        data="Tiny",
        progress=False,
    )
    assert run.history.train_steps["images"] == [8]
    assert capsys.readouterr().err == ""
