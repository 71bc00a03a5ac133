"""Two logistic models, of relevance and of selection, fitted together to labels that need both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyrite.errors import DataError

__all__ = ["ANCHOR", "EASY", "JUDGED", "POSITIVE", "SEEN", "UNLABELLED", "CoupledModels", "Likelihood", "fit_coupled"]

UNLABELLED = 0
"""Nothing is known of the pair."""
POSITIVE = 1
"""Relevant and selected."""
JUDGED = 2
"""Selected and not relevant: somebody said so."""
SEEN = 3
"""Selected for certain, and not relevant, since it got no label."""
ANCHOR = 4
"""A random document: neither relevant nor selected."""
EASY = 5
"""A random document: not relevant, and perhaps selected."""

_STEPS = 2000
_STARTS = (0.1, 0.5, 0.9)
_NEVER = -40.0


@dataclass(frozen=True, slots=True)
class CoupledModels:
    """The coefficients of both models, of features in standard deviations.

    Attributes:
        relevance: f's intercept, then its coefficients.
        selection: g's.
        recorded: The share c of the documents found not relevant whose judgement was kept, in [0, 1].
        scales: (means, standard deviations) of f's features, then of g's.
        loss: The mean of minus the log-likelihood, the penalty included.
        steps: Steps that the fit took.
    """

    relevance: np.ndarray
    selection: np.ndarray
    recorded: float
    scales: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    loss: float
    steps: int

    def logits(self, relevance: np.ndarray, selection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return f and g, each of shape (n,), of features of shape (n, F) and (n, G)."""
        designs = (_design(x, scale) for x, scale in zip((relevance, selection), self.scales, strict=True))
        f, g = (x @ b for x, b in zip(designs, (self.relevance, self.selection), strict=True))
        return f, g


def fit_coupled(
    relevance: np.ndarray,
    selection: np.ndarray,
    known: np.ndarray,
    signs: tuple[np.ndarray, np.ndarray],
    ridge: float,
) -> CoupledModels:
    r"""Fit rho = sigmoid(f) on some features and lambda = sigmoid(g) on others, by maximum penalised likelihood.

    A pair is labelled where it is relevant and selected, independently given the features. With the odds e^f and e^g,
    what is known of a pair has the probability

        labelled positive            rho lambda
        judged not relevant          c (1 - rho) lambda
        unlabelled                   the rest:  (1 + e^f + (1 - c) e^g) (1 - rho) (1 - lambda)
        seen for certain, no label   (1 - rho) lambda
        random, taken for neither    (1 - rho) (1 - lambda)
        random, not relevant         1 - rho

    where c is the share of the documents found not relevant whose judgement was kept: 0 where none is there, so that
    unlabelled pairs have 1 - rho lambda, and else fitted too.

    The gradient of the log-likelihood in f is r - rho, with r = P(relevant | what is known), and in g it is s - lambda
    likewise: the step of EM, each model's target being a posterior in which the other one stands. Of an unlabelled pair
    r = e^f / (1 + e^f + (1 - c) e^g), and with c = 0 it is pushed down by r - rho = -rho P(selected | unlabelled): a
    document that the pool never showed is hardly a negative. L-BFGS-B climbs both at once, in fewer steps than EM.
    There is more than one summit, so it starts from three: lambda .1, .5 and .9 everywhere; the highest is taken.

    Args:
        relevance: f's features: shape (n, F).
        selection: g's features: shape (n, G).
        known: What is known of each pair: UNLABELLED, POSITIVE, JUDGED, SEEN, ANCHOR or EASY; shape (n,).
        signs: For each of f's, then of g's features 1 where its coefficient is at least 0, -1 where at most 0, 0 where
            it is free.
        ridge: What half the sum of the squared coefficients, intercepts apart, counts against the log-likelihood.

    Raises:
        DataError: There are no positives or no random documents, or the fit did not end.
    """
    from scipy.optimize import minimize

    for kinds, name in (([POSITIVE], "labelled positives"), ([ANCHOR, EASY], "random documents")):
        if not np.isin(known, kinds).any():
            raise DataError(f"the models of relevance and selection have no {name} to be fitted on")
    scales = (_scale(relevance), _scale(selection))
    problem = Likelihood(_design(relevance, scales[0]), _design(selection, scales[1]), known, ridge)
    bounds = [bound for some in signs for bound in ((None, None), *map(_bound, some.tolist()))]
    bounds.append((_NEVER, -_NEVER if (known == JUDGED).any() else _NEVER))
    options = {"maxiter": _STEPS, "ftol": 1e-13, "gtol": 1e-8, "maxcor": 20}
    summits = [
        minimize(problem.loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for start in problem.starts()
    ]
    best = min(summits, key=lambda summit: float(summit.fun))
    if best.nit >= _STEPS or not np.isfinite(best.fun):
        raise DataError(f"the models of relevance and selection were not fitted after {best.nit} steps; raise ridge")
    f, g, recorded = problem.parts(best.x)
    return CoupledModels(f, g, float(_sigmoid(recorded)), scales, float(best.fun), int(best.nit))


@dataclass(frozen=True)
class Likelihood:
    """The penalised likelihood of some pairs, see `fit_coupled`, of coefficients: f's, g's, and the logit of c.

    Attributes:
        relevance: f's features behind a column of ones: shape (n, 1 + F).
        selection: g's: shape (n, 1 + G).
        known: Shape (n,).
        ridge: The weight of the penalty.
    """

    relevance: np.ndarray
    selection: np.ndarray
    known: np.ndarray
    ridge: float

    def parts(self, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take coefficients apart: f's, g's, and the logit of c."""
        width = self.relevance.shape[1]
        return coefficients[:width], coefficients[width:-1], coefficients[-1]

    def starts(self) -> list[np.ndarray]:
        """Return models without a slope that label as many pairs as are labelled."""
        counts = np.bincount(self.known, minlength=6)
        odds = counts[POSITIVE] / max(counts[UNLABELLED], counts[POSITIVE])
        starts = []
        for selected in _STARTS:
            start = np.zeros(self.relevance.shape[1] + self.selection.shape[1] + 1)
            f, g, _ = self.parts(start)
            f[0], g[0] = np.log(odds / selected), np.log(selected / (1 - selected))
            start[-1] = 0.0 if counts[JUDGED] else _NEVER
            starts.append(start)
        return starts

    def loss(self, coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean of minus the penalised log-likelihood, and its gradient."""
        value, gradient = self._likelihood(*self.parts(coefficients))
        slopes = coefficients.copy()
        f, g, _ = self.parts(slopes)
        f[0] = g[0] = slopes[-1] = 0.0
        value -= 0.5 * self.ridge * float(slopes @ slopes)
        return -value / len(self.known), -(gradient - self.ridge * slopes) / len(self.known)

    def _likelihood(
        self, relevance: np.ndarray, selection: np.ndarray, recorded: np.ndarray
    ) -> tuple[float, np.ndarray]:
        f, g = self.relevance @ relevance, self.selection @ selection
        unlabelled, told = self.known == UNLABELLED, self.known != EASY
        relevant, selected = self.known == POSITIVE, np.isin(self.known, (POSITIVE, JUDGED, SEEN))
        unsaid = g - np.logaddexp(0.0, recorded)
        # ln (1 + e^f + (1 - c) e^g): of an unlabelled pair alone.
        ways = np.logaddexp(0.0, np.logaddexp(f, unsaid))
        nothing = np.logaddexp(0.0, f) + told * np.logaddexp(0.0, g)
        judged = np.count_nonzero(self.known == JUDGED)
        value = (np.where(unlabelled, ways, f * relevant + g * selected) - nothing).sum()
        value -= judged * np.logaddexp(0.0, -recorded)
        hidden = np.exp(unsaid - ways)
        pull_f = np.where(unlabelled, np.exp(f - ways), relevant) - _sigmoid(f)
        pull_g = told * (np.where(unlabelled, hidden, selected) - _sigmoid(g))
        share = _sigmoid(recorded)
        pull_c = judged * (1 - share) - share * hidden[unlabelled].sum()
        return float(value), np.concatenate([pull_f @ self.relevance, pull_g @ self.selection, [pull_c]])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.exp(-np.logaddexp(0.0, -logits))
    return shares


def _scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    deviations = features.std(axis=0)
    return features.mean(axis=0), np.where(deviations > 0, deviations, 1.0)


def _design(features: np.ndarray, scale: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the features in standard deviations behind a column of ones."""
    return np.column_stack([np.ones(len(features)), (features - scale[0]) / scale[1]])


def _bound(sign: int) -> tuple[float | None, float | None]:
    return (0.0 if sign > 0 else None, 0.0 if sign < 0 else None)
