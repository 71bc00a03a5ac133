"""InfoNCE less what a guide takes for false negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyrite.errors import DataError
from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Parameters, Want
from pyrite.train.losses.similarity import cosines, log_weights, negatives, pair_cosines
from pyrite.train.losses.temperature import TemperedLoss

if TYPE_CHECKING:
    import torch

__all__ = ["GuidedInfoNCE"]


class GuidedInfoNCE(TemperedLoss):
    r"""GIST: a candidate that a guide places nearer than the positive leaves the softmax.

    With g the guide's score, the threshold of a query is

        absolute: g(q_i, p_i) - margin        relative: g(q_i, p_i) - margin |g(q_i, p_i)|

    and L_i is the cross-entropy of finding p_i among four kinds of candidates, at one temperature: the positives and
    mined negatives of the batch by s(q_i, d), other queries by s(q_i, q_j) (`contrast_queries`) and other positives by
    s(p_i, p_j) (`contrast_positives`). Of each kind, those whose guide score is above the threshold are left out, as
    are known positives of q_i, queries that p_i is a known positive of, and padding.

    By `teacher`, the guide's scores are those that a training set carries: of a query's own negatives, the ones above
    the threshold leave; those without a score stay, as do the documents of others, and neither queries nor positives
    are contrasted among themselves.

    References:
        Solatorio 2024 (GISTEmbed), arXiv 2402.16829, eq. 5 to 7; margins as in sentence-transformers.

    Relations:
        Without masks, the value and gradient of sentence-transformers' `GISTEmbedLoss`. Here the guide encodes each
        text once before training, not in each step, and a static encoder can be guided by any other.

    Example:
        ```python
        batch = LossBatch.of(queries, positives, negatives, guide_queries=..., guide_documents=...)
        GuidedInfoNCE(margin=0.05)(batch).backward()
        ```
    """

    type: Literal["guided"] = "guided"
    temperature: float = Field(default=0.01, gt=0)
    """What cosines are divided by before the softmax; a smaller one looks harder at the hardest negatives."""
    by: Literal["encoder", "teacher"] = "encoder"
    """Who guides: another encoder, on all candidates, or a teacher's stored scores, on a query's own negatives."""
    margin: float = Field(default=0.0, ge=0)
    """How far below the positive the threshold lies; larger masks more."""
    margin_kind: Literal["absolute", "relative"] = "absolute"
    """Whether the margin is in units of the guide's score, or a share of the positive's."""
    contrast_queries: bool = True
    """Whether other queries are candidates; by an encoder only."""
    contrast_positives: bool = True
    """Whether other positives are candidates by their cosine with the query's positive; by an encoder only."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean loss; see `Loss`.

        Raises:
            DataError: The batch has no vectors of a guide, or no teacher scores.
        """
        import torch

        tau, own = self._tau(parameters), batch.own_positive[:, None]
        parts = [cosines(batch)]
        if batch.weights is not None:
            parts[0] = parts[0] + tau * log_weights(batch)
        if self.by == "encoder":
            view = batch.view
            positives = batch.documents[: batch.size]
            if self.contrast_queries:
                parts.append(pair_cosines(batch.queries[view], batch.queries))
            if self.contrast_positives:
                parts.append(pair_cosines(positives[view], positives))
        logits = torch.cat(parts, dim=1) / tau
        allowed, masked = self._masks(batch)
        kept = (allowed & ~masked).scatter(1, own, True)
        return batch.mean(logits.masked_fill(~kept, float("-inf")).logsumexp(dim=1) - logits.gather(1, own)[:, 0])

    def wants(self) -> frozenset[Want]:
        """Return a guide, or teacher scores."""
        return frozenset({"guide" if self.by == "encoder" else "teacher scores"})

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what `Loss.facts` has, and the share of the candidates that the guide masks."""
        allowed, masked = self._masks(batch)
        share = (allowed & masked).sum() / allowed.sum().clamp(min=1)
        return super().facts(batch, parameters) | {"masked-share": float(share)}

    def _masks(self, batch: LossBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which candidates are negatives for all that is known, and which the guide takes for false ones."""
        import torch

        allowed = [negatives(batch)]
        if self.by == "teacher":
            return allowed[0], self._masked_by_teacher(batch)
        if batch.guide_queries is None or batch.guide_documents is None:
            raise DataError("the loss 'guided' wants a guide's vectors of the batch, and there are none")
        view, size = batch.view, batch.size
        guided = [pair_cosines(batch.guide_queries[view], batch.guide_documents)]
        threshold = self._threshold(guided[0].gather(1, batch.own_positive[:, None]))
        if self.contrast_queries:
            allowed.append(~batch.known[:, view].T)
            guided.append(pair_cosines(batch.guide_queries[view], batch.guide_queries))
        if self.contrast_positives:
            allowed.append(~batch.known[view, :size])
            guided.append(pair_cosines(batch.guide_documents[view], batch.guide_documents[:size]))
        return torch.cat(allowed, dim=1), torch.cat(guided, dim=1) > threshold

    def _masked_by_teacher(self, batch: LossBatch) -> torch.Tensor:
        import torch

        if batch.teacher is None:
            raise DataError("the loss 'guided' by a teacher wants teacher scores in the batch, and there are none")
        scores = batch.teacher[batch.view]
        # A comparison with nan is False: nothing is said against what has no score, or whose positive has none.
        above = scores[:, 1:] > self._threshold(scores[:, :1])
        return torch.zeros_like(batch.known[batch.view]).scatter(1, batch.own_negatives, above)

    def _threshold(self, positive: torch.Tensor) -> torch.Tensor:
        return positive - self.margin * (positive.abs() if self.margin_kind == "relative" else 1.0)
