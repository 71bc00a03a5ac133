"""Inner loops that cut texts into words, and number the words."""

# numba infers the types of locals; mypy knows numpy's scalars only as "Any" or as no int.
# mypy: disable-error-code="assignment,no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import compiled, inlined

__all__ = ["LETTER", "JOINER", "WordTable", "empty_table", "scan"]

LETTER = 1
"""The class of a character that words are made of."""
JOINER = 2
"""The class of a character that joins two pieces to one word, such as an apostrophe."""

_PRIME = 1099511628211


class WordTable(NamedTuple):
    """Distinct words, numbered from 0 in the order of their first appearance: a hash table with open addressing.

    Attributes:
        slots: The word at each place plus 1, or 0 where there is none; a power of two, int32.
        hashes: The hash of each word, int64, with room for more.
        ends: Where each word's bytes end in `store`, shifted by one: word w lies in ends[w]:ends[w + 1].
        store: The words' bytes (UTF-8), uint8, with room for more.
        size: The number of words, int64, shape (1,).
    """

    slots: np.ndarray
    hashes: np.ndarray
    ends: np.ndarray
    store: np.ndarray
    size: np.ndarray


def empty_table() -> WordTable:
    """Return a table without words."""
    return WordTable(
        np.zeros(1 << 12, np.int32),
        np.zeros(1 << 11, np.int64),
        np.zeros((1 << 11) + 1, np.int64),
        np.zeros(1 << 15, np.uint8),
        np.zeros(1, np.int64),
    )


@compiled
def scan(
    values: np.ndarray, offsets: np.ndarray, classes: np.ndarray, table: WordTable
) -> tuple[np.ndarray, np.ndarray, WordTable]:
    """Return the word numbers of all texts, where each text's begin, and the table with the new words.

    Args:
        values: The bytes of all texts, UTF-8, uint8.
        offsets: Text t lies in offsets[t]:offsets[t + 1], int64.
        classes: The class of each code point: `LETTER`, `JOINER` or 0, uint8, shape (0x110000,).
        table: The words known so far.
    """
    texts = len(offsets) - 1
    found = np.empty((offsets[texts] - offsets[0]) // 2 + texts + 1, np.int32)
    bounds = np.zeros(texts + 1, np.int64)
    count = 0
    for text in range(texts):
        place, stop = offsets[text], offsets[text + 1]
        while place < stop:
            code, width = _character(values, place)
            if classes[code] != LETTER:
                place += width
                continue
            end, digest = _word(values, place, stop, classes)
            if table.size[0] + 1 >= len(table.hashes) or table.ends[table.size[0]] + end - place > len(table.store):
                table = _grown(table, end - place)
            found[count] = _number(values, place, end, digest, table)
            count += 1
            place = end
        bounds[text + 1] = count
    return found[:count].copy(), bounds, table


@inlined
def _character(values: np.ndarray, place: int) -> tuple[int, int]:
    """Return the code point at a place and its bytes; the bytes are valid UTF-8, as Arrow's strings are."""
    code = np.int64(values[place])
    width = 1
    if code >= 0x80:
        width = 2 + (code >= 0xE0) + (code >= 0xF0)
        code &= 0x7F >> width
        for byte in range(place + 1, place + width):
            code = (code << 6) | np.int64(values[byte] & 0x3F)
    return code, width


@inlined
def _word(values: np.ndarray, place: int, stop: int, classes: np.ndarray) -> tuple[int, int]:
    """Return where the word that starts at a place ends, and its hash: letters, joined by single joiners."""
    digest = np.int64(0)
    end = place
    inside = True
    while inside and end < stop:
        code, width = _character(values, end)
        inside = classes[code] == LETTER
        if classes[code] == JOINER and end + width < stop:
            following, more = _character(values, end + width)
            inside = classes[following] == LETTER
            width += more
        if inside:
            for byte in range(end, end + width):
                digest = (digest ^ np.int64(values[byte])) * _PRIME
            end += width
    return end, digest


@inlined
def _number(values: np.ndarray, place: int, end: int, digest: int, table: WordTable) -> int:
    """Return a word's number; a new word gets the next one."""
    mask = len(table.slots) - 1
    slot = (digest ^ (digest >> 32)) & mask
    while table.slots[slot] != 0:
        word = table.slots[slot] - 1
        if table.hashes[word] == digest and _same(values, place, end, table, word):
            return word
        slot = (slot + 1) & mask
    word = table.size[0]
    start = table.ends[word]
    for byte in range(end - place):
        table.store[start + byte] = values[place + byte]
    table.ends[word + 1] = start + end - place
    table.hashes[word] = digest
    table.slots[slot] = word + 1
    table.size[0] = word + 1
    return word


@inlined
def _same(values: np.ndarray, place: int, end: int, table: WordTable, word: int) -> bool:
    start = table.ends[word]
    same = table.ends[word + 1] - start == end - place
    byte = 0
    while same and byte < end - place:
        same = values[place + byte] == table.store[start + byte]
        byte += 1
    return same


@compiled
def _grown(table: WordTable, wanted: int) -> WordTable:
    """Return the table with twice the room, and for one more word of `wanted` bytes at least."""
    words = table.size[0]
    slots = np.zeros(len(table.slots) * 2, np.int32)
    mask = len(slots) - 1
    for word in range(words):
        slot = (table.hashes[word] ^ (table.hashes[word] >> 32)) & mask
        while slots[slot] != 0:
            slot = (slot + 1) & mask
        slots[slot] = word + 1
    hashes = np.zeros(len(table.hashes) * 2, np.int64)
    hashes[:words] = table.hashes[:words]
    ends = np.zeros(len(hashes) + 1, np.int64)
    ends[: words + 1] = table.ends[: words + 1]
    store = np.zeros(len(table.store) * 2 + wanted, np.uint8)
    store[: ends[words]] = table.store[: ends[words]]
    return WordTable(slots, hashes, ends, store, table.size)
