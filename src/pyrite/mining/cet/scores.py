"""What the two models of the coupled estimation technique say of candidates, as further scores of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyrite.data import Candidates, ScoreKind
from pyrite.metrics.pooling import false_negative_probability, inverse_propensity
from pyrite.mining.cet.pairs import CandidatePairs

__all__ = ["CetScores", "with_cet_scores"]


@dataclass(frozen=True, slots=True)
class CetScores:
    """The scores of pairs by the two models.

    Attributes:
        relevance: Logits of f, shape (P,).
        selection: Logits of g, shape (P,).
        recorded: The share of the documents found not relevant whose judgement was kept: what is unlabelled is the less
            likely to have been selected.
    """

    relevance: np.ndarray
    selection: np.ndarray
    recorded: float = 0.0

    def correlation(self) -> float | None:
        """Return Pearson's correlation of f and g; None where one of them is constant, or there are no pairs."""
        if len(self.relevance) == 0 or np.ptp(self.relevance) == 0 or np.ptp(self.selection) == 0:
            return None
        return float(np.corrcoef(self.relevance, self.selection)[0, 1])

    def weights(self, temperature: float, cap: float | None, normalised_over: np.ndarray | None) -> np.ndarray:
        """Return the weight of each pair as a negative of f, w = 1 + e^{g/T}: shape (P,).

        Args:
            temperature: T.
            cap: Larger weights become this; None for no cap.
            normalised_over: The pairs whose mean weight is made 1, boolean; None to leave the weights as they are.
        """
        weights = inverse_propensity(self.selection, temperature)
        if cap is not None:
            weights = np.minimum(weights, cap)
        return weights if normalised_over is None else weights / weights[normalised_over].mean()

    def false_negatives(self, temperature: float = 1.0) -> np.ndarray:
        """Return P(relevant | unlabelled) of each pair: shape (P,).

        Args:
            temperature: What logits are divided by before they are taken for log-odds.
        """
        with np.errstate(divide="ignore"):
            unsaid = self.selection / temperature + np.log1p(-self.recorded)
        return false_negative_probability(self.relevance / temperature, unsaid)


def with_cet_scores(
    pairs: CandidatePairs,
    scores: CetScores,
    weights: np.ndarray,
    false_negatives: np.ndarray,
    name: str,
    report: dict[str, Any],
) -> Candidates:
    """Return the candidates with four more scores of each pair.

    They are called by the name and an ending: `-relevance` and `-selection`, the logits of f and g; `-weight`, what the
    pair counts as a negative of f; `-false-negative`, P(relevant | unlabelled). A labelled pair gets the numbers that
    it would have if nobody had labelled it, so that filters compare positives and negatives on one scale.

    Args:
        pairs: The pairs of the candidates.
        scores: f's and g's.
        weights: What `scores` gives by some temperature, cap and mean: shape (P,).
        false_negatives: Likewise.
        name: What the four names begin with.
        report: What the metadata tell of the models, under "cet" and the name.

    Raises:
        DataError: A name is taken.
    """
    made = pairs.with_scores(
        {
            f"{name}-relevance": (str(ScoreKind.LOGIT), scores.relevance),
            f"{name}-selection": (str(ScoreKind.LOGIT), scores.selection),
            f"{name}-weight": (str(ScoreKind.UNKNOWN), weights),
            f"{name}-false-negative": (str(ScoreKind.PROBABILITY), false_negatives),
        }
    )
    made.metadata["cet"] = {**made.metadata.get("cet", {}), name: report}
    return made
