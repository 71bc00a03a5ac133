"""`eci_sem`: the volume that a query's negatives span beyond the query and its positive, by the encoder to be trained.

A reconstruction of Effective Contrastive Information as version 3 of arXiv 2603.20990 has it: it names target
consistency, semantic locality, lexical residuality and a log-determinant, and gives no formula for any of them. Version
1 of the same paper defines another measure, `pyrite.metrics.eci.v1`.

Per query, with its positive p, its negatives n_1 .. n_N, cosines s and vectors of D numbers:

    target consistency  T_i = sigma((s(q, p) - s(q, n_i)) / tau_T)
    semantic locality   L_i = exp((s(p, n_i) - 1) / tau_L)
    lexical residuality R_i = 1 - IDF-weighted token overlap of n_i with q and p        `pyrite.metrics.overlap`
    w_i = T_i L_i R_i
    r_i = n_i minus its projection on span(q, p)
    eci_sem = ln det(I_D + (1/N) sum_i w_i r_i r_i^T)

By Sylvester's identity the determinant is that of I_N + (1/N) W^1/2 R R^T W^1/2, an N x N matrix, which is what is
computed. ln det is concave: a set that is the union of two halves is, query by query, never below the mean of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, PositiveChoice, Similarities, Units, Vectors, equal_blocks, segments
from pyrite.settings import Settings
from pyrite.threads import Team

__all__ = ["EciSem", "EciSemValues", "eci_sem"]

_BLOCK_PAIRS = 2048
# Sines of angles between q and p from which on p adds a direction of its own, in units of the last place.
_PARALLEL = 100


class EciSem(Settings):
    """The choices in the reconstruction; the defaults are those of its formulas."""

    version: ClassVar[int] = 1
    """Of what the settings mean."""

    consistency_temperature: float = Field(default=0.05, gt=0)
    """tau_T: how far below the positive a negative has to be to count as one."""
    locality_temperature: float = Field(default=0.1, gt=0)
    """tau_L: how near the positive a negative has to be to count."""
    total: Literal["mean", "sum"] = "mean"
    """Whether the sum over a query's negatives is divided by their number."""
    residual: Literal["projection", "difference"] = "projection"
    """What of a negative counts: what is orthogonal to query and positive, or its difference to the positive."""
    normalised: bool = True
    """Whether vectors are brought to length 1 first. If not, lengths count in r_i, and in no similarity."""
    positives: PositiveChoice = "max"
    """Which positive counts: the most similar to the query, the least similar, or each, averaged within the query."""


@dataclass(frozen=True, slots=True)
class EciSemValues:
    """The value of each query, and the components of each negative.

    Where several positives of a query count, a negative's component is the mean over them.

    Attributes:
        settings: What they were made with.
        dimension: D.
        values: From 0: shape (Q,); 0 for a query without negatives.
        consistency: T of each negative, in [0, 1]: shape (M,).
        locality: L of each negative, in (0, 1]: shape (M,).
        residuality: R of each negative, in [0, 1]: shape (M,).
        residual: The squared length of r_i: shape (M,).
        starts: Where the negatives of each query begin: shape (Q + 1,).
    """

    settings: EciSem
    dimension: int
    values: np.ndarray
    consistency: np.ndarray
    locality: np.ndarray
    residuality: np.ndarray
    residual: np.ndarray
    starts: np.ndarray

    def score(self, rows: np.ndarray | None = None) -> float:
        """Return the value of the set, or of some of its queries, repeats counted; nan for no queries.

        Args:
            rows: Places of queries; None for all.
        """
        values = self.values if rows is None else self.values[rows]
        return float(values.mean()) if len(values) else float("nan")

    def per_dimension(self) -> np.ndarray:
        """Return the values divided by D: shape (Q,)."""
        return self.values / self.dimension

    def components(self) -> Mapping[str, np.ndarray]:
        """Return {name: means over each query's negatives, shape (Q,)}; nan without negatives."""
        sizes = np.maximum(np.diff(self.starts), 1)
        names = ("consistency", "locality", "residuality", "residual")
        return {name: segments(np.add, getattr(self, name), self.starts) / sizes for name in names}


def eci_sem(
    groups: Groups,
    queries: np.ndarray,
    documents: np.ndarray,
    settings: EciSem | None = None,
    *,
    residuality: np.ndarray | None = None,
    judge: Similarities | None = None,
    block_pairs: int = _BLOCK_PAIRS,
) -> EciSemValues:
    """Return `eci_sem` of each query, with its components (reconstruction; see the module for the formulas).

    Work is N^2 D a query; memory is that of `block_pairs` vectors a thread, or of the most negatives that a query has.

    Args:
        groups: Who is positive and negative.
        queries: Vectors of the encoder, shape (queries, D). Computed in float32 where both sides are, else in float64.
        documents: Vectors of the encoder, shape (documents, D).
        settings: The choices; None for the defaults.
        residuality: R of each negative, shape (M,); with `positives="each"` of each positive's negatives in turn, shape
            (K,), as `Units` has them. None for 1 everywhere.
        judge: Similarities by an independent scorer that target consistency is measured with instead. Ours.
        block_pairs: Negatives whose vectors a thread holds at once; it changes no more than last digits.

    Raises:
        DataError: Shapes do not fit, or a vector holds something that is no finite number.

    Example:
        A negative at right angles to q = p, in 2 dimensions: T = sigma(1 / .05), L = exp(-1 / .1), |r| = 1.

        >>> found = eci_sem(Groups.of_lists([[0]], [[1]]), np.array([[1.0, 0.0]]), np.eye(2))
        >>> bool(np.isclose(found.values[0], np.log1p(np.exp(-10) / (1 + np.exp(-20)))))
        True
    """
    settings = settings or EciSem()
    vectors = Vectors(queries, documents)
    alike = vectors.cosines(groups.queries[groups.query_of_positives()], groups.positives)
    units = Units.of(groups, alike, settings.positives)
    weights = np.ones(len(units.negatives)) if residuality is None else residuality
    _check_weights(weights, len(units.negatives))
    gaps = None
    if judge is not None:
        judge.check(groups)
        gaps = units.gaps(judge)
    values = np.zeros(len(units.query))
    parts = np.empty((3, len(units.negatives)))

    def work(chosen: np.ndarray, rows: np.ndarray) -> None:
        query, positive = groups.queries[units.query[chosen]], groups.positives[units.positive[chosen]]
        block = _Block(vectors, settings, query, positive, groups.negatives[units.negatives[rows]])
        parts[:, rows], values[chosen] = block.measured(weights[rows], None if gaps is None else gaps[rows])

    _on_threads(work, list(equal_blocks(units.starts, block_pairs)))
    consistency, locality, weights, residual = (units.per_negative(part) for part in (*parts[:2], weights, parts[2]))
    return EciSemValues(
        settings=settings,
        dimension=queries.shape[1],
        values=units.per_query(values),
        consistency=consistency,
        locality=locality,
        residuality=weights,
        residual=residual,
        starts=groups.negative_starts,
    )


def _on_threads(
    work: Callable[[np.ndarray, np.ndarray], None], blocks: Sequence[tuple[np.ndarray, np.ndarray]]
) -> None:
    def run(part: tuple[int, int]) -> None:
        for block in blocks[slice(*part)]:
            work(*block)

    with Team() as team:
        team.share(len(blocks), run, least=1)


def _check_weights(residuality: np.ndarray, count: int) -> None:
    if residuality.shape != (count,):
        raise DataError(f"residuality has the shape {residuality.shape}; wants ({count},), one for each negative")
    if not ((residuality >= 0) & (residuality <= 1)).all():
        raise DataError("residuality holds something that is no number from 0 to 1")


class _Block:
    """B queries with a positive and N negatives each; all arrays of vectors have a last axis of D.

    Args:
        vectors: The tables.
        settings: The choices.
        query: Rows of queries, shape (B,).
        positive: Rows of documents, shape (B,).
        negative: Rows of documents, shape (B, N).
    """

    def __init__(
        self, vectors: Vectors, settings: EciSem, query: np.ndarray, positive: np.ndarray, negative: np.ndarray
    ) -> None:
        self._settings, kind = settings, vectors.kind
        # Of length 1 both, or of 0: the plane that they span is that of the vectors as they are.
        self._query = (vectors.queries[query] * vectors.query_scales[query, None]).astype(kind)
        self._positive = (vectors.documents[positive] * vectors.document_scales[positive, None]).astype(kind)
        self._negative = vectors.documents[negative].astype(kind, copy=False)
        self._origin, self._scale = self._positive, vectors.document_scales[negative]
        if settings.normalised:
            self._negative *= self._scale[..., None].astype(kind)
            self._scale = np.ones_like(self._scale)
        else:
            self._origin = vectors.documents[positive].astype(kind, copy=False)

    def measured(self, residuality: np.ndarray, gaps: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return T, L and squared residuals, shape (3, B, N), and the values, shape (B,). Can be called once.

        Args:
            residuality: Shape (B, N).
            gaps: s(q, p) - s(q, n), shape (B, N); None for those of the vectors.
        """
        basis = self._basis()
        dots = (self._negative @ basis.transpose(0, 2, 1)).astype(np.float64)
        if gaps is None:
            alike = np.einsum("bd,bd->b", self._query, self._positive)
            gaps = alike[:, None] - dots[..., 0] * self._scale
        # The logistic function, without overflow.
        consistency = 0.5 + 0.5 * np.tanh(0.5 / self._settings.consistency_temperature * gaps)
        closeness = (dots[..., 2] * self._scale).clip(-1, 1)
        locality = np.exp((closeness - 1) / self._settings.locality_temperature)
        gram = self._gram(basis, dots[..., :2])
        squares = np.einsum("bii->bi", gram).copy()
        values = _log_determinant(gram, consistency * locality * residuality, self._settings.total)
        return np.stack([consistency, locality, squares]), values

    def _basis(self) -> np.ndarray:
        """Return q, what of p is orthogonal to it, and p, each of length 1 or 0: shape (B, 3, D)."""
        query, positive = self._query, self._positive
        beside = positive - np.einsum("bd,bd->b", query, positive)[:, None] * query
        # Once more, since what is left of a p close to q is mostly rounding of what was taken away.
        beside -= np.einsum("bd,bd->b", query, beside)[:, None] * query
        length = np.sqrt(np.einsum("bd,bd->b", beside, beside))
        there = length > _PARALLEL * np.finfo(query.dtype).eps
        beside *= np.divide(1, length, out=np.zeros_like(length), where=there)[:, None]
        return np.stack([query, beside, positive], axis=1)

    def _gram(self, basis: np.ndarray, dots: np.ndarray) -> np.ndarray:
        """Return the inner products of the residuals: float64, shape (B, N, N). The negatives are used up."""
        residual = self._negative
        if self._settings.residual == "projection":
            residual -= dots.astype(residual.dtype) @ basis[:, :2]
        else:
            residual -= self._origin[:, None]
        # Of two arrays: of one, numpy calls another routine, which takes four times as long for small matrices.
        gram: np.ndarray = (residual @ residual.copy().transpose(0, 2, 1)).astype(np.float64)
        return gram


def _log_determinant(gram: np.ndarray, weights: np.ndarray, total: str) -> np.ndarray:
    """Return ln det(I + W^1/2 G W^1/2), over N inside where the total is a mean: shape (B,). The matrix is used up."""
    roots = np.sqrt(weights / weights.shape[1] if total == "mean" else weights)
    gram *= roots[:, :, None]
    gram *= roots[:, None, :]
    np.einsum("bii->bi", gram)[...] += 1
    # No eigenvalue is below 1, so that there is a Cholesky factor; its diagonal's logarithms are half of it.
    factor = np.linalg.cholesky(gram)
    values: np.ndarray = 2 * np.log(np.einsum("bii->bi", factor)).sum(axis=1)
    return values
