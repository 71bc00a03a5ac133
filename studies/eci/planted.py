"""False negatives that are known: excerpts and rewritings of positives, and labels that are dropped.

A planted document is new, never a copy of its positive, and stands in no corpus that is searched. Which places of a set
are planted is drawn for each place alone, so that a larger share holds the places of a smaller one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from pyrite.data import Corpus, TrainingGroup, TrainingSet
from pyrite.data.records import Document
from pyrite.data.text import text_key
from pyrite.seeds import rng

__all__ = ["Writing", "dropped_labels", "excerpt", "paraphrase", "planted", "units"]

Writing = Literal["excerpt", "paraphrase"]
"""How a planted document is made of a positive."""

_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[A-Z0-9])")
_CLAUSES = re.compile(r"(?<=[,;:])\s+")
_WORDS = re.compile(r"[A-Za-z]+")
_ALIKE = [
    *(("show", "demonstrate"), ("shows", "demonstrates"), ("showed", "demonstrated"), ("shown", "demonstrated")),
    *(("use", "employ"), ("used", "employed"), ("using", "employing"), ("find", "observe"), ("found", "observed")),
    *(("increase", "rise"), ("increased", "raised"), ("decrease", "decline"), ("reduced", "lowered")),
    *(("important", "essential"), ("significant", "considerable"), ("many", "numerous"), ("often", "frequently")),
    *(("however", "nevertheless"), ("therefore", "thus"), ("although", "though"), ("also", "additionally")),
    *(("cause", "trigger"), ("causes", "triggers"), ("people", "persons"), ("patients", "sufferers")),
    *(("doctor", "physician"), ("illness", "disease"), ("treatment", "therapy"), ("symptoms", "signs")),
    *(("begin", "start"), ("large", "big"), ("small", "little"), ("help", "aid"), ("need", "require")),
    *(("return", "yield"), ("value", "number"), ("result", "outcome"), ("results", "outcomes"), ("name", "label")),
    *(("self", "this"), ("obj", "thing"), ("data", "content"), ("key", "index"), ("args", "arguments")),
]
_OTHER_WORD = {one: other for pair in _ALIKE for one, other in (pair, pair[::-1])}


def units(text: str) -> list[str]:
    """Return the sentences of a text; its lines where it has one sentence, its clauses where it has one line.

    Example:
        >>> units("It is soft. It dents.")
        ['It is soft.', 'It dents.']
    """
    lines = [line for line in text.splitlines() if line.strip()]
    for parts in (_SENTENCES.split(text.strip()), lines, _CLAUSES.split(text.strip())):
        if len(parts) > 1:
            return parts
    return [text.strip()]


def excerpt(text: str, generator: np.random.Generator) -> str | None:
    """Return half of the units of a text, drawn and in their order; None where it has one only."""
    parts = units(text)
    if len(parts) < 2:
        return None
    chosen = np.sort(generator.permutation(len(parts))[: (len(parts) + 1) // 2])
    return _joined(text, [parts[place] for place in chosen.tolist()])


def paraphrase(text: str, generator: np.random.Generator) -> str | None:
    """Return the units of a text in another order, words exchanged for others of like meaning; None if it is the same.

    The rules are crude; what matters is that the document answers what its positive answers, in other words in part.
    """
    parts = units(text)
    drawn = [parts[place] for place in generator.permutation(len(parts)).tolist()]
    written = _joined(text, [_WORDS.sub(_exchanged, part) for part in drawn])
    return written if text_key(written) != text_key(text) else None


_WRITERS: Mapping[Writing, Callable[[str, np.random.Generator], str | None]] = {
    "excerpt": excerpt,
    "paraphrase": paraphrase,
}


def _joined(text: str, parts: list[str]) -> str:
    return ("\n" if "\n" in text.strip() else " ").join(parts)


def _exchanged(match: re.Match[str]) -> str:
    word = match.group()
    other = _OTHER_WORD.get(word.lower(), word)
    return other.capitalize() if word[0].isupper() and other != word else other


def planted(base: TrainingSet, corpus: Corpus, writing: Writing, share: float) -> tuple[TrainingSet, Corpus]:
    """Put new documents made of positives into a share of the places of negatives.

    Args:
        base: The set that is changed.
        corpus: Holds the positives.
        writing: How documents are made.
        share: Of all places, in (0, 1). A place whose positive gives no new document stays as it is.

    Returns:
        The set, and the new documents.
    """
    documents, groups = list[Document](), list[TrainingGroup]()
    for group in base.rows():
        negatives, seen = list(group.negative_ids), {_key(corpus, doc_id) for doc_id in group.positive_ids}
        for place in range(len(negatives)):
            if rng(0, "planted-place", group.query_id, str(place)).random() >= share:
                continue
            positive = group.positive_ids[place % len(group.positive_ids)]
            text = _WRITERS[writing](_text(corpus, positive), rng(0, f"planted-{writing}", group.query_id, str(place)))
            if text is not None and text_key(text) not in seen:
                seen.add(text_key(text))
                negatives[place] = f"{writing}:{group.query_id}:{place}"
                documents.append(Document(negatives[place], text))
        groups.append(TrainingGroup(group.query_id, group.positive_ids, tuple(negatives)))
    return TrainingSet.from_rows(groups), Corpus.from_rows(documents)


def dropped_labels(base: TrainingSet, corpus: Corpus, share: float) -> tuple[TrainingSet, int]:
    """Make negatives of all positives but one, in a share of the queries that have several.

    A positive with the text of the one that is kept stays one: it would be a copy.

    Args:
        base: The set that is changed; the number of a query's negatives stays, unless it had too few.
        corpus: Holds the positives.
        share: Of the queries with several positives of different text.

    Returns:
        The set, and how many labels were dropped.
    """
    groups, dropped = list[TrainingGroup](), 0
    for group in base.rows():
        kept, *others = group.positive_ids
        copies = [doc_id for doc_id in others if _key(corpus, doc_id) == _key(corpus, kept)]
        lost = [doc_id for doc_id in others if doc_id not in copies]
        if lost and rng(0, "dropped-labels", group.query_id).random() < share:
            negatives = (*lost, *group.negative_ids)[: max(len(group.negative_ids), 1)]
            dropped += sum(doc_id in negatives for doc_id in lost)
            group = TrainingGroup(group.query_id, (kept, *copies), negatives)
        groups.append(group)
    return TrainingSet.from_rows(groups), dropped


def _text(corpus: Corpus, doc_id: str) -> str:
    row = corpus.position(doc_id)
    part = corpus.part(("text", "title"), range(row, row + 1))
    return str(part.column("text")[0].as_py() or part.column("title")[0].as_py())


def _key(corpus: Corpus, doc_id: str) -> int:
    return int(corpus.copy_keys()[corpus.position(doc_id)])
