"""When two texts are the same."""

from __future__ import annotations

import re
import unicodedata

from pyrite.data.tables import Corpus

__all__ = ["copy_keys", "normalise"]

_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    r"""Return the form that copies of a text share: NFKC, case folded, white space collapsed.

    Example:
        >>> normalise("  The\u00a0CAT\n sat ")
        'the cat sat'
    """
    # Folding takes some letters apart that capitals keep whole (GREEK IOTA WITH DIALYTIKA AND TONOS): compose again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACE.sub(" ", folded).strip()


def copy_keys(corpus: Corpus) -> list[str]:
    """Return one key for each document; two documents with the same key are copies.

    The key is the normalised text; where that is empty, the normalised title. Titles do not
    count beside a text: a passage with another heading is still the same passage.
    """
    texts, titles = corpus.column("text").to_pylist(), corpus.column("title").to_pylist()
    return [normalise(text) or "title:" + normalise(title) for text, title in zip(texts, titles, strict=True)]
