"""A first pass for the exact search on a GPU, by torch: products block by block, the best of each kept as it goes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.search.dense.embeddings import Embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyrite.search.dense.exact import FirstPass

__all__ = ["resolve_device", "torch_first_pass"]

# Documents multiplied at once: with a block of 1,024 queries, 256 MB of scores.
_DOCUMENTS = 65_536
# Share of the device's free memory that vectors may stay in, so that they travel there once.
_SHARE_KEPT = 0.6


def resolve_device(device: str) -> str:
    """Return where torch computes: "cuda" for "auto" where torch sees such a device, else "cpu".

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_first_pass(embeddings: Embeddings, device: str) -> FirstPass:
    """Return a first pass for `exact_search` by torch on a device.

    Products are in float32 proper (TF32 is switched off while it runs), so that the bound on rounding holds that
    certifies a query; any depth is possible. Vectors stay on the device where its free memory has room for them, and
    are sent block by block for each block of queries where it has not.

    Args:
        embeddings: The documents.
        device: "cuda", "cuda:1", or "cpu", where the same code runs for tests.
    """
    return _TorchPass(embeddings, device)


class _TorchPass:
    def __init__(self, embeddings: Embeddings, device: str) -> None:
        self._embeddings = embeddings
        self._device = device
        self._kept: list[tuple[int, Any]] | None = None

    def __call__(self, queries: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (scores in float32, rows) of the `kept` best, best first; -1 for no row."""
        import torch

        with torch.inference_mode(), _full_float32():
            asked = torch.from_numpy(np.ascontiguousarray(queries)).to(self._device)
            best = torch.full((len(queries), kept), -torch.inf, device=self._device)
            where = torch.full((len(queries), kept), -1, dtype=torch.int64, device=self._device)
            for first, documents in self._blocks():
                scores, columns = torch.topk(asked @ documents.T, min(kept, len(documents)), dim=1)
                joint = torch.cat([best, scores], dim=1)
                best, chosen = torch.topk(joint, kept, dim=1)
                where = torch.gather(torch.cat([where, columns + first], dim=1), 1, chosen)
            return best.cpu().numpy(), where.cpu().numpy()

    def _blocks(self) -> Iterator[tuple[int, Any]]:
        if self._kept is None and self._fits():
            self._kept = list(self._sent())
        yield from self._sent() if self._kept is None else self._kept

    def _fits(self) -> bool:
        import torch

        if not self._device.startswith("cuda"):
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return 4 * len(self._embeddings) * self._embeddings.dimension < _SHARE_KEPT * free

    def _sent(self) -> Iterator[tuple[int, Any]]:
        """Send the vectors to the device: shards are small beside what a device multiplies well at once."""
        import torch

        first, parts, rows = 0, list[np.ndarray](), 0
        for start, shard in self._embeddings.blocks():
            for low in range(0, len(shard), _DOCUMENTS):
                part = shard[low : low + _DOCUMENTS]
                if rows + len(part) > _DOCUMENTS:
                    yield first, torch.from_numpy(np.concatenate(parts)).to(self._device)
                    first, parts, rows = start + low, [], 0
                parts.append(part)
                rows += len(part)
        yield first, torch.from_numpy(np.concatenate(parts)).to(self._device)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Switch TF32 off, whose products carry ten bits, and switch it back as it was."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
