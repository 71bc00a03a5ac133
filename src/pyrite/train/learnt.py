"""What a loss learns beside the encoder."""

from __future__ import annotations

import torch

from pyrite.train.losses.loss import Loss

__all__ = ["Learnt"]


class Learnt(torch.nn.Module):
    """The scalars of a loss as parameters, from their first values on.

    Attributes:
        scalars: In the order of their names.
        names: As the loss names them.
    """

    def __init__(self, loss: Loss, device: str | torch.device) -> None:
        super().__init__()
        first = loss.parameters()
        self.names = sorted(first)
        self.scalars = torch.nn.ParameterList(
            torch.nn.Parameter(torch.tensor(first[name], dtype=torch.float32, device=device)) for name in self.names
        )

    def by_name(self) -> dict[str, torch.Tensor]:
        """Return what a call of the loss takes."""
        return dict(zip(self.names, self.scalars, strict=True))
