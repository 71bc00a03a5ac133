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
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["ALONE", "Processes"]

_PATIENCE = timedelta(days=1)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a training, as one of them sees them.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
        device: Where the launcher lets this process compute; None without a launcher.
    """

    rank: int = 0
    size: int = 1
    device: str | None = None

    @classmethod
    def join(cls) -> Processes:
        """Return the processes that a launcher started, connected with each other; alone without one."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return ALONE
        import torch
        from accelerate import PartialState
        from accelerate.utils import parse_flag_from_env

        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
        # The others wait while the first one measures an epoch on dev.
        state = PartialState(cpu=cpu, timeout=_PATIENCE)
        return cls(state.process_index, state.num_processes, str(state.device))

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
        from torch import distributed

        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()

    def all(self, value: _Value) -> list[_Value]:
        """Return the values of all processes, in their order."""
        if self.size == 1:
            return [value]
        from torch import distributed

        values: list[_Value] = [value] * self.size
        distributed.all_gather_object(values, value)
        return values

    def mean(self, facts: dict[str, float]) -> dict[str, float]:
        """Return the means of the processes' facts, each over those that have it."""
        told = self.all(facts)
        names = dict.fromkeys(name for one in told for name in one)
        return {name: fmean(one[name] for one in told if name in one) for name in names}

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
        from pyrite.train.collectives import gather

        return gather(vectors, counts, self.rank)

    def total(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the sum of the processes' shares of a loss; the gradient is that of this process's share."""
        if self.size == 1:
            return loss
        from pyrite.train.collectives import total

        return total(loss)

    def shared(self, parameter: torch.Tensor) -> torch.Tensor:
        """Return a parameter that no wrapper looks after; its gradient is the sum over the processes."""
        if self.size == 1:
            return parameter
        from pyrite.train.collectives import shared

        return shared(parameter)


ALONE = Processes()
"""One process."""
