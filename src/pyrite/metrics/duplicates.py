"""Near-duplicate texts: word shingles, MinHash for finding them, exact Jaccard for deciding.

Two texts are near-duplicates where the Jaccard index of their sets of word shingles reaches a threshold (Broder, "On
the Resemblance and Containment of Documents", 1997). Letter case, Unicode forms, white space and punctuation do not
count. MinHash only proposes pairs; each pair is then measured exactly, so that no pair below the threshold comes back,
and a pair at the threshold is missed with a probability of at most 1 - `recall`. Small inputs are compared in full.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from pydantic import Field

from pyrite.data.text import normalise
from pyrite.errors import SettingsError
from pyrite.settings import Settings

__all__ = [
    "NearPairs",
    "Resemblance",
    "near_duplicate_pairs",
    "near_duplicates_between",
    "resemblance",
    "resembles_any",
]

# Scripts written without spaces, each letter a word: Thai to Myanmar, Khmer, kana, ideographs.
_WORD = re.compile(r"[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+")
_ASCII_GAPS = {code: " " for code in range(128) if not chr(code).isalnum()}
_BLOCK_TEXTS = 4096
_BLOCK_SHINGLES = 1 << 22
_ALL_PAIRS = 1 << 16
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Resemblance(Settings):
    """When two texts are near-duplicates."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """The lowest Jaccard index of the two texts' sets of shingles, in (0, 1]. One changed word in 200 leaves .97;
    one in 10 leaves .45."""
    words: int = Field(default=3, ge=1)
    """Words in a shingle. A shorter text is one shingle as a whole."""
    permutations: int = Field(default=128, ge=16)
    """Length of the MinHash signatures; more need more time and compare fewer pairs in vain."""
    recall: float = Field(default=0.99, gt=0, lt=1)
    """The probability that a pair just at the threshold is found, at least; pairs above it are found more often."""
    seed: int = Field(default=0, ge=0)
    """The seed of the permutations."""

    def bands(self) -> tuple[int, int]:
        """Return (bands, rows) of locality-sensitive hashing: as many rows a band as the recall allows.

        A pair with Jaccard index s agrees in at least one band with probability 1 - (1 - s^rows)^bands (Leskovec,
        Rajaraman & Ullman, "Mining of Massive Datasets", section 3.4).

        Raises:
            SettingsError: The permutations are too few for the recall at this threshold.

        Example:
            >>> Resemblance(threshold=0.8, permutations=128, recall=0.99).bands()
            (21, 6)
        """
        for rows in range(self.permutations, 0, -1):
            bands = self.permutations // rows
            if 1 - (1 - self.threshold**rows) ** bands >= self.recall:
                return bands, rows
        raise SettingsError(
            f"permutations: {self.permutations} do not give a recall of {self.recall} at a threshold of "
            f"{self.threshold}; ask for more permutations or a lower recall"
        )


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of near-duplicates, ordered by `left`, then `right`. All arrays have shape (pairs,).

    Attributes:
        left: Positions of texts.
        right: Positions of the other texts; larger than `left` where both are of one list.
        resemblance: The Jaccard index of the two sets of shingles, exact, from the threshold to 1.
    """

    left: np.ndarray
    right: np.ndarray
    resemblance: np.ndarray

    def __len__(self) -> int:
        return len(self.left)


def near_duplicate_pairs(texts: Sequence[str], settings: Resemblance | None = None) -> NearPairs:
    """Return all pairs of near-duplicates within a list, each once.

    Time grows with the number of words and of pairs that share a band of their signatures; memory is 8 bytes a
    shingle and 4 a permutation and text. Texts without a word are near-duplicates of none.

    Args:
        texts: Any texts.
        settings: Threshold, shingles and signatures; None for the defaults.

    Raises:
        SettingsError: The permutations are too few for the recall.

    Example:
        >>> pairs = near_duplicate_pairs(["Fool's gold is no gold.", "a streak of black", "fool s GOLD is no gold"])
        >>> pairs.left.tolist(), pairs.right.tolist(), pairs.resemblance.tolist()
        ([0], [2], [1.0])
    """
    settings = settings or Resemblance()
    sets = _Shingles.of(texts, settings.words)
    if len(sets) ** 2 <= _ALL_PAIRS:
        left, right = np.triu_indices(len(sets), 1)
    else:
        left, right = _proposed(sets, settings)
    return _verified(sets, left.astype(np.int64), right.astype(np.int64), settings.threshold)


def near_duplicates_between(
    texts: Sequence[str], others: Sequence[str], settings: Resemblance | None = None
) -> NearPairs:
    """Return the pairs of near-duplicates with one text of each list.

    `left` points into `texts`, `right` into `others`; pairs within either list are not looked at. Cost, arguments and
    errors as in `near_duplicate_pairs`.

    Example:
        >>> near_duplicates_between(["a b c d"], ["x", "A, b; c d!"]).right.tolist()
        [1]
    """
    settings = settings or Resemblance()
    sets = _Shingles.of([*texts, *others], settings.words)
    if len(texts) * len(others) <= _ALL_PAIRS:
        left, right = (side.ravel() for side in np.indices((len(texts), len(others))))
        right = right + len(texts)
    else:
        left, right = _proposed(sets, settings, len(texts))
    pairs = _verified(sets, left.astype(np.int64), right.astype(np.int64), settings.threshold)
    return NearPairs(pairs.left, pairs.right - len(texts), pairs.resemblance)


def resembles_any(texts: Sequence[str], others: Sequence[str], settings: Resemblance | None = None) -> np.ndarray:
    """Return, for each text, whether it is a near-duplicate of one of the others: bool, shape (len(texts),).

    Cost, arguments and errors as in `near_duplicate_pairs`.

    Example:
        >>> resembles_any(["A b c d.", "e f g h"], ["a b c d"]).tolist()
        [True, False]
    """
    found = np.zeros(len(texts), dtype=bool)
    found[near_duplicates_between(texts, others, settings).left] = True
    return found


def resemblance(one: str, other: str, words: int = 3) -> float:
    """Return the Jaccard index of two texts' sets of shingles, in [0, 1]; 0 where one of them holds no word.

    Example:
        Of five different shingles, "b c d" and "c d e" are in both.

        >>> resemblance("a b c d e", "x b c d e y", words=3)
        0.4
    """
    sets = _Shingles.of([one, other], words)
    return float(_jaccard(sets, np.array([0]), np.array([1]))[0])


@dataclass(frozen=True)
class _Shingles:
    """The set of shingles of each text: 64-bit hashes, ascending, one set after the other.

    Attributes:
        hashes: uint64, shape (shingles,).
        starts: Where each set begins, and the number of shingles at the end: int64, shape (texts + 1,).
    """

    hashes: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], words: int) -> _Shingles:
        codes = _WordHashes()
        blocks = [_sets(texts[i : i + _BLOCK_TEXTS], words, codes) for i in range(0, len(texts), _BLOCK_TEXTS)]
        hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(block for block, _ in blocks)])
        return cls(hashes, _starts(np.concatenate([np.zeros(0, dtype=np.int64), *(sizes for _, sizes in blocks)])))

    def take(self, rows: np.ndarray) -> _Shingles:
        """Return the sets of some texts."""
        sets = [self.hashes[start:stop] for start, stop in zip(self.starts[rows], self.starts[rows + 1], strict=True)]
        return _Shingles(np.concatenate(sets), _starts(self.sizes()[rows]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def sizes(self) -> np.ndarray:
        """Return the number of shingles of each text."""
        return np.diff(self.starts)


class _WordHashes(dict[str, int]):
    """{word: 64-bit hash}, the same in every process."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        self[word] = value
        return value


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)])


def _sets(texts: Sequence[str], words: int, codes: _WordHashes) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of all sets, and the size of each set.

    The hash of a shingle is a polynomial of its words' hashes, mod 2^64.
    """
    lists = [_padded(_words(text), words) for text in texts]
    counts = np.array([len(found) for found in lists], dtype=np.int64)
    hashes = np.fromiter(map(codes.__getitem__, chain.from_iterable(lists)), dtype=np.uint64, count=int(counts.sum()))
    shingles = np.zeros(max(len(hashes) - words + 1, 0), dtype=np.uint64)
    for place in range(words):
        shingles = shingles * _MULTIPLIER + hashes[place : place + len(shingles)]
    shingles ^= shingles >> np.uint64(29)
    text = np.repeat(np.arange(len(texts)), counts)
    whole = text[: len(shingles)] == text[words - 1 :]
    shingles, text = shingles[whole], text[: len(whole)][whole]
    for start, stop in pairwise(_starts(np.bincount(text, minlength=len(texts))).tolist()):
        shingles[start:stop].sort()
    first = np.append(True, (np.diff(shingles) != 0) | (np.diff(text) != 0))[: len(shingles)]
    return shingles[first], np.bincount(text[first], minlength=len(texts))


def _words(text: str) -> list[str]:
    """Return the words of a text, folded. For ASCII, which needs no composing, the same is had without a pattern."""
    if text.isascii():
        return text.lower().translate(_ASCII_GAPS).split()
    return _WORD.findall(normalise(text))


def _padded(found: list[str], words: int) -> list[str]:
    return found + [""] * (words - len(found)) if 0 < len(found) < words else found


def _signatures(sets: _Shingles, settings: Resemblance) -> np.ndarray:
    """Return the MinHash signature of each text: uint32, shape (texts, permutations)."""
    from datasketch import MinHash

    # MinHash takes 32 bits of each hash; the whole 64 decide what is equal.
    short = (sets.hashes >> np.uint64(32)).astype(np.uint32)
    lists = (short[start:stop].tolist() for start, stop in pairwise(sets.starts.tolist()))
    minhashes = MinHash.generator(lists, num_perm=settings.permutations, seed=settings.seed, hashfunc=int)
    signatures = np.empty((len(sets), settings.permutations), dtype=np.uint32)
    for row, minhash in enumerate(minhashes):
        signatures[row] = minhash.hashvalues
    return signatures


def _proposed(sets: _Shingles, settings: Resemblance, cut: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs whose signatures agree in a band, each once; with a cut, only those across it.

    Bands are grouped by sorting: tables of buckets, as datasketch's MinHashLSH has them, take ten times the memory.
    """
    bands, rows = settings.bands()
    signatures = _signatures(sets, settings)
    there = np.flatnonzero(sets.sizes())
    proposed = np.zeros(0, dtype=np.int64)
    for start in range(0, bands * rows, rows):
        keys = _joint(signatures[there, start : start + rows])
        members = [pair for group in _groups(keys, there) for pair in _pairs_of(group, len(sets), cut)]
        # Of all bands so far, so that what many bands propose is held once.
        proposed = np.unique(np.concatenate([proposed, *members]))
    return np.divmod(proposed, len(sets))


def _joint(columns: np.ndarray) -> np.ndarray:
    """Return one 64-bit number for each row of small integers, equal for equal rows."""
    joint = np.zeros(len(columns), dtype=np.uint64)
    for column in columns.T:
        joint = (joint ^ column) * _MULTIPLIER
        joint ^= joint >> np.uint64(32)
    return joint


def _groups(keys: np.ndarray, members: np.ndarray) -> Iterable[np.ndarray]:
    """Return the members that share a key with another, ascending."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(keys[order]) != 0)) if len(keys) else np.zeros(0, dtype=np.int64)
    lengths = np.diff(np.append(starts, len(keys)))
    shared = lengths > 1
    return (members[order[s : s + n]] for s, n in zip(starts[shared].tolist(), lengths[shared].tolist(), strict=True))


def _pairs_of(group: np.ndarray, count: int, cut: int | None) -> Iterator[np.ndarray]:
    """Yield the pairs of a group as single numbers, left * count + right."""
    if cut is None:
        left, right = np.triu_indices(len(group), 1)
        yield group[left] * count + group[right]
    elif group[0] < cut <= group[-1]:
        middle = np.searchsorted(group, cut)
        yield (group[:middle, None] * count + group[None, middle:]).ravel()


def _verified(sets: _Shingles, left: np.ndarray, right: np.ndarray, threshold: float) -> NearPairs:
    values = _jaccard(sets, left, right)
    near = values >= threshold
    return NearPairs(left[near], right[near], values[near])


def _jaccard(sets: _Shingles, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the Jaccard index of each pair: float64, shape (pairs,)."""
    from scipy.sparse import csr_array

    used, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    if len(used) == 0:
        return np.zeros(0)
    left, right = places[: len(left)], places[len(left) :]
    sets = sets.take(used)
    sizes = sets.sizes()
    columns, codes = np.unique(sets.hashes, return_inverse=True)
    shape = (len(sets), max(len(columns), 1))
    matrix = csr_array((np.ones(len(codes), dtype=np.int32), codes, sets.starts), shape=shape)
    common = np.zeros(len(left), dtype=np.int64)
    pairs = max(_BLOCK_SHINGLES // max(int(sizes.max(initial=1)), 1), 1)
    for start in range(0, len(left), pairs):
        block = slice(start, start + pairs)
        common[block] = matrix[left[block]].multiply(matrix[right[block]]).sum(axis=1)
    union = sizes[left] + sizes[right] - common
    index: np.ndarray = common / np.maximum(union, 1)
    return index
