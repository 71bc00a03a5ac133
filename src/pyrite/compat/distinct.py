"""Equal texts as one. They are told apart by their hashes, which name a cache as well: each is read once for both."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress

import numpy as np

from pyrite.compat.identity import bytes_key, text_digests

__all__ = ["Distinct", "distinct_texts"]


@dataclass(frozen=True)
class Distinct:
    """Texts, each once.

    Attributes:
        texts: In the order of their first appearance.
        numbers: The place in `texts` of each one given: int64, shape (given,).
        key: What names `texts`, in order, in a cache.
    """

    texts: list[str]
    numbers: np.ndarray
    key: str


def distinct_texts(texts: list[str]) -> Distinct:
    """Return texts without repetitions.

    Raises:
        TypeError: One is no text.
        UnicodeEncodeError: One holds half of a surrogate pair.
    """
    digests = text_digests(texts)
    first = _first_of_equal(digests)
    for place in np.flatnonzero(first != np.arange(len(texts))).tolist():
        if texts[place] != texts[first[place]]:
            # Two texts have the same hash, which no texts are known to have.
            return _by_content(texts)
    is_first = first == np.arange(len(texts))
    numbers = (np.cumsum(is_first) - 1)[first]
    once = texts if is_first.all() else list(compress(texts, is_first.tolist()))
    return Distinct(once, numbers, bytes_key(digests[is_first].tobytes()))


def _first_of_equal(digests: np.ndarray) -> np.ndarray:
    """Return the first place with the same half of a hash as each place: int64, shape (digests,)."""
    # Half of a hash makes far fewer pairs of unlike texts than there are texts, and texts are compared in the end.
    halves = digests[:, 0]
    order = np.argsort(halves)
    ordered = halves[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    if new.all():
        return np.arange(len(order))
    first = np.empty_like(order)
    first[order] = np.minimum.reduceat(order, np.flatnonzero(new))[np.cumsum(new) - 1]
    return first


def _by_content(texts: list[str]) -> Distinct:
    """Do without hashes: slower, and under another key."""
    numbers: dict[str, int] = {}
    places = [numbers.setdefault(text, len(numbers)) for text in texts]
    contents = [text.encode() for text in numbers]
    named = b"".join(b"%d:%b" % (len(content), content) for content in contents)
    return Distinct(list(numbers), np.array(places, dtype=np.int64), bytes_key(named))
