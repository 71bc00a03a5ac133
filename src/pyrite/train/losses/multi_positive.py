"""InfoNCE where a query has several positives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Parameters
from pyrite.train.losses.similarity import cosines, log_weights, negatives
from pyrite.train.losses.temperature import TemperedLoss

if TYPE_CHECKING:
    import torch

__all__ = ["MultiPositiveInfoNCE"]


class MultiPositiveInfoNCE(TemperedLoss):
    r"""InfoNCE over all positives of a query that the batch holds, none of them a negative.

    P_i are the known positives of q_i among the documents of the batch, whichever query brought them; N_i the others.
    With e(d) = exp(s(q_i, d)/t), the loss of a query is, by `combine`,

        each:     1/|P_i| \sum_{p in P_i} -ln( e(p) / (e(p) + \sum_{n in N_i} e(n)) )
        together: 1/|P_i| \sum_{p in P_i} -ln( e(p) / (\sum_{p' in P_i} e(p') + \sum_{n in N_i} e(n)) )
        any:      -ln( \sum_{p in P_i} e(p) / (\sum_{p' in P_i} e(p') + \sum_{n in N_i} e(n)) )

    `each` lets no positive compete with another. `together` wants them equally near, pushes back one that is nearer
    than the others, and cannot reach 0. `any` is satisfied with one of them. A query with more than `positives` of them
    comes in several parts, in different batches.

    References:
        - Khosla et al. 2020 (SupCon), arXiv 2004.11362, eq. 2: `together`; its eq. 3 is `any` up to ln |P_i|.
        - Miech et al. 2020 (MIL-NCE), arXiv 1912.06430, eq. 1: `any`.

    Relations:
        Where a query has one positive in the batch, all three are `InfoNCE`. Training on each positive in turn with
        InfoNCE has `each` as its mean over a query's pairs, but encodes a query's negatives once for each of them.

    Example:
        ```python
        loss = MultiPositiveInfoNCE(temperature=0.05, combine="any")
        loss(LossBatch.of(queries, positives, negatives, more)).backward()  # more: (B, M, D)
        ```
    """

    type: Literal["multi-positive"] = "multi-positive"
    combine: Literal["each", "together", "any"] = "each"
    """How several positives count: each alone against the negatives, all in one softmax, or whichever is nearest."""
    positives: int = Field(default=8, ge=1)
    """Positives of a query that are in a batch together, at most."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean loss; see `Loss`."""
        logits = cosines(batch) / self._tau(parameters)
        kept = negatives(batch)
        positive = (batch.candidates & batch.known[batch.view]).scatter(1, batch.own_positive[:, None], True)
        weighed = logits if batch.weights is None else logits + log_weights(batch)
        others = weighed.masked_fill(~kept, float("-inf")).logsumexp(dim=1)
        wanted = logits.masked_fill(~positive, float("-inf")).logsumexp(dim=1)
        if self.combine == "any":
            return batch.mean(wanted.logaddexp(others) - wanted)
        if self.combine == "together":
            terms = wanted.logaddexp(others)[:, None] - logits
        else:
            terms = logits.logaddexp(others[:, None]) - logits
        return batch.mean(terms.masked_fill(~positive, 0.0).sum(dim=1) / positive.sum(dim=1))

    def positives_together(self) -> int:
        """Return `positives`."""
        return self.positives

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what `Loss.facts` has, and how many positives of a query the batch holds."""
        positives = (batch.candidates & batch.known[batch.view]).sum(dim=1)
        return super().facts(batch, parameters) | {"positives": float(positives.double().mean())}
