"""What a figure was measured on."""

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any, Final

import mnistburn

_PROCESSORS: Final = Path("/proc/cpuinfo")
_SIMD: Final = re.compile(r"^(sse|avx|fma|f16c|amx|asimd|neon|sve)")
_DISTRIBUTIONS: Final = ("numpy", "torch", "jax", "jaxlib", "onnxruntime", "onnx")


def usable_cores() -> list[int]:
    """Return the processors that this process may use, one of each core before the second.

    Returns:
        Their numbers, in the order in which to take them.
    """
    if sys.platform != "linux":
        return list(range(os.cpu_count() or 1))
    usable = sorted(os.sched_getaffinity(0))
    # Two threads of one core are not two cores.
    return sorted(usable, key=lambda number: (_place_in_core(number), number))


def _place_in_core(number: int) -> int:
    path = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
    try:
        siblings = path.read_text("ascii").strip()
    except OSError:
        return 0
    numbers: list[int] = []
    for part in siblings.split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers.index(number) if number in numbers else 0


def load_average() -> float | None:
    """Return the number of processes that computed in the last minute, where it is known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def describe() -> dict[str, Any]:
    """Describe this machine and what is installed on it.

    Returns:
        What JSON can hold: processor, cores, SIMD flags, versions and the load.
    """
    model, simd = platform.processor() or platform.machine(), []
    if _PROCESSORS.is_file():
        content = {
            name.strip(): value.strip()
            for line in _PROCESSORS.read_text("utf-8", "replace").splitlines()
            for name, _, value in [line.partition(":")]
        }
        model = content.get("model name", model)
        flags = (content.get("flags") or content.get("Features") or "").split()
        simd = sorted(flag for flag in flags if _SIMD.match(flag))
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "usable_cores": len(usable_cores()),
        "simd": simd,
        "system": platform.platform(),
        "python": platform.python_version(),
        "mnistburn": mnistburn.build_info(),
        "versions": {name: version for name in _DISTRIBUTIONS if (version := _version(name))},
        "load_before": load_average(),
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("MNISTBURN_", "OMP_", "GOMP_", "KMP_", "MKL_", "XLA_", "RAYON_"))
        },
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
