"""The devices a model can be on.

Example:
    >>> import mnistburn
    >>> [device.device for device in mnistburn.devices() if device.kind == "cpu"]
    ['cpu']
"""

from dataclasses import dataclass
from typing import Final

from mnistburn import _native, cuda
from mnistburn.arguments import shown
from mnistburn.errors import DeviceError

__all__ = ["Device", "devices"]

# "integrated-gpu:12" is long for a device; a longer text is a mistake and not worth repeating.
_LONGEST_DEVICE: Final = 64


@dataclass(frozen=True)
class Device:
    """A device this build knows.

    Attributes:
        device: The string to pass as ``device=``, for example ``"cpu"`` or ``"cuda:0"``.
        kind: What it is: ``"cpu"``, ``"missing"`` for a back end without a device, or a GPU that is
            ``"integrated"``, ``"discrete"``, ``"virtual"`` or ``"software"``.
        name: What the device calls itself.
        reason: Why it cannot be used, or None when it can.
    """

    device: str
    kind: str
    name: str
    reason: str | None = None

    @property
    def available(self) -> bool:
        """Whether the device can be used."""
        return self.reason is None


def devices() -> list[Device]:
    """List the devices of this machine, also those that cannot be used, with the reason.

    Returns:
        The devices, the CPU first.
    """
    cuda.provide_compiler()
    return [Device(*row) for row in _native.devices()]


def resolve_device(device: object) -> str:
    """Return the canonical string of a device.

    Args:
        device: A device string. ``"auto"`` stands for the fastest that works here: an NVIDIA GPU
            through CUDA, else a real GPU through wgpu, else the CPU; the choice is logged.

    Returns:
        The string, for example ``"cpu"`` or ``"cuda"``.

    Raises:
        DeviceError: There is no such device, or it cannot be used.
    """
    if not isinstance(device, str) or len(device) > _LONGEST_DEVICE:
        message = (
            f"device must be a short string such as 'auto' or 'cpu', got {shown(device)}; "
            "mnistburn.devices() lists the devices of this machine"
        )
        if isinstance(device, Device):
            message = f"device must be a string, got {shown(device)}; pass its .device"
        raise DeviceError(message)
    try:
        device.encode()
    except UnicodeEncodeError:
        message = f"there is no device {device!a}; mnistburn.devices() lists those of this machine"
        raise DeviceError(message) from None
    if device == "auto":
        return _choose()
    if device.startswith("cuda"):
        cuda.provide_compiler()
    return _native.resolve_device(device)


def resolve_devices(device: object) -> list[str]:
    """Return the canonical strings of one device, or of several that share the steps of a run.

    Args:
        device: A device string, or a list or tuple of at least one.

    Returns:
        The strings.

    Raises:
        DeviceError: There is no such device, or it cannot be used.
    """
    if not isinstance(device, list | tuple):
        return [resolve_device(device)]
    if not device:
        message = f"device must name at least one device, got {device!r}; use 'auto' or 'cpu'"
        raise DeviceError(message)
    return [resolve_device(each) for each in device]


def _choose() -> str:
    import logging  # noqa: PLC0415  only a choice is logged

    cuda.provide_compiler()
    device, reasons = _native.choose_device()
    passed_over = "".join(f"; {reason}" for reason in reasons)
    logging.getLogger("mnistburn").info("device 'auto' is %r%s", device, passed_over)
    return device
