"""Inner loops that find the best documents of many queries."""

# numba infers the types of locals; mypy knows numpy's scalars only as "Any" or as no int.
# mypy: disable-error-code="assignment,no-any-return,return-value"
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import compiled, inlined
from pyrite.search.lexical.posting_loops import PostingArrays, ones

__all__ = ["QueryPlan", "best_documents", "pair_scores"]

_BLOCK = 8192
# More than the rounding of any sum of scores.
_SLACK = 1e-9
# The bar is guessed while no more than one in so many documents was seen.
_GUESSED = 8
_ONE = np.uint64(1)


class QueryPlan(NamedTuple):
    """The terms of queries, each term once in a query, those that can add most first.

    Attributes:
        offsets: Query q has the terms offsets[q]:offsets[q + 1]; int64, shape (queries + 1,).
        terms: int64.
        weights: Each term's weight times its occurrences in the query, float64.
        tops: The most that each term can add, float64.
        floors: The score of a document without any of the terms, float64, shape (queries,).
    """

    offsets: np.ndarray
    terms: np.ndarray
    weights: np.ndarray
    tops: np.ndarray
    floors: np.ndarray


@compiled
def pair_scores(
    arrays: PostingArrays, plan: QueryPlan, queries: np.ndarray, documents: np.ndarray, out: np.ndarray
) -> None:
    """Write the score of each pair of a query and a document, by the very sums of `best_documents`."""
    for pair in range(len(queries)):
        query = queries[pair]
        score = 0.0
        for place in range(plan.offsets[query], plan.offsets[query + 1]):
            start, stop = arrays.starts[plan.terms[place]], arrays.starts[plan.terms[place] + 1]
            posting = start + np.searchsorted(arrays.documents[start:stop], documents[pair])
            if posting < stop and arrays.documents[posting] == documents[pair]:
                score += plan.weights[place] * arrays.table[arrays.parts[posting]]
        out[pair] = plan.floors[query] + score


class _Lists(NamedTuple):
    """One query's terms on the way through the documents.

    Attributes:
        terms: Those that can add most first.
        places: The next posting of each term, int64; moves on with the blocks.
        weights: The terms' weights.
        rests: The most that a term and all after it can add, float64, shape (terms + 1,).
        floor: The score of a document without any of the terms.
    """

    terms: np.ndarray
    places: np.ndarray
    weights: np.ndarray
    rests: np.ndarray
    floor: float


class _Block(NamedTuple):
    """What is known of the documents of a block.

    Attributes:
        sums: The parts added so far, float64, shape (block,).
        marks: 1 for a document that a term was added to, uint8, shape (block,).
        found: Offsets of documents that can still enter, int64, shape (block + 1,).
        hits: Room for as many documents.
    """

    sums: np.ndarray
    marks: np.ndarray
    found: np.ndarray
    hits: np.ndarray


@compiled
def best_documents(
    arrays: PostingArrays, plan: QueryPlan, first: int, size: int, rows: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Write the best documents of consecutive queries, best first; return how many each one has, int64.

    A document is found where its terms add something. Equal scores are ordered by document,
    ascending. Documents are looked at in blocks that fit into the processor's cache. Once `depth`
    documents are known, the last one's score is a bar: terms that cannot lift a document above it
    by themselves are looked up for documents that others have found (MaxScore, Turtle and Flood
    1995). The first documents tell where that bar will end: a guess that turns out too high costs a
    second search. No document that could enter misses a part, and parts are added in the order of
    the plan.

    Args:
        arrays: The postings.
        plan: The terms of all queries.
        first: The first query.
        size: How many documents there are.
        rows: Takes the documents, int32, shape (queries, depth).
        scores: Takes the scores, float64, shape (queries, depth).
    """
    block = _Block(
        np.zeros(_BLOCK), np.zeros(_BLOCK, np.uint8), np.empty(_BLOCK + 1, np.int64), np.empty(_BLOCK + 1, np.int64)
    )
    counts = np.zeros(len(rows), np.int64)
    for number in range(len(rows)):
        lists = _lists(arrays, plan, first + number)
        counts[number] = _search(arrays, lists, size, block, rows[number], scores[number])
    return counts


@compiled
def _lists(arrays: PostingArrays, plan: QueryPlan, query: int) -> _Lists:
    first, last = plan.offsets[query], plan.offsets[query + 1]
    terms = plan.terms[first:last]
    rests = np.zeros(last - first + 1)
    for place in range(last - first - 1, -1, -1):
        rests[place] = rests[place + 1] + plan.tops[first + place]
    return _Lists(terms, arrays.starts[terms], plan.weights[first:last], rests, plan.floors[query])


@compiled
def _search(
    arrays: PostingArrays, lists: _Lists, size: int, block: _Block, rows: np.ndarray, scores: np.ndarray
) -> int:
    """Write one query's ranking; return its length. A bar guessed too high costs a second pass without a guess."""
    places = lists.places.copy()
    count, guess = _pass(arrays, lists, size, block, rows, scores, size // _GUESSED)
    if guess > -np.inf and (count < len(rows) or scores[0] < guess):
        lists.places[:] = places
        count, _ = _pass(arrays, lists, size, block, rows, scores, 0)
    _sort(rows, scores, count)
    return count


@compiled
def _pass(
    arrays: PostingArrays, lists: _Lists, size: int, block: _Block, rows: np.ndarray, scores: np.ndarray, guessed: int
) -> tuple[int, float]:
    """Go through all documents, and guess from the first `guessed` ones; return how many entered, and the guess.

    No document that scores as much as the guess is missed.
    """
    count, bar, guess = 0, -np.inf, -np.inf
    start, stop, width = 0, 0, 2048
    while stop < size:
        start, stop = stop, min(stop + width, size)
        width = min(2 * width, _BLOCK)
        needed, found = 0, 0
        while needed < len(lists.terms) and lists.rests[needed] > bar:
            found = _add(arrays, lists, needed, start, stop, block, found)
            needed += 1
        if needed == 0:
            break
        for term in range(needed, len(lists.terms)):
            found = _look_up(arrays, lists, term, start, block, found, max(bar - lists.rests[term], 0.0))
        count = _enter(block, found, lists.floor, start, rows, scores, count)
        block.sums[: stop - start] = 0.0
        block.marks[: stop - start] = 0
        if stop <= guessed:
            guess = max(guess, _guess(scores[:count], len(rows) * stop / size))
        known = max(scores[0], guess) if count == len(rows) else guess
        bar = known - lists.floor - _SLACK * abs(known) if known > -np.inf else known
    return count, guess


@compiled
def _guess(scores: np.ndarray, expected: float) -> float:
    """Return a score that the last of the best documents will hardly fall below.

    Args:
        scores: Of the best documents so far.
        expected: How many documents of the final ranking are among those seen, were documents in random order; three
            standard deviations more are allowed for.
    """
    rank = int(expected + 3 * np.sqrt(expected)) + 2
    return np.sort(scores)[len(scores) - rank] if rank <= len(scores) else -np.inf


@compiled
def _add(arrays: PostingArrays, lists: _Lists, term: int, start: int, stop: int, block: _Block, found: int) -> int:
    """Add a term's parts to all documents of a block; return how many are found by now."""
    place, end, weight = lists.places[term], arrays.starts[lists.terms[term] + 1], lists.weights[term]
    while place < end and arrays.documents[place] < stop:
        offset = arrays.documents[place] - start
        block.sums[offset] += weight * arrays.table[arrays.parts[place]]
        block.found[found] = offset
        found += 1 - block.marks[offset]
        block.marks[offset] = 1
        place += 1
    lists.places[term] = place
    return found


@compiled
def _look_up(
    arrays: PostingArrays, lists: _Lists, term: int, start: int, block: _Block, found: int, least: float
) -> int:
    """Add a term's part to the documents found that can still enter; return how many those are."""
    kept = 0
    for candidate in range(found):
        offset = block.found[candidate]
        block.found[kept] = offset
        kept += block.sums[offset] > least
    first, weight = arrays.starts[lists.terms[term]], lists.weights[term]
    bitmap = arrays.bitmaps[lists.terms[term]]
    if bitmap < 0:
        _add_to_found(arrays, lists, term, start, block, kept)
        return kept
    hits = 0
    for candidate in range(kept):
        document = start + block.found[candidate]
        block.hits[hits] = document
        hits += np.int64((arrays.bits[bitmap, document >> 6] >> np.uint64(document & 63)) & _ONE)
    for hit in range(hits):
        document = block.hits[hit]
        below = arrays.bits[bitmap, document >> 6] & ((_ONE << np.uint64(document & 63)) - _ONE)
        posting = first + arrays.ranks[bitmap, document >> 6] + ones(below)
        block.sums[document - start] += weight * arrays.table[arrays.parts[posting]]
    return kept


@compiled
def _add_to_found(arrays: PostingArrays, lists: _Lists, term: int, start: int, block: _Block, found: int) -> None:
    """Add the parts of a term without a bitmap to the documents found."""
    end = arrays.starts[lists.terms[term] + 1]
    first = _find(arrays.documents, lists.places[term], end, start)
    lists.places[term] = first
    for candidate in range(found):
        document = start + block.found[candidate]
        posting = _find(arrays.documents, first, end, document)
        if posting < end and arrays.documents[posting] == document:
            block.sums[document - start] += lists.weights[term] * arrays.table[arrays.parts[posting]]


@inlined
def _find(documents: np.ndarray, place: int, end: int, document: int) -> int:
    """Return the first place from `place` on whose document is not below the given one: steps that double."""
    step = 1
    low = place
    while place < end and documents[place] < document:
        low = place + 1
        place += step
        step *= 2
    high = min(place, end)
    while low < high:
        middle = (low + high) >> 1
        if documents[middle] < document:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _enter(
    block: _Block, found: int, floor: float, start: int, rows: np.ndarray, scores: np.ndarray, count: int
) -> int:
    """Move documents into the ranking, which is a heap once it is full; return its length."""
    depth = len(rows)
    for candidate in range(found):
        offset = block.found[candidate]
        score = floor + block.sums[offset]
        if count < depth:
            if block.sums[offset] > 0:
                rows[count], scores[count] = start + offset, score
                count += 1
                if count == depth:
                    _heapify(rows, scores, count)
        elif (score > scores[0] or (score == scores[0] and start + offset < rows[0])) and block.sums[offset] > 0:
            rows[0], scores[0] = start + offset, score
            _sift(rows, scores, 0, count)
    return count


@compiled
def _heapify(rows: np.ndarray, scores: np.ndarray, count: int) -> None:
    for root in range(count // 2 - 1, -1, -1):
        _sift(rows, scores, root, count)


@compiled
def _sift(rows: np.ndarray, scores: np.ndarray, root: int, count: int) -> None:
    """Let an entry sink to its place in a heap whose root is the worst: the lowest score, then the last document."""
    row, score = rows[root], scores[root]
    child = 2 * root + 1
    while child < count:
        if child + 1 < count and _worse(rows, scores, child + 1, child):
            child += 1
        if scores[child] > score or (scores[child] == score and rows[child] < row):
            break
        rows[root], scores[root] = rows[child], scores[child]
        root = child
        child = 2 * root + 1
    rows[root], scores[root] = row, score


@inlined
def _worse(rows: np.ndarray, scores: np.ndarray, one: int, two: int) -> bool:
    return scores[one] < scores[two] or (scores[one] == scores[two] and rows[one] > rows[two])


@compiled
def _sort(rows: np.ndarray, scores: np.ndarray, count: int) -> None:
    """Order a ranking from best to worst."""
    _heapify(rows, scores, count)
    for last in range(count - 1, 0, -1):
        rows[0], rows[last] = rows[last], rows[0]
        scores[0], scores[last] = scores[last], scores[0]
        _sift(rows, scores, 0, last)
