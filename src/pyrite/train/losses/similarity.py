"""Cosines of a batch, and who counts as a negative of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrite.train.losses.batch import LossBatch

if TYPE_CHECKING:
    import torch

__all__ = ["cosines", "log_weights", "negatives", "own_cosines", "pair_cosines", "spread"]


def pair_cosines(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return the cosine of each vector with each: (N, D) and (M, D) give (N, M)."""
    from torch.nn.functional import normalize

    return normalize(left, dim=-1) @ normalize(right, dim=-1).T


def cosines(batch: LossBatch) -> torch.Tensor:
    """Return the cosine of each query in view with each document: shape (R, C)."""
    return pair_cosines(batch.queries[batch.view], batch.documents)


def own_cosines(batch: LossBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cosines of each query in view with its positive and its mined negatives, and which are no padding.

    Returns:
        Shapes (R, 1 + K) and (R, 1 + K).
    """
    import torch
    from torch.nn.functional import normalize

    columns = torch.cat([batch.own_positive[:, None], batch.own_negatives], dim=1)
    queries = normalize(batch.queries[batch.view], dim=-1)
    # The gradient of `embedding` adds up in a fixed order, the one of indexing does not.
    documents = torch.nn.functional.embedding(columns, normalize(batch.documents, dim=-1))
    there = torch.cat([batch.present.new_ones(len(columns), 1), batch.present[batch.view]], dim=1)
    return (queries[:, None] * documents).sum(dim=-1), there


def negatives(batch: LossBatch, own_only: bool = False) -> torch.Tensor:
    """Return which documents are negatives of each query in view: boolean, shape (R, C).

    Args:
        batch: The batch.
        own_only: Whether the documents of other queries are left out.
    """
    import torch

    kept = batch.candidates & ~batch.known[batch.view]
    if own_only:
        kept = kept & torch.zeros_like(kept).scatter_(1, batch.own_negatives, True)
    return kept


def log_weights(batch: LossBatch) -> torch.Tensor:
    """Return what to add to the logits for the weights of the own negatives of the queries in view: shape (R, C)."""
    weights = batch.present.to(batch.documents.dtype) if batch.weights is None else batch.weights
    return spread(batch, weights[batch.view].log())


def spread(batch: LossBatch, values: torch.Tensor) -> torch.Tensor:
    """Spread values of the own negatives of the queries in view, (R, K), over all documents: (R, C), 0 elsewhere."""
    import torch

    zeros = torch.zeros(len(values), len(batch.documents), dtype=values.dtype, device=values.device)
    return zeros.scatter(1, batch.own_negatives, values)
