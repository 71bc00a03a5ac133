"""What an encoder gives, checked, since a ranking would not show that it is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import SearchError
from pyrite.models.protocols import Encoder, Role

__all__ = ["checked_vectors"]

# What is left of unit length in half precision.
_LENGTH_TOLERANCE = 0.02


def checked_vectors(encoder: Encoder, texts: Sequence[str], role: Role, ids: Sequence[str] = ()) -> np.ndarray:
    """Encode texts and check what comes back.

    Args:
        encoder: Gives the vectors.
        texts: What to encode.
        role: Which side they are on.
        ids: The id of each text, for errors.

    Returns:
        float32, shape (len(texts), dimension).

    Raises:
        SearchError: The encoder gave another shape than it says, a number that is none, or, with cosines as its
            scores, a vector that has neither unit length nor length 0.
    """
    wanted = (len(texts), encoder.dimension)
    if not texts:
        return np.zeros(wanted, dtype=np.float32)
    given = np.asarray(encoder.encode(texts, role))
    if given.shape != wanted or given.dtype.kind not in "fiu":
        raise SearchError(
            f"the encoder gave vectors of shape {given.shape} and type {given.dtype} where it promised numbers of "
            f"shape {wanted}"
        )
    with np.errstate(over="ignore"):
        vectors = given.astype(np.float32, copy=False)
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise SearchError(
            f"the encoder gave a vector with an infinite or undefined component{_of(role, ids, finite.argmin())} "
            f"(and {np.count_nonzero(~finite) - 1} more of {len(texts)}); look at that text, or try another precision"
        )
    if encoder.score_kind == ScoreKind.COSINE:
        _check_unit_length(vectors, role, ids)
    return vectors


def _check_unit_length(vectors: np.ndarray, role: Role, ids: Sequence[str]) -> None:
    lengths = np.linalg.norm(vectors, axis=1)
    # The vector of a text without a known word is 0.
    off = np.where(lengths > 0, np.abs(lengths - 1), 0)
    if off.max() > _LENGTH_TOLERANCE:
        raise SearchError(
            f"the encoder says that its scores are cosines and gave a vector of length {lengths[off.argmax()]:.4g}"
            f"{_of(role, ids, off.argmax())}; scale its vectors to unit length, or let its score_kind be DOT"
        )


def _of(role: Role, ids: Sequence[str], row: np.integer) -> str:
    return f" for the {role} {ids[int(row)]!r}" if len(ids) else ""
