"""Training files of Tevatron: one JSON object a line, one line a query, passages inline or by their ids.

Its `TrainDataset` (tevatron/retriever/dataset.py) reads `query` and `positive_passages`, `negative_passages` with
`title` and `text` in each, or `query_text` and `positive_document_ids`, `negative_document_ids`, whose texts are in
a corpus of `docid` and `text`. Where a passage has a `title` it puts it, and a space, in front of the text. Other
keys are ignored. A query without negatives makes it fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import (
    EXAMPLE_WEIGHT,
    id_field,
    names_field,
    numbers_field,
    sources_field,
    text_field,
    weight_field,
    weights_field,
)
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, written
from pyrite.data.formats.lines import Line, describe
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.formats.texts import TextKeys, write_texts_beside
from pyrite.data.records import TrainingGroup
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["TevatronLayout", "tevatron_examples", "write_tevatron"]

_BY_ID = ("positive_document_ids", "negative_document_ids")
_INLINE = ("positive_passages", "negative_passages")


class TevatronLayout(Settings):
    """How a training file for Tevatron looks."""

    type: Literal["tevatron"] = "tevatron"
    passages: Literal["inline", "ids"] = "inline"
    """Whether texts stand in the file, or ids whose texts are in a corpus; that is written beside it, with `.corpus`
    in its name, where the texts are at hand."""
    incomplete: Incomplete | Literal["keep"] = "error"
    """What becomes of a query without negatives, on which its trainer fails. "keep" writes the empty list."""
    scores: bool = False
    """Whether to add the teacher's `score` to each passage; only inline. A missing one is left out."""


def write_tevatron(parts: TrainingParts, path: Path, layout: TevatronLayout | None = None) -> Written:
    """Write a training file.

    Inline, it holds everything that `read_training_set` gives back: beside what the trainer reads, each passage may
    have `score`, `weight` and `sources`, and a line `margins` and `example_weight`.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        path: A name that ends in `.jsonl` or `.jsonl.gz`.
        layout: What goes into it; by default, passages inline without scores.

    Raises:
        SettingsError: The name has another suffix.
        DataError: An id has no text, a group has no negatives (each is listed), or none is left.
    """
    layout = layout or TevatronLayout()
    check_name(path, ".jsonl", ".jsonl.gz")
    inline = layout.passages == "inline"
    fitted = fit(parts.training_set, _fault, layout.incomplete, "Tevatron's trainer fails on queries without negatives")
    kept = parts._replace(training_set=fitted.groups)
    if inline:
        titled = any(title != "" for title in parts.corpus.column("title").unique().to_pylist())
        rows = write_rows(path, (_inline_row(example, layout, titled) for example in examples(kept)))
    else:
        rows = write_rows(path, map(_id_row, examples(kept, documents=False)))
        write_texts_beside(kept, path, TextKeys("docid"))
    holds = Holds(weights=inline, scores=inline and layout.scores, margins=inline, sources=inline, titles=True)
    return written(parts, fitted, holds, rows)


def _fault(group: TrainingGroup) -> str | None:
    return None if group.negative_ids else "has no negatives"


def _inline_row(example: Example, layout: TevatronLayout, titled: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"query_id": example.query_id, "query": example.query}
    for name, passages in zip(_INLINE, (example.positives, example.negatives), strict=True):
        row[name] = [_passage_row(passage, layout, titled) for passage in passages]
    row |= {"margins": list(example.margins)} if example.margins else {}
    return row | ({} if example.weight is None else {EXAMPLE_WEIGHT: example.weight})


def _passage_row(passage: Passage, layout: TevatronLayout, titled: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"docid": passage.doc_id}
    # All passages or none: an absent title reads as null beside others, which its trainer cannot join.
    row |= {"title": passage.title} if titled else {}
    row["text"] = passage.text
    row |= {"score": passage.score} if layout.scores and passage.score is not None else {}
    row |= {"weight": passage.weight} if passage.weight is not None else {}
    return row | ({"sources": list(passage.sources)} if passage.sources else {})


def _id_row(example: Example) -> dict[str, Any]:
    sides = zip(_BY_ID, (example.positives, example.negatives), strict=True)
    return {"query_id": example.query_id, "query_text": example.query} | {
        name: [passage.doc_id for passage in passages] for name, passages in sides
    }


def tevatron_examples(path: Path, problems: list[Problem], facts: dict[str, Any]) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each line, inline or by id; faults are noted, and `facts` stays as it is."""
    for line, record in read_rows(path, problems):
        example = _by_id(line, record) if _BY_ID[0] in record else _inline(line, record)
        if line.valid:
            yield line, example


def _by_id(line: Line, record: dict[str, Any]) -> Example:
    positives, negatives = (
        tuple(Passage(None, doc_id) for doc_id in names_field(line, record, name)) for name in _BY_ID
    )
    return Example(
        text_field(line, record, "query_text") or None, id_field(line, record, "query_id"), positives, negatives
    )


def _inline(line: Line, record: dict[str, Any]) -> Example:
    for name in ("query", *_INLINE):
        if name not in record:
            line.fault(f"`{name}` is missing")
    query_id = None if record.get("query_id") is None else id_field(line, record, "query_id")
    positives, negatives = (tuple(_passages(line, record, name)) for name in _INLINE)
    margins = numbers_field(line, record, "margins", len(positives) * len(negatives), "pairs")
    query = text_field(line, record, "query") or ""
    known = tuple(margins) if record.get("margins") else None
    return Example(query, query_id, positives, negatives, known, weight_field(line, record))


def _passages(line: Line, record: dict[str, Any], name: str) -> Iterator[Passage]:
    given = record.get(name) or []
    if not isinstance(given, Sequence) or isinstance(given, str):
        line.fault(f"`{name}` is {describe(given)}, wants a list")
        return
    for position, passage in enumerate(given, start=1):
        if not isinstance(passage, dict):
            line.fault(f"item {position} of `{name}` is {describe(passage)}, wants an object with `text`")
            continue
        (score,) = numbers_field(line, {"score": [passage.get("score")]}, "score", 1)
        (weight,) = weights_field(line, {"weight": [passage.get("weight")]}, "weight", 1)
        (sources,) = sources_field(line, {"sources": [passage.get("sources")]}, "sources", 1)
        doc_id = None if passage.get("docid") is None else id_field(line, passage, "docid")
        text, title = text_field(line, passage, "text") or "", text_field(line, passage, "title") or ""
        yield Passage(text, doc_id, score, weight, title, sources)
