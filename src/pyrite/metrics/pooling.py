"""What two models, of relevance and of selection for judging, say of documents that nobody judged."""

from __future__ import annotations

import numpy as np

__all__ = ["false_negative_probability", "inverse_propensity"]


def inverse_propensity(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return w = 1 / (1 - sigmoid(s / T)) = 1 + exp(s / T).

    The weight that the coupled estimation technique gives to a pair: of g's scores to weigh f's loss, of f's to weigh
    g's (Cai et al. 2022, arXiv 2209.05072, and the authors' code).

    Args:
        scores: Logits s, any shape.
        temperature: T, above 0.

    Returns:
        From 1 up; 2 where the score is 0.

    Example:
        >>> inverse_propensity(np.array([0.0, np.log(3.0)]), 1.0).round(9).tolist()
        [2.0, 4.0]
    """
    weights: np.ndarray = 1.0 + np.exp(np.asarray(scores, dtype=np.float64) / temperature)
    return weights


def false_negative_probability(relevance: np.ndarray, selection: np.ndarray) -> np.ndarray:
    """Return P(relevant | unlabelled) = rho (1 - lambda) / (1 - rho lambda).

    With rho = sigmoid(f) and lambda = sigmoid(g), independent given the features, a document is labelled positive
    where it is relevant and was selected. Divided by (1 - rho) (1 - lambda), the three ways to be unlabelled (neither,
    relevant alone, selected alone) weigh 1, e^f and e^g, so that the probability is e^f / (1 + e^f + e^g).

    Args:
        relevance: Logits f.
        selection: Logits g, of the same shape.

    Returns:
        In [0, 1].

    Example:
        >>> false_negative_probability(np.array([0.0, 0.0]), np.array([-50.0, np.log(2.0)])).round(9).tolist()
        [0.5, 0.25]
    """
    f, g = np.asarray(relevance, dtype=np.float64), np.asarray(selection, dtype=np.float64)
    probabilities: np.ndarray = np.exp(f - np.logaddexp(0.0, np.logaddexp(f, g)))
    return probabilities
