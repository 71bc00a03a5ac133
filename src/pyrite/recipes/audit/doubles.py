"""What stands twice: rows, negatives, texts under several ids, and near-duplicates."""

from __future__ import annotations

from collections import defaultdict

from pyrite.metrics.duplicates import NearPairs, Resemblance, near_duplicate_pairs
from pyrite.recipes.audit.mined_set import Key, MinedSet
from pyrite.report.audit import Finding, Instance

__all__ = [
    "copied_documents",
    "near_duplicate_negatives",
    "near_duplicates",
    "near_positives",
    "repeated_negatives",
    "repeated_rows",
    "two_texts",
]


def repeated_rows(mined: MinedSet, shown: int) -> Finding:
    """Count rows that are an earlier one again: the same query, positives and negatives, in any order."""
    seen: dict[tuple[object, ...], int] = {}
    again: list[Instance] = []
    number = 0
    for row in mined.rows:
        sides = tuple(frozenset(mined.same[one] for one in side) for side in (row.positives, row.negatives))
        first = seen.setdefault((mined.queries[row.query].key, *sides), row.line)
        if first != row.line:
            number += 1
            if len(again) < shown:
                again.append(mined.instance(row.line, row.query, [], f"the same as line {first}"))
    return Finding(
        name="repeated-rows",
        title="rows that stand there already",
        severity="warning" if number else "fine",
        number=number,
        of=len(mined.rows),
        unit="rows",
        meaning="A row that stands there twice counts twice in training, and meets itself in a batch as a negative.",
        remedy="Keep the first of each." if number else "Nothing to do.",
        instances=tuple(again),
    )


def repeated_negatives(mined: MinedSet, shown: int) -> Finding:
    """Count negatives that stand a second time in their row, by id or by text."""
    number = total = 0
    instances: list[Instance] = []
    for row in mined.rows:
        seen: set[int] = set()
        for document in row.negatives:
            same = mined.same[document]
            if same in seen:
                number += 1
                if len(instances) < shown:
                    instances.append(mined.instance(row.line, row.query, [("negative", document)]))
            seen.add(same)
        total += len(row.negatives)
    return Finding(
        name="repeated-negatives",
        title="negatives that stand twice in their row",
        severity="warning" if number else "fine",
        number=number,
        of=total,
        unit="negatives",
        meaning="The same text twice among a query's negatives doubles its weight and wastes a place.",
        remedy="Mine with copies of texts masked, or keep the first." if number else "Nothing to do.",
        instances=tuple(instances),
    )


def copied_documents(mined: MinedSet, shown: int) -> Finding:
    """Count documents with an id of their own and the text of another."""
    copies: dict[int, dict[str, int]] = defaultdict(dict)
    for number, document in enumerate(mined.documents):
        if document.doc_id is not None and document.text is not None:
            copies[mined.same[number]].setdefault(document.doc_id, number)
    sets = [list(ids.values()) for ids in copies.values() if len(ids) > 1]
    number = sum(len(one) - 1 for one in sets)
    instances = [
        Instance(0, "", tuple((str(mined.documents[one].doc_id), mined.documents[one].full) for one in some[:4]))
        for some in sets[:shown]
    ]
    return Finding(
        name="copied-documents",
        title="documents with the text of another",
        severity="note" if number else "fine",
        number=number,
        of=len({document.doc_id for document in mined.documents if document.doc_id is not None}),
        unit="ids",
        meaning="Ids alone cannot tell that a negative is the positive again when a corpus holds a text twice.",
        remedy="Mask by text and not by id, as Pyrite's selection does." if number else "Nothing to do.",
        instances=tuple(instances),
    )


def two_texts(mined: MinedSet, shown: int) -> Finding:
    """Count ids that stand for several texts."""
    texts: dict[str, dict[Key, int]] = defaultdict(dict)
    for number, document in enumerate(mined.documents):
        if document.doc_id is not None:
            texts[document.doc_id].setdefault(document.key, number)
    wrong = {doc_id: list(found.values()) for doc_id, found in texts.items() if len(found) > 1}
    instances = [
        Instance(0, doc_id, tuple((doc_id, mined.documents[one].full) for one in found))
        for doc_id, found in list(wrong.items())[:shown]
    ]
    return Finding(
        name="ids-of-several-texts",
        title="ids that stand for several texts",
        severity="error" if wrong else "fine",
        number=len(wrong),
        of=len(texts),
        unit="ids",
        meaning="An id that means two texts makes every judgement by id a coin toss.",
        remedy="Find out which corpora were mixed, and give them ids of their own." if wrong else "Nothing to do.",
        instances=tuple(instances),
    )


def near_duplicates(mined: MinedSet, settings: Resemblance) -> dict[int, dict[int, float]]:
    """Return {document: {near-duplicate: resemblance}}, both ways, among documents of different normalised text."""
    firsts = [number for number, same in enumerate(mined.same) if same == number and mined.documents[number].text]
    pairs: NearPairs = near_duplicate_pairs([mined.documents[number].text or "" for number in firsts], settings)
    near: dict[int, dict[int, float]] = defaultdict(dict)
    columns = (pairs.left.tolist(), pairs.right.tolist(), pairs.resemblance.tolist())
    for left, right, value in zip(*columns, strict=True):
        near[firsts[left]][firsts[right]] = near[firsts[right]][firsts[left]] = value
    return near


def near_positives(mined: MinedSet, near: dict[int, dict[int, float]], shown: int) -> Finding:
    """Count negatives that nearly are a positive of their query; those that are one are counted elsewhere."""
    positives = mined.positives()
    number = total = 0
    instances: list[Instance] = []
    for query, document, line in mined.pairs():
        total += 1
        close = {} if document in positives[query] else _among(near, document, positives[query])
        if close:
            number += 1
            if len(instances) < shown:
                other, value = max(close.items(), key=lambda pair: pair[1])
                documents = [("positive", other), ("negative", document)]
                instances.append(mined.instance(line, query, documents, f"resemblance {value:.2f}"))
    return Finding(
        name="near-duplicates-of-positives",
        title="negatives that nearly are a positive",
        severity="warning" if number else "fine",
        number=number,
        of=total,
        unit="negatives",
        meaning="A passage that is the positive but for a few words answers the query just as well: a false negative.",
        remedy="Drop them: filter near-duplicates of positives when selecting." if number else "Nothing to do.",
        instances=tuple(instances),
    )


def near_duplicate_negatives(mined: MinedSet, near: dict[int, dict[int, float]], shown: int) -> Finding:
    """Count negatives that nearly are an earlier negative of their query."""
    number = total = 0
    instances: list[Instance] = []
    for query, negatives in enumerate(mined.negatives()):
        earlier: dict[int, int] = {}
        for document, line in negatives.items():
            close = _among(near, document, earlier)
            if close:
                number += 1
                if len(instances) < shown:
                    documents = [("negative", next(iter(close))), ("negative", document)]
                    instances.append(mined.instance(line, query, documents))
            earlier[document] = line
        total += len(negatives)
    return Finding(
        name="near-duplicate-negatives",
        title="negatives that nearly are another one of their query",
        severity="note" if number else "fine",
        number=number,
        of=total,
        unit="negatives",
        meaning="Near-duplicates among a query's negatives teach one thing several times.",
        remedy="Select with a filter of near-duplicates among negatives." if number else "Nothing to do.",
        instances=tuple(instances),
    )


def _among(near: dict[int, dict[int, float]], document: int, others: dict[int, int]) -> dict[int, float]:
    return {other: value for other, value in near.get(document, {}).items() if other in others}
