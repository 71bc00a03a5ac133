"""What an objective of a reranker is given: the logits of a query's documents, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["ScoredLists"]


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """B queries, each with its positive and up to K negatives, and what the model in training gives to them.

    Attributes:
        logits: Shape (B, 1 + K), the positive first. Where `present` is False the number means nothing.
        present: Boolean, shape (B, 1 + K): False marks padding behind a query's negatives.
        weights: Shape (B, K), from 0 up: how often a negative counts; None for once.
        example_weights: Shape (B,), from 0 up: how often a query counts; None for once.
        teacher: Shape (B, 1 + K): a teacher's scores, nan where it gave none; None without a teacher.
        margins: Shape (B, K): what a teacher gave the positive more than each negative, nan where it said nothing;
            None without such. They come before the differences of teacher scores.
    """

    logits: torch.Tensor
    present: torch.Tensor
    weights: torch.Tensor | None = None
    teacher: torch.Tensor | None = None
    margins: torch.Tensor | None = None
    example_weights: torch.Tensor | None = None

    @property
    def kept(self) -> torch.Tensor:
        """The logits with 0 for padding, so that nothing of it flows on: shape (B, 1 + K)."""
        return self.logits.masked_fill(~self.present, 0.0)

    @property
    def scored(self) -> torch.Tensor:
        """Which documents the teacher scored: boolean, shape (B, 1 + K)."""
        import torch

        return self.present & (torch.zeros_like(self.present) if self.teacher is None else self.teacher.isfinite())

    def weigh(self, losses: torch.Tensor) -> torch.Tensor:
        """Return what belongs to each query, shape (B, ...), times how often the query counts."""
        if self.example_weights is None:
            return losses
        return losses * self.example_weights.to(losses.dtype).view(-1, *[1] * (losses.ndim - 1))

    def all_weights(self) -> torch.Tensor:
        """Return the weight of each document, 1 for the positive and 0 for padding: shape (B, 1 + K)."""
        import torch

        weights = self.present.to(self.logits.dtype)
        if self.weights is None:
            return weights
        own = torch.cat([torch.ones_like(weights[:, :1]), self.weights.to(weights.dtype)], dim=1)
        return own.masked_fill(~self.present, 0.0)

    def all_margins(self) -> torch.Tensor:
        """Return what the teacher gave the positive more than each negative, nan where it did not say: (B, K)."""
        import torch

        margins = torch.full_like(self.logits[:, 1:], torch.nan)
        if self.teacher is not None:
            margins = (self.teacher[:, :1] - self.teacher[:, 1:]).to(margins.dtype)
        if self.margins is not None:
            margins = torch.where(self.margins.isfinite(), self.margins.to(margins.dtype), margins)
        return margins.masked_fill(~self.present[:, 1:], torch.nan)
