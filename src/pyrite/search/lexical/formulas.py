"""The formulas of BM25: a weight for each term, and what a frequency in a document of some length counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

__all__ = ["Constants", "frequency_part", "inverse_document_frequency"]


class Constants(Protocol):
    """A formula's name and constants."""

    @property
    def formula(self) -> str:
        """One of those in `Bm25sSettings`."""
        ...

    @property
    def k1(self) -> float:
        """Saturation of term frequency."""
        ...

    @property
    def b(self) -> float:
        """Strength of length normalisation."""
        ...

    @property
    def delta(self) -> float:
        """Lower bound of term frequency."""
        ...

    @property
    def epsilon(self) -> float:
        """Share of the mean IDF that a negative IDF becomes."""
        ...


_Weights = Callable[[np.ndarray, float], np.ndarray]
_WEIGHTS: dict[str, _Weights] = {
    "lucene": lambda df, n: np.log(1 + (n - df + 0.5) / (df + 0.5)),
    "robertson": lambda df, n: np.log(np.maximum(1, (n - df + 0.5) / (df + 0.5))),
    "atire": lambda df, n: np.log(n / df),
    "bm25l": lambda df, n: np.log((n + 1) / (df + 0.5)),
    "bm25+": lambda df, n: np.log((n + 1) / df),
    "rank-bm25-l": lambda df, n: np.log(n + 1) - np.log(df + 0.5),
    "okapi": lambda df, n: np.log(n - df + 0.5) - np.log(df + 0.5),
}

# Of the frequency, the length's factor, k1 and delta.
_Part = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]
_PARTS: dict[str, _Part] = {
    "lucene": lambda tf, norm, k1, delta: tf / (k1 * norm + tf),
    "robertson": lambda tf, norm, k1, delta: tf / (k1 * norm + tf),
    "atire": lambda tf, norm, k1, delta: tf * (k1 + 1) / (tf + k1 * norm),
    "bm25l": lambda tf, norm, k1, delta: (k1 + 1) * (tf / norm + delta) / (k1 + tf / norm + delta),
    "bm25+": lambda tf, norm, k1, delta: delta + tf * (k1 + 1) / (k1 * norm + tf),
    "rank-bm25-l": lambda tf, norm, k1, delta: tf * (k1 + 1) * (tf / norm + delta) / (k1 + tf / norm + delta),
    "okapi": lambda tf, norm, k1, delta: tf * (k1 + 1) / (tf + k1 * norm),
}


def inverse_document_frequency(frequencies: np.ndarray, documents: int, constants: Constants) -> np.ndarray:
    """Return the weight of each term: float64, shape (terms,).

    Args:
        frequencies: In how many documents each term occurs, from 1; shape (terms,).
        documents: How many documents there are.
        constants: The formula and its constants.
    """
    weights = _WEIGHTS[constants.formula](frequencies.astype(np.float64), float(documents))
    if constants.formula == "okapi":
        weights[weights < 0] = constants.epsilon * weights.mean()
    return weights


def frequency_part(frequencies: np.ndarray, lengths: np.ndarray, constants: Constants) -> np.ndarray:
    """Return what a term counts, before its weight: float64, shape (n,).

    Args:
        frequencies: How often the term occurs in the document, from 0; shape (n,).
        lengths: The document's length over the mean length, shape (n,).
        constants: The formula and its constants.
    """
    norm = 1 - constants.b + constants.b * lengths
    with np.errstate(invalid="ignore"):
        # Without k1, 0 of 0 occurrences is nothing; where b is 1, so is 0 over an empty document's length.
        parts = _PARTS[constants.formula](frequencies.astype(np.float64), norm, constants.k1, constants.delta)
    return np.nan_to_num(parts, nan=0.0)
