"""Inner loops that gather the postings of documents."""

# numba infers the types of locals; mypy knows numpy's scalars only as "Any" or as no int.
# mypy: disable-error-code="assignment,no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import compiled, inlined

__all__ = [
    "PostingArrays",
    "count_documents",
    "fill",
    "fill_bitmaps",
    "highest_parts",
    "mark_pairs",
    "number_pairs",
    "ones",
]

_ONE = np.uint64(1)
_FIVES, _THREES = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
_FIFTEENS, _EIGHTS = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)


class PostingArrays(NamedTuple):
    """The documents of each term, one term after the other.

    Attributes:
        starts: Term t has the postings starts[t]:starts[t + 1]; int64, shape (terms + 1,).
        documents: The document of each posting, ascending within a term, int32.
        parts: For each posting the place in `table` of what it counts, uint16 or uint32.
        table: What a frequency in a document of some length counts beyond its absence, float64.
        weights: The weight of each term, float64, shape (terms,).
        peaks: The most that a term adds to a score, from 0, float64, shape (terms,).
        bitmaps: The row of `bits` of a term that stands in many documents, else -1; int32, shape (terms,).
        bits: Whether the term stands in each document, 64 to a word, uint64, shape (bitmaps, words).
        ranks: How many of the term's documents stand before each word's, int32, shape (bitmaps, words).
    """

    starts: np.ndarray
    documents: np.ndarray
    parts: np.ndarray
    table: np.ndarray
    weights: np.ndarray
    peaks: np.ndarray
    bitmaps: np.ndarray
    bits: np.ndarray
    ranks: np.ndarray


@compiled
def count_documents(ids: np.ndarray, offsets: np.ndarray, order: np.ndarray, terms: int) -> np.ndarray:
    """Return in how many documents each term occurs: int64, shape (terms,).

    Args:
        ids: The terms of all documents.
        offsets: Where each document's begin.
        order: The documents to look at.
        terms: How many terms there are.
    """
    last = np.full(terms, -1, np.int32)
    counts = np.zeros(terms, np.int64)
    for document in range(len(order)):
        for place in range(offsets[order[document]], offsets[order[document] + 1]):
            term = ids[place]
            if last[term] != document:
                last[term] = document
                counts[term] += 1
    return counts


@compiled
def fill(ids: np.ndarray, offsets: np.ndarray, order: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the document and the frequency of each posting, int32.

    Args:
        ids: As in `count_documents`.
        offsets: As in `count_documents`.
        order: As in `count_documents`; document d of the index is document order[d] of `offsets`.
        starts: Where each term's postings begin.
    """
    documents = np.empty(starts[-1], np.int32)
    frequencies = np.empty(starts[-1], np.int32)
    following = starts[:-1].copy()
    for document in range(len(order)):
        for place in range(offsets[order[document]], offsets[order[document] + 1]):
            term = ids[place]
            last = following[term] - 1
            if last >= starts[term] and documents[last] == document:
                frequencies[last] += 1
            else:
                documents[last + 1] = document
                frequencies[last + 1] = 1
                following[term] += 1
    return documents, frequencies


@inlined
def ones(word: int) -> int:
    """Return the number of bits that are set."""
    word = word - ((word >> np.uint64(1)) & _FIVES)
    word = (word & _THREES) + ((word >> np.uint64(2)) & _THREES)
    word = (word + (word >> np.uint64(4))) & _FIFTEENS
    return np.int64((word * _EIGHTS) >> np.uint64(56))


@compiled
def mark_pairs(frequencies: np.ndarray, documents: np.ndarray, lengths: np.ndarray, seen: np.ndarray) -> None:
    """Mark each pair of a frequency and a length that occurs.

    Args:
        frequencies: Of each posting, from 1.
        documents: Of each posting.
        lengths: The number of each document's length.
        seen: bool, shape (highest frequency, lengths).
    """
    for posting in range(len(documents)):
        seen[frequencies[posting] - 1, lengths[documents[posting]]] = True


@compiled
def number_pairs(
    frequencies: np.ndarray, documents: np.ndarray, lengths: np.ndarray, numbers: np.ndarray, parts: np.ndarray
) -> None:
    """Write the number of each posting's pair of frequency and length.

    Args:
        frequencies: Of each posting, from 1.
        documents: Of each posting.
        lengths: The number of each document's length.
        numbers: The number of each pair, shape (highest frequency, lengths).
        parts: Takes the numbers.
    """
    for posting in range(len(documents)):
        parts[posting] = numbers[frequencies[posting] - 1, lengths[documents[posting]]]


@compiled
def highest_parts(starts: np.ndarray, parts: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the most that each term counts in any document, float64, shape (terms,)."""
    highest = np.zeros(len(starts) - 1)
    for term in range(len(highest)):
        for posting in range(starts[term], starts[term + 1]):
            highest[term] = max(highest[term], table[parts[posting]])
    return highest


@compiled
def fill_bitmaps(starts: np.ndarray, documents: np.ndarray, bitmaps: np.ndarray, words: int) -> tuple:
    """Return the `bits` and `ranks` of `PostingArrays`.

    Args:
        starts: As in `PostingArrays`.
        documents: As in `PostingArrays`.
        bitmaps: As in `PostingArrays`.
        words: Of 64 documents each.
    """
    count = bitmaps.max() + 1 if len(bitmaps) else 0
    bits, ranks = np.zeros((count, words), np.uint64), np.zeros((count, words), np.int32)
    for term in range(len(bitmaps)):
        row = bitmaps[term]
        if row < 0:
            continue
        for place in range(starts[term], starts[term + 1]):
            bits[row, documents[place] >> 6] |= _ONE << np.uint64(documents[place] & 63)
        for word in range(1, words):
            ranks[row, word] = ranks[row, word - 1] + ones(bits[row, word - 1])
    return bits, ranks
