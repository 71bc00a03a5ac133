"""BM25: one text analysis, one index class, several engines."""
