"""The vectors of a batch with the memory of a mini-batch: GradCache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from pyrite.models.token_batches import cut_batches

__all__ = ["Encode", "Features", "cached_vectors", "cut_features"]

Features = dict[str, Any]
"""Tokenised texts, as a sentence-transformers model takes them."""

Encode = Callable[[Features], torch.Tensor]
"""Turns n texts into vectors: shape (n, D)."""


def cut_features(features: Mapping[str, Any], tokens: int) -> tuple[list[Features], np.ndarray]:
    """Cut padded texts into mini-batches of texts of like length, each only as wide as its longest.

    Args:
        features: What a model's `preprocess` returns: an attention mask, shape (n, T), and beside it tensors of that
            shape or with a row for each text; anything else goes to all mini-batches alike.
        tokens: Tokens of a mini-batch, padding included; a longer text is a mini-batch of its own.

    Returns:
        The mini-batches, the longest texts first, and the text of each of their rows: shape (n,).
    """
    mask = features["attention_mask"]
    parts = cut_batches(mask.sum(dim=1).numpy(), tokens)
    return [_take(features, mask, torch.from_numpy(rows)) for rows in parts], np.concatenate(parts)


def _take(features: Mapping[str, Any], mask: torch.Tensor, rows: torch.Tensor) -> Features:
    # By the mask and not by a length, since decoders are padded on the left.
    columns = mask[rows].any(dim=0)

    def part(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.shape[:1] != mask.shape[:1]:
            return value
        return value[rows][:, columns] if value.shape == mask.shape else value[rows]

    return {name: part(value) for name, value in features.items()}


def cached_vectors(
    encode: Encode,
    parts: Sequence[Features],
    replaying: Callable[[bool], AbstractContextManager[Any]] = lambda last: nullcontext(),
) -> torch.Tensor:
    """Return the vectors of mini-batches, with the activations of one mini-batch at a time in memory.

    Value and gradient are those of encoding everything at once. The vectors are computed without a graph; when their
    gradient is known, each mini-batch is encoded again, from the same state of the random generators, and its part of
    the gradient goes on to the weights. That takes one more forward pass.

    References:
        - Gao et al. 2021, arXiv 2101.06983, sec. 3.

    Args:
        encode: Encodes a mini-batch; called twice for each.
        parts: The mini-batches.
        replaying: Entered around the second pass of each mini-batch, with whether it is the last.

    Returns:
        Shape (N, D): the vectors of the first mini-batch, then those of the second, and so on.
    """
    # Without an input that wants a gradient, autograd would not ask for one.
    anchor = torch.zeros((), requires_grad=True)
    vectors: torch.Tensor = _Cached.apply(anchor, encode, parts, replaying)  # type: ignore[no-untyped-call]
    return vectors


class _Cached(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, encode: Encode, parts: Sequence[Features], replaying: Any) -> Any:
        ctx.encode, ctx.parts, ctx.replaying = encode, parts, replaying
        ctx.states, vectors = [], []
        for part in parts:
            ctx.states.append(_RandomState(part))
            vectors.append(encode(part))
        ctx.sizes = [len(part) for part in vectors]
        ctx.autocast = _autocast(vectors[0].device.type)
        return torch.cat(vectors)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, None, None]:
        shares = torch.split(gradient, ctx.sizes)
        for i, (part, state, share) in enumerate(zip(ctx.parts, ctx.states, shares, strict=True)):
            with ctx.replaying(i == len(shares) - 1), torch.enable_grad():
                with state.put_back(), torch.autocast(**ctx.autocast):
                    vectors = ctx.encode(part)
                torch.autograd.backward(vectors, share)
        return None, None, None, None


class _RandomState:
    """The state of the generators that a mini-batch draws its dropout from."""

    def __init__(self, part: Features) -> None:
        self._cpu = torch.get_rng_state()
        tensors = (value for value in part.values() if isinstance(value, torch.Tensor) and value.is_cuda)
        device = next((tensor.device for tensor in tensors), None)
        self._gpu = None if device is None else (device, torch.cuda.get_rng_state(device))

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Set the generators to this state, and afterwards to where they were."""
        with torch.random.fork_rng(devices=[] if self._gpu is None else [self._gpu[0]]):
            torch.set_rng_state(self._cpu)
            if self._gpu is not None:
                torch.cuda.set_rng_state(self._gpu[1], self._gpu[0])
            yield


def _autocast(device: str) -> dict[str, Any]:
    """Return the mixed precision in force: the backward pass runs outside of it."""
    return {
        "device_type": device,
        "dtype": torch.get_autocast_dtype(device),
        "enabled": torch.is_autocast_enabled(device),
    }
