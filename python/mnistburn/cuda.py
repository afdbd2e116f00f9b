"""NVIDIA's compiler and headers, where CUDA needs them.

A kernel for an NVIDIA GPU is compiled when it is first used, by NVRTC and with NVIDIA's headers.
Both come from an installed CUDA toolkit, or from the packages of the extra ``mnistburn[cuda]``. No
environment variable has to be set: one is set here, ``CUDA_PATH``, when CUDA is asked for and there
is no toolkit.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mnistburn import _native

__all__ = ["load_compiler", "package_folder", "provide_compiler"]

_PACKAGE: Final = "nvidia.cu13"
"""Where NVIDIA's packages of the series 13 put their files."""

_LIBRARIES: Final = ("libnvrtc-builtins.so.*", "libnvrtc.so.*")
"""The compiler, after what it looks for by name when it compiles."""


def provide_compiler() -> None:
    """Make NVRTC and the headers available, where NVIDIA's driver is and something has them."""
    if not _native.cuda_driver():
        return
    toolkit = _native.cuda_toolkit()
    folder = package_folder() if toolkit is None else toolkit
    if folder is None:
        return
    if toolkit is None:
        os.environ["CUDA_PATH"] = str(folder)
    load_compiler(folder)


def package_folder() -> Path | None:
    """Return the folder of NVIDIA's packages that has the compiler, or None when there is none."""
    try:
        spec = find_spec(_PACKAGE)
    except (ImportError, ValueError):
        return None
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    return next((place for place in places if any(place.glob(f"lib/{_LIBRARIES[1]}"))), None)


def load_compiler(folder: Path) -> None:
    """Load NVRTC from a folder, so that it is found by its name and fits the headers there.

    Args:
        folder: A toolkit, or the folder of the packages. Where it holds no compiler, nothing is
            loaded: the system may have one.
    """
    import ctypes  # noqa: PLC0415  CUDA alone needs it

    for pattern in _LIBRARIES:
        # A package has a variant named "alt" too, which is not meant.
        found = sorted(path for path in folder.glob(f"lib*/{pattern}") if ".alt." not in path.name)
        for path in found[:1]:
            try:
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
            except OSError:
                # The check that follows says what is missing.
                return
