"""Where FAISS searches: on the processor, or on one or more GPUs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from pyrite.errors import SearchError

__all__ = ["GPU_MOST_RESULTS", "chosen_gpus", "on_gpus"]

_LOG = logging.getLogger(__name__)

GPU_MOST_RESULTS = 2048
"""The most results of a query, and the most lists that it reads, that FAISS has memory for on a GPU."""


def chosen_gpus(faiss: ModuleType, device: str) -> list[int]:
    """Return the GPUs that FAISS is to search on; none for the processor.

    Args:
        faiss: The installed FAISS.
        device: "cpu"; "cuda:1" for one GPU; "cuda" for all; "auto" for all where there are some.

    Raises:
        SearchError: There is no such GPU.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda"):
        return []
    count = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
    if kind == "cuda" and not count:
        # The device may be meant for models alone.
        _LOG.warning("this FAISS sees no GPU and searches on the processor; pip install 'pyrite[gpu]' may bring one")
    if not number or not count:
        return list(range(count))
    if int(number) >= count:
        raise SearchError(f"device: {device!r}; FAISS sees {count} GPUs, cuda:0 to cuda:{count - 1}")
    return [int(number)]


def on_gpus(faiss: ModuleType, index: Any, gpus: Sequence[int]) -> Any:
    """Copy a FAISS index to GPUs; several hold a share of the vectors each.

    Raises:
        RuntimeError: FAISS has no such index on a GPU, or the GPUs lack the memory for it.
    """
    resources = [faiss.StandardGpuResources() for _ in gpus]
    if len(gpus) == 1:
        copy = faiss.index_cpu_to_gpu(resources[0], gpus[0], index)
    else:
        options = faiss.GpuMultipleClonerOptions()
        options.shard = True
        copy = faiss.index_cpu_to_gpu_multiple_py(resources, index, options, list(gpus))
    # FAISS keeps no reference of its own.
    copy.pyrite_resources = resources
    return copy
