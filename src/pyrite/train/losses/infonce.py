"""InfoNCE over in-batch and mined negatives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

__all__ = ["InfoNCE"]


@dataclass(frozen=True, slots=True)
class InfoNCE:
    r"""Cross-entropy of finding each query's positive among all candidates of the batch.

    With s the cosine and t the temperature, a query q_i with the positive p_i and the candidates C_i has the loss

        L_i = -s(q_i, p_i)/t + ln( exp(s(q_i, p_i)/t) + \sum_{c in C_i} w_ic exp(s(q_i, c)/t) )

    and the batch has the mean of the L_i. C_i is every positive of another query and every negative of any query,
    less what the masks take out: such a candidate leaves the softmax and gets no gradient from q_i. The weight w_ic
    is 1, but for q_i's own negatives where `weights` says something else.

    References:
        - van den Oord et al. 2018, arXiv 1807.03748, eq. 4, with exp(s/t) as the density ratio.
        - Karpukhin et al. 2020 (DPR), arXiv 2004.04906, sec. 3.2: in-batch positives and mined negatives of the whole
          batch as candidates.

    Relations:
        Without masks and weights, the same value and gradient as sentence-transformers'
        `MultipleNegativesRankingLoss` with `scale = 1 / temperature`.

    Attributes:
        temperature: What cosines are divided by; above 0.

    Example:
        ```python
        loss = InfoNCE(temperature=0.05)
        loss(queries, positives, negatives).backward()  # (B, D), (B, D), (B, K, D)
        ```
    """

    temperature: float = 0.05

    def __call__(
        self,
        queries: torch.Tensor,
        positives: torch.Tensor,
        negatives: torch.Tensor | None = None,
        *,
        present: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the mean loss of a batch.

        Vectors need not have unit length. Columns of the candidates are the B positives, then the negatives of the
        first query, of the second, and so on.

        Args:
            queries: Shape (B, D).
            positives: Shape (B, D); row i answers query i.
            negatives: Shape (B, K, D), or None for in-batch negatives alone.
            present: Boolean, shape (B, K): False marks padding in the groups of fewer than K negatives.
            allowed: Boolean, shape (B, B + B * K): False takes a candidate out for one query, as where it is another
                known positive of that query. A query's own positive always stays.
            weights: Shape (B, K), from 0 up: multiplies the exponential of a query's own negative.

        Returns:
            A scalar.
        """
        size = len(queries)
        candidates = positives if negatives is None else torch.cat([positives, negatives.flatten(0, 1)])
        logits = functional.normalize(queries, dim=-1) @ functional.normalize(candidates, dim=-1).T / self.temperature
        if weights is not None:
            logits = logits + _own_negatives(weights.log(), size)
        kept = _kept(size, present, allowed)
        if kept is not None:
            logits = logits.masked_fill(~kept, -torch.inf)
        return functional.cross_entropy(logits, torch.arange(size, device=logits.device))


def _own_negatives(values: torch.Tensor, size: int) -> torch.Tensor:
    """Spread values of (query, own negative), shape (B, K), over the candidates: (B, B + B * K), 0 elsewhere."""
    spread = values.new_zeros(size, size + values.numel())
    rows = torch.arange(size, device=values.device)
    spread[:, size:].view(size, size, -1)[rows, rows] = values
    return spread


def _kept(size: int, present: torch.Tensor | None, allowed: torch.Tensor | None) -> torch.Tensor | None:
    """Join both masks to one of shape (B, candidates), or None where nothing is taken out."""
    kept = allowed
    if present is not None:
        columns = torch.cat([present.new_ones(size), present.flatten()])
        kept = columns.expand(size, -1) if kept is None else kept & columns
    if kept is None:
        return None
    own = torch.zeros_like(kept)
    own[:, :size].fill_diagonal_(True)
    return kept | own
