"""Where models run, and copies of one model on several devices."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

from pyrite.errors import ModelError

__all__ = ["replicate", "resolve_devices"]

_Model = TypeVar("_Model")


def resolve_devices(device: str) -> list[str]:
    """Return the devices that a setting names.

    Args:
        device: "auto" (the GPU where there is one), "cpu", "cuda", "cuda:1", or several, parted by commas.

    Raises:
        ModelError: A device is not there.

    Example:
        >>> resolve_devices("cpu")
        ['cpu']
    """
    import torch

    named = [part.strip() for part in device.split(",") if part.strip()]
    if not named:
        raise ModelError(f"device: wants `auto`, `cpu`, `cuda`, `cuda:N`, or several parted by commas, not {device!r}")
    found = ["cuda" if torch.cuda.is_available() else "cpu"] if named == ["auto"] else named
    for one in found:
        _check(torch, one)
    return found


def replicate(model: _Model, devices: Sequence[str]) -> list[_Model]:
    """Return the model on the first device, and a copy of it on each further one.

    Args:
        model: A torch module.
        devices: As `resolve_devices` gives them.
    """
    modules: list[Any] = [model, *(deepcopy(model) for _ in devices[1:])]
    return [module.to(device) for module, device in zip(modules, devices, strict=True)]


def _check(torch: Any, device: str) -> None:
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"device: {device!r} is no device ({error})") from error
    if parsed.type == "cuda" and (parsed.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"device: {device!r} is not there; torch sees {torch.cuda.device_count()} CUDA devices")
