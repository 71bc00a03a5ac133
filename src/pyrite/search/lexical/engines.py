"""What a lexical engine offers, and how a file names one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

from pyrite.search.results import Hits
from pyrite.settings import Settings

__all__ = ["Bm25sSettings", "EngineSettings", "LexicalEngine", "PyseriniSettings", "RankBm25Settings"]


class LexicalEngine(Protocol):
    """Ranks the documents of an index, which are rows here; of equal scores, the first row goes first."""

    def search(self, queries: list[str], depth: int) -> Hits:
        """Return the best documents of each query; those that share no term with it are left out."""
        ...

    def score(self, queries: list[str], rows: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float64, as `search` gives it.

        Args:
            queries: Texts.
            rows: The query of each pair, int64.
            documents: The document of each pair, int64.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the engine's index."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of all that the scores depend on, the settings apart."""
        ...


class Bm25sSettings(Settings):
    """BM25S (Lu, arXiv 2407.03618): what a term counts is worked out when indexing, so that a search only adds.

    Scores are sums in 64 bits. Defaults are those of Anserini's Lucene baselines: k1 .9, b .4.
    """

    type: Literal["bm25s"] = "bm25s"
    formula: Literal["lucene", "robertson", "atire", "bm25l", "bm25+", "okapi", "rank-bm25-l"] = "lucene"
    """The variant of BM25: five after Kamphuis et al. (ECIR 2020), as bm25s has them, and two of
    rank-bm25: `okapi` with its floor on negative IDF, and `rank-bm25-l`, its BM25L. Its BM25Plus is
    `bm25+`."""
    k1: float = Field(default=0.9, ge=0)
    """Saturation of term frequency."""
    b: float = Field(default=0.4, ge=0, le=1)
    """Strength of length normalisation."""
    delta: float = Field(default=0.5, ge=0)
    """Lower bound of term frequency; `bm25l`, `bm25+` and `rank-bm25-l` alone use it."""
    epsilon: float = Field(default=0.25, ge=0)
    """Share of the mean IDF that a negative IDF becomes; `okapi` alone uses it."""


class RankBm25Settings(Settings):
    """rank-bm25, the textbook formulas in plain Python: the reference, for small corpora.

    Its Okapi floors a negative IDF at `epsilon` times the mean IDF, and its BM25L multiplies by the
    term frequency once more than the paper (Lv and Zhai, SIGIR 2011). `bm25s` has both formulas.
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


class PyseriniSettings(Settings):
    """Lucene, as pyserini's package carries it (extra `pyserini`, with Java 21 or newer): the published baselines.

    Formula `lucene`, in single precision, with document lengths rounded to what one byte tells apart.
    """

    type: Literal["pyserini"] = "pyserini"
    k1: float = Field(default=0.9, ge=0)
    """Saturation of term frequency."""
    b: float = Field(default=0.4, ge=0, le=1)
    """Strength of length normalisation."""
    language: str | None = "en"
    """Lucene's own analysis of a language by its code, as Anserini has it (`en`: Porter's stemmer);
    `analysis` must then stay as it is. Empty for `analysis`, the tokens of the other engines."""


EngineSettings = Annotated[Bm25sSettings | RankBm25Settings | PyseriniSettings, Field(discriminator="type")]
"""A lexical engine by its `type`: `bm25s`, `rank-bm25` or `pyserini`."""
