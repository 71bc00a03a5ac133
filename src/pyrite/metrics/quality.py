"""What else can be told of negatives before training: hardness, margins, estimates of false ones, variety. Ours.

Each function gives one number a query, nan where the query has nothing to take it of, so that sets can be compared
query by query. Hardness is what an encoder learns from, and what false negatives have as well; that is why a second
opinion, an independent and stronger judge, can be asked who is safe.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, PositiveChoice, Similarities, Units, Vectors, equal_blocks, segments

__all__ = [
    "HARDNESS_QUANTILES",
    "diversity",
    "false_negatives",
    "hardness",
    "hardness_quantiles",
    "judged_hardness",
    "margin",
    "mean_of_negatives",
    "source_overlap",
]

HARDNESS_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""The quantiles of hardness that are told where nothing else is asked."""
_BLOCK_PAIRS = 4096


def mean_of_negatives(groups: Groups, values: np.ndarray) -> np.ndarray:
    """Return the mean of a number of each negative over those of a query: shape (Q,); nan without negatives.

    Args:
        groups: The groups.
        values: Shape (M,).

    Raises:
        DataError: There are more or fewer values than negatives.

    Example:
        >>> groups = Groups.of_lists([[0], [1]], [[2, 3], []])
        >>> mean_of_negatives(groups, np.array([0.25, 0.75])).tolist()
        [0.5, nan]
    """
    if len(values) != len(groups.negatives):
        raise DataError(f"{len(values)} values for {len(groups.negatives)} negatives")
    sums = segments(np.add, values.astype(np.float64), groups.negative_starts)
    means: np.ndarray = sums / np.maximum(groups.sizes(), 1)
    return means


def hardness(groups: Groups, similarities: Similarities) -> np.ndarray:
    """Return the mean similarity of each query to its negatives: shape (Q,), as it is, not clipped."""
    return mean_of_negatives(groups, similarities.negatives)


def hardness_quantiles(
    similarities: Similarities, quantiles: tuple[float, ...] = HARDNESS_QUANTILES
) -> dict[float, float]:
    """Return {quantile: similarity} over all pairs of a query and a negative; nan without any."""
    if len(similarities.negatives) == 0:
        return dict.fromkeys(quantiles, float("nan"))
    found = np.quantile(similarities.negatives, quantiles).tolist()
    return dict(zip(quantiles, found, strict=True))


def margin(groups: Groups, similarities: Similarities, positives: PositiveChoice = "max") -> np.ndarray:
    """Return the mean of s(q, p) - s(q, n) over each query's negatives: shape (Q,)."""
    units = Units.of(groups, similarities.positives, positives)
    return mean_of_negatives(groups, units.per_negative(units.gaps(similarities)))


def false_negatives(
    groups: Groups, similarities: Similarities, tolerance: float = 0.0, positives: PositiveChoice = "max"
) -> np.ndarray:
    """Return which negatives one scorer takes for positives: those with s(q, n) >= s(q, p) - tolerance.

    An estimate: by the encoder to be trained it names the hardest negatives, true or not; by a judge it is worth more.

    Args:
        groups: The groups.
        similarities: By any one scorer.
        tolerance: How near the positive is near enough, on the scorer's scale.
        positives: Which positive counts; with "each", a negative that reaches one of them is named.

    Returns:
        bool, shape (M,).
    """
    units = Units.of(groups, similarities.positives, "min" if positives == "each" else positives)
    return units.per_negative(units.gaps(similarities)) <= tolerance


def judged_hardness(groups: Groups, similarities: Similarities, safe: np.ndarray) -> np.ndarray:
    """Return the mean hardness of each query's negatives, counted only where a judge agrees that they are negatives.

    The trainee says how hard a negative is, clip(s(q, n), 0, 1); an independent judge, who should be the stronger one,
    whether it is one. An unsafe negative counts as 0, and in the number of negatives.

    Args:
        groups: The groups.
        similarities: Cosines by the encoder to be trained.
        safe: How sure the judge is of each negative, in [0, 1], or whether: shape (M,), such as
            `~false_negatives(groups, judge)`.

    Returns:
        In [0, 1]: shape (Q,); nan without negatives.

    Raises:
        DataError: `safe` does not fit, or holds something outside 0 to 1.

    Example:
        >>> groups = Groups.of_lists([[0]], [[1, 2]])
        >>> scores = Similarities(np.array([0.9]), np.array([0.8, 0.4]))
        >>> judged_hardness(groups, scores, np.array([False, True])).tolist()
        [0.2]
    """
    similarities.check(groups)
    if not ((safe >= 0) & (safe <= 1)).all():
        raise DataError("safe holds something that is no number from 0 to 1")
    return mean_of_negatives(groups, similarities.negatives.clip(0, 1) * safe)


def diversity(groups: Groups, vectors: Vectors, *, block_pairs: int = _BLOCK_PAIRS) -> np.ndarray:
    """Return the mean distance, 1 - cosine, of each query's pairs of negatives: in [0, 2], shape (Q,).

    Through the length of the sum of unit vectors, so that time grows with the negatives, not with their pairs.

    Args:
        groups: The groups.
        vectors: Of queries and documents.
        block_pairs: Negatives whose vectors are held at once, or the most that a query has.

    Returns:
        nan for a query with fewer than two negatives.
    """
    found = np.full(len(groups), np.nan)
    for queries, rows in equal_blocks(groups.negative_starts, block_pairs):
        size = rows.shape[1]
        if size > 1:
            negatives = groups.negatives[rows]
            units = vectors.documents[negatives] * vectors.document_scales[negatives][..., None]
            sums, squares = units.sum(axis=1), np.einsum("bnd,bnd->b", units, units)
            found[queries] = 1 - (np.einsum("bd,bd->b", sums, sums) - squares) / (size * (size - 1))
    return found


def source_overlap(pairs: Mapping[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """Return the Jaccard index of the pairs that each two sources, or sets, have: {(one, other): in [0, 1]}.

    Args:
        pairs: {source: one number for each of its pairs of a query and a document, such as
            `pyrite.data.codes.row_codes` gives}.

    Returns:
        Each two of them once, in the order given; nan where both are empty.

    Example:
        >>> source_overlap({"bm25": np.array([1, 2, 3]), "dense": np.array([3, 4])})
        {('bm25', 'dense'): 0.25}
    """
    names = list(pairs)
    found = {}
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            common = len(np.intersect1d(pairs[one], pairs[other]))
            union = len(np.unique(pairs[one])) + len(np.unique(pairs[other])) - common
            found[one, other] = common / union if union else float("nan")
    return found
