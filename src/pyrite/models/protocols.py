"""What a model has to offer. Anything with these methods works; nothing needs to inherit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from pyrite.data import ScoreKind
from pyrite.settings import Json

__all__ = ["Encoder", "PairScorer", "Role"]

Role = Literal["query", "document"]
"""Which side of the search a text is on; a model may want another prompt for each."""


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors."""

    @property
    def score_kind(self) -> ScoreKind:
        """COSINE where vectors have unit length, else DOT; scores are inner products either way."""
        ...

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return one row for each text: float32, shape (len(texts), dimension).

        A row depends on its text and role alone, up to rounding.
        """
        ...

    def identity(self) -> Json:
        """Return all that the vectors depend on: weights, prompts, pooling, length, precision."""
        ...


@runtime_checkable
class PairScorer(Protocol):
    """Scores a query and a document together, as a cross-encoder does."""

    @property
    def score_kind(self) -> ScoreKind:
        """What a score means."""
        ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return one score for each (query text, document text): float64, shape (len(pairs),)."""
        ...

    def identity(self) -> Json:
        """Return all that the scores depend on."""
        ...
