"""Turn a scorer's scores into probabilities of relevance, so that one threshold carries over between scorers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pyrite.data import Candidates, Qrels, ScoreKind
from pyrite.data.codes import pair_keys
from pyrite.errors import DataError
from pyrite.seeds import derive_seed
from pyrite.settings import Settings

__all__ = ["Calibration", "calibrate"]

_BINS = 10


class Calibration(Settings):
    """How scores become probabilities."""

    scorer: str = Field(min_length=1)
    """Whose scores are calibrated."""
    name: str = Field(min_length=1)
    """What the probabilities are called, as a new scorer of the candidates."""
    method: Literal["isotonic", "logistic"] = "isotonic"
    """`isotonic`: the monotone step function that fits best, which any monotone change of the scores leaves as it is.
    `logistic`: a logistic curve, for few pairs."""
    negatives: Literal["judged", "assumed"] = "judged"
    """What stands against the positives: documents judged 0, or the unjudged ones of one source, assumed negatives."""
    source: str = "random"
    """The source of the assumed negatives."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """The share of the queries that reliability is measured on; the curve is not fitted on them."""
    seed: int = 0
    """Chooses the queries held out."""


def calibrate(candidates: Candidates, qrels: Qrels, settings: Calibration) -> Candidates:
    """Give candidates the probability of relevance that their scores by one scorer stand for.

    The probability is that among the pairs fitted on: where these hold more positives than the candidates do, all
    probabilities are higher, in the same order.

    Args:
        candidates: Scored by the scorer.
        qrels: The judgements, for documents judged 0.
        settings: Scorer, curve and pairs.

    Returns:
        The candidates with one more row for each score by the scorer. The metadata give, under "calibration" and the
        new name: the pairs fitted on and held out, and on the latter the Brier score and the expected calibration
        error in ten bins of equal width (Naeini et al., AAAI 2015).

    Raises:
        DataError: There are no such scores, the name is taken, or positives or negatives are lacking on either side.
    """
    kinds = candidates.metadata.get("scorers", {})
    if settings.scorer not in kinds or settings.name in kinds:
        raise DataError(f"calibrates {settings.scorer!r} as {settings.name!r}; there are scores by {sorted(kinds)}")
    table = candidates.arrow.filter(pc.equal(candidates.column("scorer"), settings.scorer))
    table = table.filter(pc.is_valid(table.column("score")))
    scores, labels, held_out = _pairs(table, qrels, settings)
    for part in (labels[held_out], labels[~held_out]):
        if len(set(part.tolist())) < 2:
            raise DataError(
                f"calibration wants positives and {settings.negatives} negatives among the queries fitted on and those "
                f"held out; there are {int(labels.sum())} positives and {int((1 - labels).sum())} negatives in all"
            )
    every = np.concatenate([scores[held_out], table.column("score").to_numpy()])
    fitted = _fitted(scores[~held_out], labels[~held_out], every, settings.method)
    measured, probabilities = np.split(fitted, [int(held_out.sum())])
    report = {
        **settings.model_dump(),
        "fitted": int((~held_out).sum()),
        "held_out_pairs": int(held_out.sum()),
        "brier": float(np.mean((measured - labels[held_out]) ** 2)),
        "ece": _calibration_error(measured, labels[held_out]),
    }
    columns = {name: table.column(name) for name in table.schema.names}
    columns |= {"scorer": pa.repeat(settings.name, table.num_rows), "score": pa.array(probabilities)}
    metadata = {
        **candidates.metadata,
        "scorers": {**kinds, settings.name: str(ScoreKind.PROBABILITY)},
        "calibration": {**candidates.metadata.get("calibration", {}), settings.name: report},
    }
    return Candidates(pa.concat_tables([candidates.arrow, pa.table(columns).cast(Candidates.schema)]), metadata)


def _pairs(table: pa.Table, qrels: Qrels, settings: Calibration) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return score, label and whether it is held out, of each pair once, in the order of the ids."""
    positive = table.column("is_positive")
    if settings.negatives == "judged":
        zero = qrels.arrow.filter(pc.equal(qrels.column("grade"), 0))
        negative = pc.is_in(pair_keys(table), value_set=pair_keys(zero).combine_chunks())
    else:
        unjudged = pc.invert(pc.is_in(pair_keys(table), value_set=pair_keys(qrels.arrow).combine_chunks()))
        negative = pc.and_(pc.equal(table.column("source"), settings.source), unjudged)
    used = table.filter(pc.or_(positive, negative)).group_by(["query_id", "doc_id"])
    once = used.aggregate([("score", "max"), ("is_positive", "max")])
    once = once.sort_by([("query_id", "ascending"), ("doc_id", "ascending")])
    query_ids = once.column("query_id").to_pylist()
    limit = settings.held_out * 2**64
    apart = {query: derive_seed(settings.seed, "calibration", query) < limit for query in set(query_ids)}
    labels = once.column("is_positive_max").to_numpy().astype(np.int64)
    return once.column("score_max").to_numpy(), labels, np.array([apart[query] for query in query_ids], dtype=bool)


def _fitted(scores: np.ndarray, labels: np.ndarray, wanted: np.ndarray, method: str) -> np.ndarray:
    """Fit a curve on scores and labels, and return its value at the wanted scores."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    if method == "isotonic":
        # Steps at the scores fitted on, so that a monotone change of all scores changes no probability.
        curve = IsotonicRegression(y_min=0.0, y_max=1.0)
        levels = curve.fit(scores, labels)
        known = np.unique(scores)
        place = np.maximum(np.searchsorted(known, wanted, side="right") - 1, 0)
        stepped: np.ndarray = levels.predict(known)[place]
        return stepped
    scale = float(scores.std()) or 1.0
    model = LogisticRegression(C=1e6).fit(((scores - scores.mean()) / scale)[:, None], labels)
    smooth: np.ndarray = model.predict_proba(((wanted - scores.mean()) / scale)[:, None])[:, 1]
    return smooth


def _calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    bins = np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.abs(np.bincount(bins, probabilities - labels, _BINS))
    return float(gaps.sum() / len(labels))
