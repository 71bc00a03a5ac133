"""Where models run: one device, or copies of one model on several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np

from pyrite.errors import ModelError

__all__ = ["compute_batches", "replicate", "resolve_devices"]

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


def compute_batches(
    batches: Sequence[np.ndarray], models: Sequence[_Model], compute: Callable[[_Model, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Compute one number for each text, batch by batch; each model takes the next batch when it is free.

    Args:
        batches: Positions of the texts; every text is in one batch.
        models: The model on each device; one thread drives each.
        compute: Gets a model and the positions of a batch, returns its numbers.

    Returns:
        float64, shape (texts,).
    """
    out = np.zeros(sum(len(batch) for batch in batches), dtype=np.float64)
    queue: SimpleQueue[np.ndarray] = SimpleQueue()
    for batch in batches:
        queue.put(batch)

    def drive(model: _Model) -> None:
        while True:
            try:
                batch = queue.get_nowait()
            except Empty:
                return
            out[batch] = compute(model, batch)

    if len(models) == 1:
        drive(models[0])
    else:
        _in_threads(drive, models)
    return out


def _in_threads(drive: Callable[[_Model], None], models: Sequence[_Model]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(models)) as pool:
        for future in [pool.submit(drive, model) for model in models]:
            future.result()


def _check(torch: Any, device: str) -> None:
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"device: {device!r} is no device ({error})") from error
    if parsed.type == "cuda" and (parsed.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"device: {device!r} is not there; torch sees {torch.cuda.device_count()} CUDA devices")
