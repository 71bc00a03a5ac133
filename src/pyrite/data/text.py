"""When two texts are the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from pyrite.data.tables import Corpus

__all__ = ["copy_keys", "normalise", "text_key"]

_SPACE = re.compile(r"\s+")
_BATCH_ROWS = 4096


def normalise(text: str) -> str:
    r"""Return the form that copies of a text share: NFKC, case folded, white space collapsed.

    Example:
        >>> normalise("  The\u00a0CAT\n sat ")
        'the cat sat'
    """
    # Folding takes some letters apart that capitals keep whole (GREEK IOTA WITH DIALYTIKA AND TONOS): compose again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SPACE.sub(" ", folded).strip()


def text_key(text: str) -> str:
    """Return a short key that copies of a text share, and other texts do not; "" for one that is empty.

    128 bits of BLAKE2 over the normalised text, so that keys of a large corpus fit in memory.
    """
    normal = normalise(text)
    return hashlib.blake2b(normal.encode(), digest_size=16).hexdigest() if normal else ""


def copy_keys(corpus: Corpus) -> list[str]:
    """Return one key for each document; two documents with the same key are copies.

    The key is that of the text; where the text is empty, of the title. Titles do not
    count beside a text: a passage with another heading is still the same passage.
    """
    keys: list[str] = []
    for batch in corpus.arrow.to_batches(max_chunksize=_BATCH_ROWS):
        pairs = zip(batch.column("text").to_pylist(), batch.column("title").to_pylist(), strict=True)
        keys += [text_key(text) or "title:" + text_key(title) for text, title in pairs]
    return keys
