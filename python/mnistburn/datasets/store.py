"""Where the files of the known data sets are, and what they hold once their hashes are checked.

A file counts when its bytes are verified, in every place and every time it is read: in the
package, in the cache directory, where the operating system installs it, or in a folder that the
caller names.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from mnistburn.datasets.known import Digest, KnownDataset, KnownFile
from mnistburn.errors import DataError
from mnistburn.progress import start_count
from mnistburn.system_errors import trying

if TYPE_CHECKING:
    from mnistburn.datasets.download import Answer

__all__ = ["DATA_DIR_VARIABLE", "FileState", "data_dir", "folder", "present", "read", "states"]

DATA_DIR_VARIABLE: Final = "MNISTBURN_DATA_DIR"
"""The environment variable that names another directory than the user's cache."""

_PACKAGE: Final = Path(__file__).parent.parent / "data"

# A file compressed by another program, or stored without compression, may be this much larger.
_SLACK: Final = 1 << 20


@dataclass(frozen=True)
class FileState:
    """How a file of a data set fares.

    Attributes:
        name: The name of the file.
        state: ``"ok"``, ``"damaged"`` or ``"missing"``.
        path: Where it is; None when it is missing.
        problem: What is wrong with it; None when it is all right or missing.
    """

    name: str
    state: Literal["ok", "damaged", "missing"]
    path: Path | None = None
    problem: str | None = None


class _DamagedError(Exception):
    """A file is there and holds something else; the message says what."""


def data_dir() -> Path:
    """Return the directory that fetched files go to.

    Returns:
        What ``MNISTBURN_DATA_DIR`` names, else the directory ``mnistburn/data`` in the place where
        the system keeps a user's caches.
    """
    named = os.environ.get(DATA_DIR_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs  # noqa: PLC0415  MNIST needs no cache

    return platformdirs.user_cache_path("mnistburn", appauthor=False) / "data"


def folder(entry: KnownDataset, root: Path | None) -> Path:
    """Return the folder in which the files of a data set are.

    Args:
        entry: The data set.
        root: The folder to look in, instead of the usual ones.

    Returns:
        The first folder that holds one of the files, under its name or the decompressed one's;
        where there is none, the one that they belong in. Nothing is read.
    """
    there = present(entry, root)
    return there[0].parent if there else _home(entry, root)


def present(entry: KnownDataset, root: Path | None) -> list[Path]:
    """Return the files of a data set that are there, whatever they hold.

    Args:
        entry: The data set.
        root: The folder to look in, instead of the usual ones.

    Returns:
        The path of each file that is found.
    """
    paths = (next(_candidates(entry, file, root), None) for file in entry.files)
    return [path for path in paths if path is not None]


def read(
    entry: KnownDataset,
    files: Sequence[KnownFile],
    root: Path | None,
    *,
    download: bool,
    progress: bool,
) -> list[tuple[Path, bytes]]:
    """Return what files of a data set hold, verified, after fetching those that are not there.

    Args:
        entry: The data set.
        files: The files.
        root: The folder to look in, instead of the usual ones; nothing is written there.
        download: Whether files may be fetched.
        progress: Whether the progress of fetching is shown.

    Returns:
        For each file its path and its content: that of IDX files decompressed, others as they are.

    Raises:
        DataError: A file is not there, or damaged, and cannot be fetched. The message has all it
            takes to get it by hand.
        OSError: A file cannot be read or written.
    """
    found: dict[str, tuple[Path, bytes]] = {}
    wrong: dict[str, list[str]] = {}
    for file in files:
        problems = wrong[file.name] = []
        for path in _candidates(entry, file, root):
            try:
                found[file.name] = path, _content(path, file)
            except _DamagedError as error:
                problems.append(f"{path} {error}")
            else:
                break
    missing = [file for file in files if file.name not in found]
    if missing and (root is not None or not download or not entry.mirrors):
        raise DataError(_message(entry, missing, wrong, root, download=download))
    for number, file in enumerate(missing):
        path = _home(entry, None) / file.name
        _fetch(entry, missing[number:], wrong, path, progress=progress)
        try:
            found[file.name] = path, _content(path, file)
        except _DamagedError as error:  # another program changed it within this moment
            message = f"{path} {error}"
            raise DataError(message) from None
    return [found[file.name] for file in files]


def states(entry: KnownDataset, root: Path | None) -> list[FileState]:
    """Verify the files of a data set that are there.

    Args:
        entry: The data set.
        root: The folder to look in, instead of the usual ones.

    Returns:
        The state of each file. A damaged one beside a good one elsewhere counts as good.

    Raises:
        OSError: A file cannot be read.
    """
    return [_state(entry, file, root) for file in entry.files]


def _state(entry: KnownDataset, file: KnownFile, root: Path | None) -> FileState:
    damaged: FileState | None = None
    for path in _candidates(entry, file, root):
        try:
            _content(path, file)
        except _DamagedError as error:
            damaged = damaged or FileState(file.name, "damaged", path, str(error))
        else:
            return FileState(file.name, "ok", path)
    return damaged or FileState(file.name, "missing")


def _home(entry: KnownDataset, root: Path | None) -> Path:
    """Return the folder that the files belong in."""
    if root is not None:
        return root
    return _PACKAGE / entry.name if entry.packaged else data_dir() / entry.name


def _folders(entry: KnownDataset, root: Path | None) -> Iterator[Path]:
    if root is None:
        yield _home(entry, None)
        yield from map(Path, entry.system_folders)
    else:
        # As servers have it; one folder for several sets; as torchvision lays it out.
        yield root
        yield root / entry.name
        if entry.torchvision:
            yield root / entry.torchvision / "raw"


def _candidates(entry: KnownDataset, file: KnownFile, root: Path | None) -> Iterator[Path]:
    """Yield the paths at which a file of that name is."""
    for place in _folders(entry, root):
        for name in (file.name, file.plain_name):
            path = place / name
            if path.is_file():
                yield path


def _content(path: Path, file: KnownFile) -> bytes:
    """Read a file once, check its hash, and return what it holds, decompressed."""
    limit = max(file.most_bytes, file.content_size or 0) + _SLACK
    with trying("could not read", path), path.open("rb") as opened:
        raw = opened.read(limit + 1)
    if len(raw) > limit:
        message = f"is too large: more than {limit} bytes"
        raise _DamagedError(message)
    if file.content_size is None:
        _check_hash(raw, file.digest)
        return raw
    if not raw.startswith(b"\x1f\x8b"):
        if file.content_sha256 is None:
            message = (
                f"is no gzip file, and only the hash of the compressed file, {file.name}, is known"
            )
            raise _DamagedError(message)
        _check_hash(raw, Digest("sha256", file.content_sha256))
        return raw
    if file.content_sha256 is None:
        _check_hash(raw, file.digest)
        return _decompressed(raw, file.content_size)
    content = _decompressed(raw, file.content_size)
    # Compressed anew, as distributions do, a file has other bytes and the same content.
    if _hash(raw, file.digest) != file.digest.value:
        _check_hash(content, Digest("sha256", file.content_sha256))
    return content


def _hash(content: bytes, digest: Digest) -> str:
    import hashlib  # noqa: PLC0415  it costs more to import than all else here

    return hashlib.new(digest.algorithm, content, usedforsecurity=False).hexdigest()


def _check_hash(content: bytes, digest: Digest) -> None:
    found = _hash(content, digest)
    if found != digest.value:
        message = f"is damaged: its {digest.title} is {found} and should be {digest.value}"
        raise _DamagedError(message)


def _decompressed(raw: bytes, size: int) -> bytes:
    """Decompress gzip, and no further than to the size that is known."""
    import zlib  # noqa: PLC0415

    decompressor = zlib.decompressobj(wbits=31)
    try:
        content = decompressor.decompress(raw, size + 1)
    except zlib.error as error:
        message = f"is damaged: {error}"
        raise _DamagedError(message) from None
    if len(content) != size or not decompressor.eof:
        message = f"is damaged: it does not decompress to {size} bytes"
        raise _DamagedError(message)
    return content


def _fetch(
    entry: KnownDataset,
    missing: Sequence[KnownFile],
    wrong: dict[str, list[str]],
    path: Path,
    *,
    progress: bool,
) -> None:
    """Fetch the first of the missing files to a path."""
    from mnistburn.datasets import download  # noqa: PLC0415  what is there needs no network

    file = missing[0]
    urls = [mirror + file.name for mirror in entry.mirrors]
    display = start_count(progress, f"{entry.name} {file.name}", file.size, "B")
    try:
        download.fetch(file, urls, path, limits=download.LIMITS, progress=display)
    except download.NoMirrorError as error:
        message = _message(entry, missing, wrong, None, answers=error.answers)
        raise DataError(message) from error
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        reason = (error.strerror or str(error)).rpartition(": ")[2]
        message = (
            f"{path.parent} cannot be written: {reason}; set {DATA_DIR_VARIABLE} "
            "to a directory of your own, or pass root= where the files are"
        )
        raise DataError(message) from error
    finally:
        if display is not None:
            display.close()


def _message(
    entry: KnownDataset,
    missing: Sequence[KnownFile],
    wrong: dict[str, list[str]],
    root: Path | None,
    *,
    download: bool = True,
    answers: Iterable["Answer"] = (),
) -> str:
    """Say which files are wanted, why they are not there, and how to get them."""
    import shlex  # noqa: PLC0415

    home = _home(entry, root)
    lines = [f"{entry.name} needs {_files(missing)} in {home}"]
    if entry.packaged and root is None:
        lines[0] += "; install mnistburn again"
    elif root is not None:
        others = list(_folders(entry, root))[1:]
        lines[0] += ", or in " + " or ".join(map(str, others)) + "; with root= nothing is fetched"
    elif not download:
        lines[0] += "; with download=False nothing is fetched"
    lines += [f"  {problem}" for file in missing for problem in wrong[file.name]]
    lines += [f"  {answer.url}: {answer.problem}" for answer in answers]
    if entry.mirrors:
        lines.append("to get what is missing by hand:")
    for file in missing:
        if entry.mirrors:
            url = entry.mirrors[0] + file.name
            lines.append(f"  curl -fL --create-dirs -o {shlex.quote(str(home / file.name))} {url}")
        lines.append(f"  # {file.name}: {file.size_text}, {file.digest}")
    lines += [f"  # {advice}" for advice in entry.advice]
    return "\n".join(lines)


def _files(files: Sequence[KnownFile]) -> str:
    return " and ".join(file.name for file in files)
