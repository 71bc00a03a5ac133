"""What a lexical engine offers, and how a file names one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

from pyrite.settings import Settings

__all__ = ["Bm25sSettings", "EngineSettings", "LexicalEngine", "RankBm25Settings"]


class LexicalEngine(Protocol):
    """Scores every document of a corpus for a query given as tokens."""

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return one score for each document: float64, shape (documents,)."""
        ...

    def floor(self, tokens: Sequence[str]) -> float:
        """Return the score of a document that shares no token with the query."""
        ...

    def save(self, folder: Path) -> None:
        """Write the engine's index."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of all that the scores depend on."""
        ...


class Bm25sSettings(Settings):
    """bm25s (Lu, arXiv 2407.03618): scores computed when indexing, so that a search only adds.

    Defaults are those of Anserini's Lucene baselines: k1 .9, b .4.
    """

    type: Literal["bm25s"] = "bm25s"
    formula: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"
    """The variant of BM25 (Kamphuis et al., ECIR 2020)."""
    k1: float = Field(default=0.9, ge=0)
    """Saturation of term frequency."""
    b: float = Field(default=0.4, ge=0, le=1)
    """Strength of length normalisation."""
    delta: float = Field(default=0.5, ge=0)
    """Lower bound of term frequency; `bm25l` and `bm25+` alone use it."""


class RankBm25Settings(Settings):
    """rank-bm25, the textbook formulas in plain Python: the reference, for small corpora.

    Its Okapi floors a negative IDF at `epsilon` times the mean IDF, and its BM25L multiplies by the
    term frequency once more than the paper (Lv and Zhai, SIGIR 2011); no other engine does either.
    """

    type: Literal["rank-bm25"] = "rank-bm25"
    formula: Literal["okapi", "l", "plus"] = "okapi"
    """BM25Okapi, BM25L or BM25Plus."""
    k1: float = Field(default=1.5, ge=0)
    """Saturation of term frequency."""
    b: float = Field(default=0.75, ge=0, le=1)
    """Strength of length normalisation."""
    epsilon: float = Field(default=0.25, ge=0)
    """Share of the mean IDF that a negative IDF becomes; `okapi` alone uses it."""
    delta: float = Field(default=0.5, ge=0)
    """Lower bound of term frequency; `l` and `plus` alone use it."""


EngineSettings = Annotated[Bm25sSettings | RankBm25Settings, Field(discriminator="type")]
"""A lexical engine by its `type`: `bm25s` or `rank-bm25`."""
