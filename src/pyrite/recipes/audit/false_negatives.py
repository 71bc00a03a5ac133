"""Negatives that a model finds as relevant as the positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.protocols import Encoder, PairScorer
from pyrite.recipes.audit.mined_set import MinedSet
from pyrite.report.audit import Finding, Instance, Severity
from pyrite.seeds import rng
from pyrite.settings import Json

__all__ = ["EncoderScorer", "estimated_false_negatives"]

_NAME, _TITLE = "estimated-false-negatives", "negatives that score as high as a positive"
_MEANING = (
    "A judge of its own finds them as relevant as what is labelled right. Not each is a false negative, and the "
    "judge errs as well; look at the examples."
)
# Above it a cross-encoder's probability is a new positive: RocketQA (arXiv 2010.08191).
_CONFIDENT = 0.9
_WARNING, _ERROR = 0.05, 0.25


class EncoderScorer:
    """A `PairScorer` made of an encoder: the inner product of the two vectors, each text encoded once a call.

    Args:
        encoder: Any encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def score_kind(self) -> ScoreKind:
        """The encoder's: cosines, or inner products."""
        return self._encoder.score_kind

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return one score for each (query text, document text): float64, shape (len(pairs),)."""
        sides = []
        for place, role in ((0, "query"), (1, "document")):
            texts = list(dict.fromkeys(pair[place] for pair in pairs))
            rows = {text: row for row, text in enumerate(texts)}
            vectors = self._encoder.encode(texts, "query" if role == "query" else "document")
            sides.append(vectors[[rows[pair[place]] for pair in pairs]])
        scores: np.ndarray = np.einsum("ij,ij->i", sides[0].astype(np.float64), sides[1].astype(np.float64))
        return scores

    def identity(self) -> Json:
        """Return the encoder's identity."""
        return {"encoder": self._encoder.identity()}


@dataclass(frozen=True, slots=True)
class _Scored:
    """One query's scores: those of its positives, and of each negative with its line."""

    query: int
    positives: np.ndarray
    negatives: np.ndarray
    documents: list[int]
    lines: list[int]


def estimated_false_negatives(
    mined: MinedSet, scorer: PairScorer | None, margin: float, sample: int | None, shown: int
) -> Finding:
    """Count negatives that score at least as high as the lowest positive of their query, by one scorer.

    Args:
        mined: The set.
        scorer: A cross-encoder, an encoder in an `EncoderScorer`, or a judge; None to leave it.
        margin: How near a score has to come to the lowest positive's to count as near: a share of its magnitude, so
            that negative scores work as well (NV-Retriever's rule, arXiv 2407.15831).
        sample: How many queries are scored, drawn with a fixed seed; None for all.
        shown: How many instances are shown at most, those that exceed the positive most.
    """
    if scorer is None:
        advice = "Give a cross-encoder or an encoder (--scorer FOLDER)."
        return Finding(_NAME, _TITLE, "unchecked", None, 0, "negatives", _MEANING, advice)
    scored = _score(mined, scorer, _sampled(mined, sample))
    total = sum(len(one.negatives) for one in scored)
    if total == 0:
        advice = "No query has both a positive and a negative whose texts are at hand: give --corpus and --queries."
        return Finding(_NAME, _TITLE, "unchecked", None, 0, "negatives", _MEANING, advice)
    lowest = [one.negatives - one.positives.min() for one in scored]
    number = sum(int((gaps >= 0).sum()) for gaps in lowest)
    highest = sum(int((one.negatives >= one.positives.max()).sum()) for one in scored)
    near = sum(int((one.negatives >= one.positives.min() - margin * abs(one.positives.min())).sum()) for one in scored)
    values = {
        "share above the highest positive": highest / total,
        f"share within {margin:g} of the lowest": near / total,
    }
    if (probabilities := _probabilities(scorer, scored)) is not None:
        values[f"share above {_CONFIDENT:g}"] = float((probabilities > _CONFIDENT).mean())
    share = number / total
    severity: Severity = "fine" if number == 0 else "note"
    if share >= _WARNING:
        severity = "error" if share >= _ERROR else "warning"
    advice = "Filter by margin or share relative to the positives, or have a judge look at them."
    instances = _worst(mined, scored, shown)
    return Finding(
        _NAME,
        _TITLE,
        severity,
        number,
        total,
        "negatives",
        _MEANING,
        advice if number else "Nothing to do.",
        values,
        instances,
    )


def _sampled(mined: MinedSet, sample: int | None) -> list[int]:
    queries = np.arange(len(mined.queries))
    if sample is not None and sample < len(queries):
        queries = np.sort(rng(0, "audit", "queries").choice(queries, sample, replace=False))
    chosen: list[int] = queries.tolist()
    return chosen


def _score(mined: MinedSet, scorer: PairScorer, queries: Sequence[int]) -> list[_Scored]:
    """Score all pairs at once, so that a scorer can batch them across queries."""
    positives, negatives = mined.positives(), mined.negatives()
    pairs: list[tuple[str, str]] = []
    parts: list[tuple[int, list[int], list[int]]] = []
    for query in queries:
        text = mined.queries[query].text
        wrong = [
            document for document in negatives[query] if _has_text(mined, document) and document not in positives[query]
        ]
        right = [document for document in positives[query] if _has_text(mined, document)]
        if text is not None and right and wrong:
            parts.append((query, right, wrong))
            pairs += [(text, mined.documents[document].full) for document in right + wrong]
    scores = scorer.score(pairs) if pairs else np.zeros(0)
    if not np.isfinite(scores).all():
        raise ModelError(f"the scorer gave {int((~np.isfinite(scores)).sum())} scores that are no finite numbers")
    found, start = [], 0
    for query, right, wrong in parts:
        middle, stop = start + len(right), start + len(right) + len(wrong)
        lines = [negatives[query][document] for document in wrong]
        found.append(_Scored(query, scores[start:middle], scores[middle:stop], wrong, lines))
        start = stop
    return found


def _has_text(mined: MinedSet, document: int) -> bool:
    return mined.documents[document].text is not None


def _probabilities(scorer: PairScorer, scored: list[_Scored]) -> np.ndarray | None:
    """Return the negatives' scores as probabilities, where they are some; None for cosines and the like."""
    scores = np.concatenate([one.negatives for one in scored])
    if scorer.score_kind == ScoreKind.PROBABILITY:
        return scores
    if scorer.score_kind != ScoreKind.LOGIT:
        return None
    probabilities: np.ndarray = 0.5 * (1 + np.tanh(scores / 2))
    return probabilities


def _worst(mined: MinedSet, scored: list[_Scored], shown: int) -> tuple[Instance, ...]:
    """Return the negatives that exceed their query's lowest positive most."""
    found = [
        (float(score - one.positives.min()), one, place)
        for one in scored
        for place, score in enumerate(one.negatives)
        if score >= one.positives.min()
    ]
    found.sort(key=lambda item: (-item[0], item[1].lines[item[2]]))
    positives = mined.positives()
    return tuple(
        mined.instance(
            one.lines[place],
            one.query,
            [("positive", next(iter(positives[one.query]))), ("negative", one.documents[place])],
            f"scores {one.negatives[place]:.3f}, the lowest positive {one.positives.min():.3f}",
        )
        for _, one, place in found[:shown]
    )
