"""Several processes at one training: who has which share, and what goes between them.

Each process encodes its share of a batch's texts. The vectors are gathered, so that each process has all candidates,
and it computes the loss of its share of the queries. The sum over the processes is the loss of the batch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from torch import distributed

__all__ = ["ALONE", "Processes"]

_PATIENCE = timedelta(days=1)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: str) -> Processes:
        """Return the processes that a launcher started, connected with each other; alone without one.

        Args:
            device: What this process computes on.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return ALONE
        from accelerate import PartialState

        # The others wait while the first one measures an epoch on dev.
        state = PartialState(cpu=device == "cpu", timeout=_PATIENCE)
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Whether this process writes files and measures."""
        return self.rank == 0

    def shares(self, count: int) -> list[range]:
        """Return the even shares of so many rows, one for each process.

        Example:
            >>> Processes(rank=0, size=3).shares(7)
            [range(0, 3), range(3, 5), range(5, 7)]
        """
        parts = np.array_split(np.arange(count), self.size)
        starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        return [range(start, stop) for start, stop in pairwise(starts)]

    def same(self, value: _Value) -> _Value:
        """Return the first process's value; every process calls it at the same place."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def most(self, number: int) -> int:
        """Return the largest of the processes' numbers."""
        if self.size == 1:
            return number
        numbers: list[int] = [0] * self.size
        distributed.all_gather_object(numbers, number)
        return max(numbers)

    def gather(self, vectors: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return the vectors of all processes, differentiable by this one's.

        Wrappers such as DDP average the gradients of the weights over the processes, and the loss of the batch wants
        their sum: the gradient that goes back is multiplied by the number of processes.

        Args:
            vectors: This process's, shape (counts[rank], D).
            counts: The number of vectors of each process.

        Returns:
            Shape (sum of counts, D), those of the first process first.
        """
        if self.size == 1:
            return vectors
        gathered: torch.Tensor = _Gather.apply(vectors, tuple(counts), self.rank)  # type: ignore[no-untyped-call]
        return gathered

    def total(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the sum of the processes' shares of a loss; the gradient is that of this process's share."""
        if self.size == 1:
            return loss
        total: torch.Tensor = _Total.apply(loss)  # type: ignore[no-untyped-call]
        return total

    def shared(self, parameter: torch.Tensor) -> torch.Tensor:
        """Return a parameter that no wrapper looks after; its gradient is the sum over the processes."""
        if self.size == 1:
            return parameter
        shared: torch.Tensor = _Shared.apply(parameter)  # type: ignore[no-untyped-call]
        return shared


ALONE = Processes()
"""One process."""


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
        summed = gradient.contiguous()
        distributed.all_reduce(summed)
        start = sum(ctx.counts[: ctx.rank])
        return summed[start : start + ctx.counts[ctx.rank]] * len(ctx.counts), None, None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: torch.Tensor) -> torch.Tensor:
        total = loss.detach().clone()
        distributed.all_reduce(total)
        return total

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
