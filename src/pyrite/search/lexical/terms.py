"""The sets of terms of queries and documents, cut as the lexical index cuts them, for overlaps of texts."""

from __future__ import annotations

import pyarrow as pa

from pyrite.data import Corpus, Queries
from pyrite.metrics.overlap import Terms, TermSets
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.tokens import TokenWriter

__all__ = ["terms_of"]

_PART = 16_384


def terms_of(queries: Queries, corpus: Corpus, analysis: Analysis | None = None) -> Terms:
    """Return the distinct terms of queries and documents, numbered alike, in the order of the rows.

    Args:
        queries: The queries.
        corpus: The documents; their titles and texts are read as one, and terms are counted in them.
        analysis: How a text becomes tokens; None for the default.

    Example:
        >>> from pyrite.data import Document, Query
        >>> queries = Queries.from_rows([Query("q", "fool's gold")])
        >>> corpus = Corpus.from_rows([Document("a", "Gold of fools"), Document("b", "pyrite")])
        >>> terms_of(queries, corpus).weights.round(2).tolist()
        [0.69, 0.69, 0.69]
    """
    writer = TokenWriter(analysis or Analysis())
    writer.add(pa.array(queries.texts(), pa.string()))
    for start in range(0, len(corpus), _PART):
        writer.add(pa.array(corpus.texts(range(start, min(start + _PART, len(corpus)))), pa.string()))
    tokens = writer.tokens()
    cut = tokens.offsets[len(queries)]
    return Terms(
        TermSets.of(tokens.ids[:cut], tokens.offsets[: len(queries) + 1]),
        TermSets.of(tokens.ids[cut:], tokens.offsets[len(queries) :] - cut),
        len(tokens.terms),
    )
