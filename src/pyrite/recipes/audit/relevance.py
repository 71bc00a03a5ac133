"""Negatives that are known to be relevant, the query again, queries without negatives, and evaluation splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyrite.data import Corpus, Qrels, Queries
from pyrite.data.text import text_key
from pyrite.metrics.duplicates import Resemblance, near_duplicates_between
from pyrite.recipes.audit.mined_set import Key, MinedSet
from pyrite.report.audit import Finding, Instance, Severity

__all__ = [
    "Judged",
    "copies_of_queries",
    "evaluation_documents",
    "evaluation_queries",
    "no_negatives",
    "positives_among",
]


@dataclass(frozen=True)
class Judged:
    """Judgements of one split, as far as they can be compared with a mined set.

    Attributes:
        name: The split.
        by_query: {query_id: ids of relevant documents}.
        query_texts: {query_id: text}, of those that are at hand.
        document_keys: {key of a normalised text: ids} of the relevant documents, of those that are at hand.
    """

    name: str
    by_query: Mapping[str, set[str]]
    query_texts: Mapping[str, str]
    document_keys: Mapping[Key, set[str]]

    @classmethod
    def of(cls, name: str, qrels: Qrels, corpus: Corpus | None, queries: Queries | None) -> Judged:
        """Take the relevant judgements of a split, with the texts of what they name."""
        by_query = {query_id: set(grades) for query_id, grades in qrels.relevant().by_query().items()}
        doc_ids = {doc_id for ids in by_query.values() for doc_id in ids}
        keys: dict[Key, set[str]] = {}
        if corpus is not None:
            there = corpus.select(sorted(doc_id for doc_id in doc_ids if doc_id in corpus))
            for document in there.rows():
                for text in (document.text, f"{document.title} {document.text}"):
                    if key := text_key(text):
                        keys.setdefault(key, set()).add(document.doc_id)
        texts: dict[str, str] = {}
        if queries is not None:
            some = queries.select([query_id for query_id in by_query if query_id in queries])
            texts = dict(zip(some.ids(), some.texts(), strict=True))
        return cls(name, by_query, texts, keys)

    def doc_ids(self) -> set[str]:
        """Return the ids of all relevant documents."""
        return {doc_id for ids in self.by_query.values() for doc_id in ids}


def positives_among(mined: MinedSet, judged: Judged | None, shown: int) -> Finding:
    """Count negatives that are a positive of their query: in the file, by id or by text, or by judgements."""
    positives = mined.positives()
    judged_ids = _judged_ids(mined, judged)
    number = total = by_judgement = 0
    instances: list[Instance] = []
    for query, document, line in mined.pairs():
        total += 1
        here = document in positives[query]
        there = not here and _is_judged(mined, judged, judged_ids[query], document)
        number += here or there
        by_judgement += there
        if (here or there) and len(instances) < shown:
            note = (
                "a positive of the query in this file"
                if here
                else f"judged relevant in {judged.name if judged else ''}"
            )
            instances.append(mined.instance(line, query, [("negative", document)], note))
    return Finding(
        name="positives-among-negatives",
        title="negatives that are known positives of their query",
        severity="error" if number else "fine",
        number=number,
        of=total,
        unit="negatives",
        meaning="Training on them teaches the model to push right answers away.",
        remedy="Drop them, by text and not by id alone."
        if number
        else _without(judged, "judgements of the training split"),
        values={"by judgements": by_judgement} if by_judgement else {},
        instances=tuple(instances),
    )


def _without(judged: Judged | None, what: str) -> str:
    return (
        "Nothing to do." if judged is not None else f"Only the file itself was compared: give {what} (--qrels) as well."
    )


def _judged_ids(mined: MinedSet, judged: Judged | None) -> list[set[str]]:
    """Return, for each query of the set, the ids judged relevant to it: by the query's id, or else by its text."""
    if judged is None:
        return [set() for _ in mined.queries]
    by_text: dict[Key, set[str]] = {}
    for query_id, text in judged.query_texts.items():
        by_text.setdefault(text_key(text), set()).update(judged.by_query[query_id])
    found = []
    for query in mined.queries:
        by_id = judged.by_query.get(query.query_id or "")
        found.append(set(by_id) if by_id is not None else by_text.get(query.key, set()))
    return found


def _is_judged(mined: MinedSet, judged: Judged | None, relevant: set[str], document: int) -> bool:
    if judged is None or not relevant:
        return False
    found = mined.documents[document]
    return found.doc_id in relevant or not relevant.isdisjoint(judged.document_keys.get(found.key, ()))


def copies_of_queries(mined: MinedSet, shown: int) -> Finding:
    """Count negatives whose text is that of their query."""
    number = total = 0
    instances: list[Instance] = []
    for query, document, line in mined.pairs():
        total += 1
        found = mined.queries[query]
        if found.text is not None and found.key == mined.documents[document].key:
            number += 1
            if len(instances) < shown:
                instances.append(mined.instance(line, query, [("negative", document)]))
    return Finding(
        name="copies-of-the-query",
        title="negatives with the text of their query",
        severity="warning" if number else "fine",
        number=number,
        of=total,
        unit="negatives",
        meaning="A document that repeats the query scores highest with any model; as a negative it fights the encoder.",
        remedy="Drop them, or call them positives where they answer the query." if number else "Nothing to do.",
        instances=tuple(instances),
    )


def no_negatives(mined: MinedSet, shown: int) -> Finding:
    """Count queries without a negative in any row."""
    empty = [query for query, negatives in enumerate(mined.negatives()) if not negatives]
    return Finding(
        name="queries-without-negatives",
        title="queries without negatives",
        severity="warning" if empty else "fine",
        number=len(empty),
        of=len(mined.queries),
        unit="queries",
        meaning="Several trainers fail on them, others pad them with negatives of other queries without a word.",
        remedy="Mine them again with a wider window, or leave them to in-batch negatives."
        if empty
        else "Nothing to do.",
        instances=tuple(mined.instance(mined.lines[query], query, []) for query in empty[:shown]),
    )


def evaluation_documents(mined: MinedSet, splits: list[Judged], side: str, shown: int) -> Finding:
    """Count documents of the set's negatives, or positives, that are relevant in an evaluation split.

    Args:
        mined: The set.
        splits: The evaluation splits.
        side: "negatives" or "positives".
        shown: How many instances are shown at most.
    """
    lines: dict[int, tuple[int, int]] = {}
    for row in mined.rows:
        for document in getattr(row, side):
            lines.setdefault(mined.same[document], (row.line, row.query))
    found: dict[int, str] = {}
    for split in splits:
        doc_ids = split.doc_ids()
        for document in lines:
            one = mined.documents[document]
            if one.doc_id in doc_ids or one.key in split.document_keys:
                found.setdefault(document, split.name)
    shown_ones = list(found.items())[:shown]
    bad: Severity = "warning" if side == "negatives" else "note"
    return Finding(
        name=f"evaluation-documents-among-{side}",
        title=f"{side} that are relevant in an evaluation split",
        severity="unchecked" if not splits else bad if found else "fine",
        number=len(found) if splits else None,
        of=len(lines),
        unit="documents",
        meaning=(
            "A document pushed away in training is what the evaluation looks for: the measure depends on the set."
            if side == "negatives"
            else "Where collections share one corpus this is usual; the model has seen what it is tested on."
        ),
        remedy=_split_remedy(splits, bool(found), "Keep them out of the negatives, or measure on another collection."),
        instances=tuple(
            mined.instance(*lines[document], [(side.removesuffix("s"), document)], f"relevant in {name}")
            for document, name in shown_ones
        ),
    )


def evaluation_queries(mined: MinedSet, splits: list[Judged], settings: Resemblance, shown: int) -> Finding:
    """Count queries of the set that are, or nearly are, queries of an evaluation split."""
    found: dict[int, tuple[str, str, float]] = {}
    for split in splits:
        for query, text, value in _like(mined, split, settings):
            if value > found.get(query, ("", "", 0.0))[2]:
                found[query] = (split.name, text, value)
    same = sum(value == 1 for _, _, value in found.values())
    bad: Severity = "error" if same else "warning"
    return Finding(
        name="evaluation-queries",
        title="queries that are, or nearly are, queries of an evaluation split",
        severity="unchecked" if not splits else bad if found else "fine",
        number=len(found) if splits else None,
        of=len(mined.queries),
        unit="queries",
        meaning=(
            "A model that trained on test queries is measured on what it has learnt by heart. A query that nearly is "
            "one may ask for something else: look at the examples."
        ),
        remedy=_split_remedy(splits, bool(found), "Take them out of the training set."),
        values={"the same but for letter case and spaces": same} if found else {},
        instances=tuple(
            Instance(
                mined.lines[query],
                mined.query_name(query),
                ((f"query of {name}", text),),
                "the same" if value == 1 else f"resemblance {value:.2f}",
            )
            for query, (name, text, value) in sorted(found.items())[:shown]
        ),
    )


def _like(mined: MinedSet, split: Judged, settings: Resemblance) -> Iterator[tuple[int, str, float]]:
    """Yield query, the split's query that is like it, and their resemblance: 1 for the same text."""
    keys: dict[Key, str] = {text_key(text): query_id for query_id, text in split.query_texts.items()}
    for number, query in enumerate(mined.queries):
        same = keys.get(query.key)
        if query.text is None and query.query_id in split.by_query:
            same = query.query_id
        if same is not None:
            yield number, split.query_texts.get(same, same), 1.0
    ids, texts = list(split.query_texts), [query.text or "" for query in mined.queries]
    pairs = near_duplicates_between(texts, [split.query_texts[query_id] for query_id in ids], settings)
    columns = (pairs.left.tolist(), pairs.right.tolist(), pairs.resemblance.tolist())
    for left, right, value in zip(*columns, strict=True):
        # Equal words are not yet an equal text: punctuation may differ.
        yield left, split.query_texts[ids[right]], min(value, 0.99)


def _split_remedy(splits: list[Judged], found: bool, remedy: str) -> str:
    if not splits:
        return (
            "Give the judgements of evaluation splits (--qrels test=FILE), with --corpus and --queries for their texts."
        )
    return remedy if found else "Nothing to do."
