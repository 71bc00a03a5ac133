"""Distillation files of PyLate: `{"query_id", "document_ids", "scores"}` a row, texts in two data sets apart.

Its `KDProcessing` (pylate/utils/processing.py) looks texts up in data sets of `query_id`, `text` and of `document_id`,
`text`, and takes lists that are written as strings; its collator makes one tensor of the scores, so that none may be
missing and all rows want as many, and passes over columns with `_id` in their name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import id_field, names_field, numbers_field
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, lacks_scores, written
from pyrite.data.formats.lines import Line
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.formats.texts import TextKeys, write_texts_beside
from pyrite.data.records import TrainingGroup
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["PyLateLayout", "pylate_examples", "write_pylate"]


class PyLateLayout(Settings):
    """How a distillation file for PyLate looks."""

    type: Literal["pylate"] = "pylate"
    negatives: int | None = Field(default=None, ge=0)
    """How many negatives of a group to write, the first ones; None for all. A group with fewer is incomplete."""
    incomplete: Incomplete | Literal["keep"] = "error"
    """What becomes of a group that lacks a teacher score or has fewer negatives than asked for: its trainer fails on
    either. "keep" writes null for a missing score. Nothing is ever padded."""
    positives: bool = True
    """Whether to add `positive_ids`, without which the file does not say which documents are positives. Its trainer
    passes over the column."""


def write_pylate(parts: TrainingParts, path: Path, layout: PyLateLayout | None = None) -> Written:
    """Write one row for each group: positives, then negatives, with the teacher's scores.

    Texts at hand go into files beside it, with `.corpus` and `.queries` in their names.

    Args:
        parts: The training set, with the documents and queries that it refers to, as far as they are at hand.
        path: A name that ends in `.jsonl` or `.jsonl.gz`.
        layout: What goes into it.

    Raises:
        SettingsError: The name has another suffix.
        DataError: A group is incomplete (each is listed), or none is left.
    """
    layout = layout or PyLateLayout()
    check_name(path, ".jsonl", ".jsonl.gz")
    refusal = "PyLate distils from scores; score all documents by a teacher, or drop the groups without"
    fitted = fit(parts.training_set, lambda group: _fault(group, layout), layout.incomplete, refusal, layout.negatives)
    kept = parts._replace(training_set=fitted.groups)
    rows = write_rows(path, (_row(example, layout) for example in examples(kept, queries=False, documents=False)))
    write_texts_beside(kept, path, TextKeys("document_id", "query_id", title=False))
    return written(parts, fitted, Holds(scores=True), rows)


def _fault(group: TrainingGroup, layout: PyLateLayout) -> str | None:
    if layout.negatives is not None and len(group.negative_ids) < layout.negatives:
        return f"has {len(group.negative_ids)} negatives, wants {layout.negatives}"
    return "lacks teacher scores" if lacks_scores(group) else None


def _row(example: Example, layout: PyLateLayout) -> dict[str, Any]:
    passages = example.positives + example.negatives
    row = {
        "query_id": example.query_id,
        "document_ids": [passage.doc_id for passage in passages],
        "scores": [passage.score for passage in passages],
    }
    return row | ({"positive_ids": [passage.doc_id for passage in example.positives]} if layout.positives else {})


def pylate_examples(path: Path, problems: list[Problem], facts: dict[str, Any]) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each row; faults are noted.

    The format does not say which documents are positives. A row's `positive_ids` say it; for rows without,
    `facts["positives"]` has to: {query_id: ids of its positives}, or "first" where the first document is the only one.
    """
    positives = facts.pop("positives", None)
    for line, record in read_rows(path, problems):
        lists = {name: _list(record.get(name)) for name in ("document_ids", "scores", "positive_ids")}
        query_id = id_field(line, record, "query_id")
        doc_ids = names_field(line, lists, "document_ids")
        scores = numbers_field(line, lists, "scores", len(doc_ids), "documents")
        known = set(names_field(line, lists, "positive_ids"))
        if positives == "first":
            known = known or set(doc_ids[:1])
        elif positives is not None:
            known = known or set(positives.get(query_id, ()))
        if line.valid and not known & set(doc_ids):
            line.fault(
                "nothing says which of the documents are positives: there are no `positive_ids`; give judgements, or "
                "say that the first one is"
            )
        if line.valid:
            yield line, _example(query_id, doc_ids, scores, known)


def _example(query_id: str | None, doc_ids: list[str], scores: list[float | None], positives: set[str]) -> Example:
    passages = [Passage(None, doc_id, score) for doc_id, score in zip(doc_ids, scores, strict=True)]
    return Example(
        None,
        query_id,
        tuple(passage for passage in passages if passage.doc_id in positives),
        tuple(passage for passage in passages if passage.doc_id not in positives),
    )


def _list(value: Any) -> Any:
    """Return the list that a string stands for, as PyLate takes it; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
