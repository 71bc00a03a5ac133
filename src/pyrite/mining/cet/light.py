"""The light variant of the coupled estimation technique: two logistic models over what the candidates' scores say."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from pyrite.data import Candidates, Corpus, Qrels, Queries
from pyrite.errors import DataError
from pyrite.mining.cet.estimation import (
    ANCHOR,
    EASY,
    JUDGED,
    POSITIVE,
    SEEN,
    UNLABELLED,
    CoupledModels,
    fit_coupled,
)
from pyrite.mining.cet.features import Features, relevance_features, selection_features
from pyrite.mining.cet.pairs import CandidatePairs
from pyrite.mining.cet.scores import CetScores, with_cet_scores
from pyrite.settings import Settings

__all__ = ["CetLight", "cet_light"]

_LEFT_OUT = -1


class CetLight(Settings):
    """What the two models see, and what becomes of their scores."""

    relevance: tuple[str, ...] = Field(min_length=1)
    """The scorers that f, the model of relevance, sees: semantic ones, which the pool of the judges did not have. The
    pool's own score may stand among them, where it tells more of relevance than these do; the ranks are g's alone."""
    pool: tuple[str, ...] = Field(default=("bm25",), min_length=1)
    """The sources that the judges' pool was made of, or that are most like it. g, the model of selection, sees the rank
    and the score that they give, and the lengths of query and document."""
    random: str = "random"
    """The source of random documents. None of them is taken for relevant."""
    random_unselected: bool = True
    """Whether random documents are taken for unselected as well; not where the pool drew some documents by chance."""
    surely_selected: int = Field(default=0, ge=0)
    """How many of the first ranks of each of the pool's sources the judges saw for certain: what is unlabelled there is
    known not to be relevant. It ties down how many relevant documents there are, which labels alone do not say well."""
    name: str = Field(default="cet", min_length=1)
    """What the names of the new scores begin with."""
    above_random: bool = True
    """Whether f sees how far a score is above the mean of the query's random documents, not the score itself."""
    ridge: float = Field(default=1.0, ge=0)
    """What half the sum of the squared coefficients, of features in standard deviations, counts against the
    log-likelihood of all pairs."""
    temperature: float = Field(default=1.0, gt=0)
    """T of the weights 1 + e^{g/T}. At 1 they are 1 / (1 - P(selected)); more tames them."""
    weight_cap: float | None = Field(default=None, ge=1)
    """Larger weights become this; empty for no cap."""
    normalise: bool = False
    """Whether weights are divided by their mean over the unlabelled candidates."""


def cet_light(candidates: Candidates, corpus: Corpus, queries: Queries, qrels: Qrels, settings: CetLight) -> Candidates:
    """Estimate which unlabelled candidates are relevant and were never shown to a judge.

    Labels are positives that a pool of sources, often lexical, brought before the judges. With rho = P(relevant) a
    logistic model of semantic scores, lambda = P(selected) one of what the pool saw, and random documents as known to
    be neither, both follow from the labels; see `fit_coupled`. It takes seconds, on a processor.

    Args:
        candidates: Mined from the pool's sources, better ones and a source of random documents, and rescored by all
            scorers in use, those of the pool's sources among them.
        corpus: Holds their documents, for the lengths.
        queries: Holds their queries.
        qrels: The judgements. Documents judged 0 are known to be selected and not relevant; those judged above 0 and
            below the threshold that was mined with leave the fit, and so do positives that no source proposed, since
            they are no sample of what is judged.
        settings: What the models see.

    Returns:
        The candidates with four more scores, named by `settings.name` and an ending: `-relevance` and `-selection`, the
        logits of f and g; `-weight`, 1 + e^{g/T}; and `-false-negative`, P(relevant | unlabelled). The metadata give,
        under "cet" and the name: how many pairs of each kind were fitted on, the coefficients of features in standard
        deviations, the correlation of f and g and the false negatives to be expected, both over the unlabelled
        candidates.

    Raises:
        DataError: A source or scorer is unknown, a score is missing, a name is taken, or there are no positives or no
            random documents.
    """
    pairs = CandidatePairs.of(candidates)
    known = _known(pairs, qrels, settings)
    random = np.isin(known, (ANCHOR, EASY))
    f_features = relevance_features(pairs, settings.relevance, random, above_random=settings.above_random)
    g_features = selection_features(pairs, settings.pool, corpus, queries)
    fitted = known != _LEFT_OUT
    models = fit_coupled(
        f_features.values[fitted],
        g_features.values[fitted],
        known[fitted],
        (f_features.signs, g_features.signs),
        settings.ridge,
    )
    scores = CetScores(*models.logits(f_features.values, g_features.values), models.recorded)
    unlabelled = known == UNLABELLED
    weights = scores.weights(settings.temperature, settings.weight_cap, unlabelled if settings.normalise else None)
    report = {**settings.model_dump(mode="json"), **_report(models, scores, known, (f_features, g_features))}
    return with_cet_scores(pairs, scores, weights, scores.false_negatives(), settings.name, report)


def _known(pairs: CandidatePairs, qrels: Qrels, settings: CetLight) -> np.ndarray:
    """Return what is known of each pair: int64, shape (P,)."""
    grades, threshold = pairs.grades(qrels), int(pairs.candidates.metadata.get("grade_threshold", 1))
    random = pairs.ranks(settings.random) > 0
    sources = sorted(set(pairs.candidates.codes("source")[1].to_pylist()) - {settings.random})
    proposed = np.any([pairs.ranks(source) > 0 for source in sources], axis=0) if sources else np.zeros_like(random)
    positive = pairs.positive | (grades >= threshold)
    first = [pairs.ranks(source) for source in settings.pool]
    seen = np.any([(ranks > 0) & (ranks <= settings.surely_selected) for ranks in first], axis=0)
    known = np.full(len(pairs), UNLABELLED)
    known[random & ~proposed] = ANCHOR if settings.random_unselected else EASY
    known[seen] = SEEN
    known[grades == 0] = JUDGED
    known[positive] = POSITIVE
    known[(grades > 0) & (grades < threshold)] = _LEFT_OUT
    known[~proposed & ~np.isin(known, (ANCHOR, EASY))] = _LEFT_OUT
    return known


def _report(
    models: CoupledModels, scores: CetScores, known: np.ndarray, features: tuple[Features, Features]
) -> dict[str, Any]:
    kinds = {
        "unlabelled": [UNLABELLED],
        "positives": [POSITIVE],
        "random_documents": [ANCHOR, EASY],
        "judged_not_relevant": [JUDGED],
        "seen_without_label": [SEEN],
        "left_out": [_LEFT_OUT],
    }
    unlabelled = known == UNLABELLED
    if not unlabelled.any():
        raise DataError("all candidates are labelled or random: there is nothing to estimate; mine deeper")
    shown = CetScores(scores.relevance[unlabelled], scores.selection[unlabelled], scores.recorded)
    return {
        "pairs": {name: int(np.isin(known, kind).sum()) for name, kind in kinds.items()},
        "coefficients": {
            name: dict(zip(["intercept", *some.names], fitted.round(6).tolist(), strict=True))
            for name, some, fitted in zip(
                ("relevance", "selection"), features, (models.relevance, models.selection), strict=True
            )
        },
        "zeros_recorded": models.recorded,
        "correlation": shown.correlation(),
        "expected_false_negatives": float(shown.false_negatives().sum()),
        "steps": models.steps,
    }
