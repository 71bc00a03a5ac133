r"""The losses of the coupled estimation technique and the weights that couple them.

For a model m, f or g, a query q, its positive p and a negative n,

    l_m   = -ln( e^{m(q,p)} / (e^{m(q,p)} + e^{m(q,n)}) )
    w_obs = 1 / (1 - sigmoid(g(q,n) / T)) = 1 + e^{g(q,n)/T}
    w_rel = 1 / (1 - sigmoid(f(q,n) / T)) = 1 + e^{f(q,n)/T}
    L_f   = mean(w_obs l_f),    L_g = mean(w_rel l_g)

References:
    Cai et al. 2022, arXiv 2209.05072, and the authors' code, from which the formulas were read. The cap and the
    division by the mean are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyrite.train.reranker.lists import ScoredLists

if TYPE_CHECKING:
    import torch

__all__ = ["pair_weights", "weighted_loss"]


def pair_weights(
    scores: torch.Tensor, present: torch.Tensor, temperature: float, cap: float | None = None, normalise: bool = False
) -> torch.Tensor:
    """Return the weights that the other model's scores of the negatives give: no gradient, shape (B, K).

    Args:
        scores: The other model's scores of the negatives: shape (B, K).
        present: Boolean, shape (B, K): False marks padding.
        temperature: T.
        cap: Larger weights become this; None for no cap.
        normalise: Whether their mean is made 1.

    Returns:
        From 1 up where nothing is normalised; 0 for padding.
    """
    weights = 1 + (scores.detach().masked_fill(~present, 0.0) / temperature).exp()
    if cap is not None:
        weights = weights.clamp(max=cap)
    weights = weights.masked_fill(~present, 0.0)
    return weights * (present.sum() / weights.sum()) if normalise else weights


def weighted_loss(lists: ScoredLists, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean over all pairs of a positive and a negative of w l, a scalar.

    What the training set says of a query or a negative multiplies the loss of the pair as well.

    Args:
        lists: The model's own scores.
        weights: Of the pairs, from the other model: shape (B, K), 0 for padding.
    """
    from torch.nn import functional

    logits = lists.kept
    losses = functional.softplus(logits[:, 1:] - logits[:, :1]) * weights * lists.all_weights()[:, 1:]
    return lists.weigh(losses).sum() / lists.present[:, 1:].sum().clamp(min=1)
