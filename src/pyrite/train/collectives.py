"""What goes between processes, as steps of autograd; `Processes` calls them and says what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import distributed

__all__ = ["gather", "shared", "total"]


def gather(vectors: torch.Tensor, counts: Sequence[int], rank: int) -> torch.Tensor:
    """Return the vectors of all processes; the gradient is summed over them, and multiplied by their number."""
    gathered: torch.Tensor = _Gather.apply(vectors, tuple(counts), rank)  # type: ignore[no-untyped-call]
    return gathered


def total(part: torch.Tensor) -> torch.Tensor:
    """Return the sum over the processes; the gradient is that of this one's part."""
    summed: torch.Tensor = _Total.apply(part)  # type: ignore[no-untyped-call]
    return summed


def shared(parameter: torch.Tensor) -> torch.Tensor:
    """Return the same value; the gradient is summed over the processes."""
    same: torch.Tensor = _Shared.apply(parameter)  # type: ignore[no-untyped-call]
    return same


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: torch.Tensor, counts: tuple[int, ...], rank: int) -> torch.Tensor:
        ctx.counts, ctx.rank = counts, rank
        # A collective wants the same shape everywhere.
        padded = vectors.new_zeros(max(counts), vectors.shape[1])
        padded[: len(vectors)] = vectors
        received = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(received, padded)
        return torch.cat([part[:count] for part, count in zip(received, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        summed = gradient.clone()
        distributed.all_reduce(summed)
        start = sum(ctx.counts[: ctx.rank])
        return summed[start : start + ctx.counts[ctx.rank]] * len(ctx.counts), None, None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: torch.Tensor) -> torch.Tensor:
        summed = part.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: torch.Tensor) -> torch.Tensor:
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        summed = gradient.clone()
        distributed.all_reduce(summed)
        return summed
