"""When two texts are the same."""

from __future__ import annotations

import hashlib
import unicodedata

__all__ = ["normalise", "text_key"]


def normalise(text: str) -> str:
    r"""Return the form that copies of a text share: NFKC, case folded, white space collapsed.

    Example:
        >>> normalise("  The\u00a0CAT\n sat ")
        'the cat sat'
    """
    # Folding takes some letters apart that capitals keep whole (GREEK IOTA WITH DIALYTIKA AND TONOS): compose again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def text_key(text: str, purpose: str = "") -> int:
    """Return a number in [0, 2^64) that copies of a text share, and other texts do not; 0 for one that is empty.

    64 bits of BLAKE2 over the normalised text, so that keys of a large corpus fit in memory: two of a million
    different texts share one with a probability of 3e-8.

    Args:
        text: Any text.
        purpose: Up to 16 ASCII characters. Keys of two purposes differ.
    """
    normal = normalise(text)
    if not normal:
        return 0
    digest = hashlib.blake2b(normal.encode(), digest_size=8, person=purpose.encode())
    return int.from_bytes(digest.digest(), "little")
