"""Training files of sentence-transformers, as JSONL or Parquet, told apart by their suffix.

Its trainers read columns by their *order*; only a label column is known by its name:

| shape | columns |
|---|---|
| triplet | anchor, positive, negative (, scores; or label: the margin) |
| n-tuple | anchor, positive, negative_1 to negative_N (, scores: the positive's first; or label: N margins) |
| labeled-pair | anchor, document, label (or score) |
| labeled-list | anchor, documents, labels (or scores): the positive first |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from pyrite.data.formats.columns import ExampleColumns
from pyrite.data.formats.examples import Example, Score, TrainingParts, examples, known_margins
from pyrite.data.formats.fields import EXAMPLE_WEIGHT
from pyrite.data.formats.fitting import Fitted, Holds, Incomplete, Written, fit, lacks_scores, written
from pyrite.data.formats.lines import Line
from pyrite.data.formats.parts import parts_of
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.formats.shapes import ROWS, Numbers, Row, Shape, fields
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import TrainingSet
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = [
    "SentenceTransformersLayout",
    "examples_of_rows",
    "read_sentence_transformers",
    "sentence_transformers_examples",
    "training_batches",
    "write_sentence_transformers",
]

_BATCH_ROWS = 1024
_ENDS = (".jsonl", ".jsonl.gz", ".parquet")


class SentenceTransformersLayout(Settings):
    """How a training file for sentence-transformers looks."""

    type: Literal["sentence-transformers"] = "sentence-transformers"
    shape: Shape = "n-tuple"
    """One row for each positive and negative (triplet), each positive (n-tuple, labeled-list) or each text."""
    negatives: int | None = Field(default=None, ge=0)
    """How many negatives of a group to write, the first ones; None for all. An n-tuple has exactly that
    many, and by default as many as the largest group."""
    incomplete: Incomplete = "error"
    """What becomes of a group that has too few negatives for its shape or, with scores and without ids, lacks
    a score. Nothing is ever padded."""
    ids: bool = True
    """Whether to add columns of ids, and of weights where there are any. The trainer would take them for
    texts, so a file that it is to read as it stands has none."""
    scores: bool = False
    """Whether to add the teacher's scores. Beside ids a missing one stays null; without ids they take the
    place of labels, as the trainer wants it."""
    margins: bool = False
    """Whether to add the teacher's margins as `label`, which MarginMSELoss trains on: in triplets and n-tuples, in
    place of scores. A group of which one is missing is incomplete."""

    @model_validator(mode="after")
    def _has_one_label(self) -> Self:
        if self.margins and (self.scores or self.shape not in {"triplet", "n-tuple"}):
            raise ValueError("margins stand in triplets and n-tuples, and not beside scores")
        return self

    @property
    def numbers(self) -> Numbers:
        """What the teacher's numbers are written as."""
        return "margins" if self.margins else "scores" if self.scores else "none"


def write_sentence_transformers(
    parts: TrainingParts, path: Path, layout: SentenceTransformersLayout | None = None
) -> Written:
    """Write a training file.

    With ids and scores, in any shape, `read_sentence_transformers` gives back the ids, texts, order, scores
    and weights of the groups written. To train on a file with ids, take its other columns alone:
    `dataset.remove_columns([c for c in dataset.column_names if c.endswith(("_id", "_ids", "weight", "weights"))])`.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        path: A name that ends in `.jsonl`, `.jsonl.gz` or `.parquet`.
        layout: The shape and what goes with it; by default, n-tuples with ids.

    Returns:
        What was written and what was left out.

    Raises:
        SettingsError: The name has another suffix.
        DataError: An id has no text, a group does not fit the layout (each is listed), or none is left.
    """
    path, layout = Path(path), layout or SentenceTransformersLayout()
    check_name(path, *_ENDS)
    schema, batches, report = training_batches(parts, layout)
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    else:
        write_rows(path, (row for batch in batches for row in batch.to_pylist()))
    return report


def training_batches(
    parts: TrainingParts, layout: SentenceTransformersLayout
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Written]:
    """Return the rows of a training file as Arrow batches, with their schema and what is left out.

    Arguments and errors as in `write_sentence_transformers`.
    """
    fitted = _fit(parts.training_set, layout)
    kept = parts._replace(training_set=fitted.groups)
    columns = ("weights", EXAMPLE_WEIGHT)
    weighted = [name for name in columns if fitted.groups.column(name).null_count < len(fitted.groups)]
    widest = pc.max(pc.list_value_length(fitted.groups.column("negative_ids"))).as_py()
    schema = pa.schema(fields(layout.shape, widest, layout.ids, layout.numbers, weighted))
    found = examples(kept)
    count = sum(_row_count(group, layout.shape) for group in fitted.groups.rows())
    holds = Holds(weights=layout.ids, scores=layout.scores, margins=layout.margins, ids=layout.ids)
    rows = (row for example in found for row in ROWS[layout.shape](example))
    return schema, _batches(rows, schema), written(parts, fitted, holds, count)


def _batches(rows: Iterator[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(some, schema)


def _fit(training_set: TrainingSet, layout: SentenceTransformersLayout) -> Fitted:
    """Return the groups that the layout holds, cut to its number of negatives, and the count of the rest."""
    widest = pc.max(pc.list_value_length(training_set.column("negative_ids"))).as_py() or 0
    limit = widest if layout.negatives is None else layout.negatives
    refusal = f"groups do not fit the shape {layout.shape}; drop them, or ask for fewer negatives"
    return fit(training_set, lambda group: _fault(group, limit, layout), layout.incomplete, refusal, limit)


def _fault(group: TrainingGroup, limit: int, layout: SentenceTransformersLayout) -> str | None:
    wanted = {"n-tuple": limit, "triplet": 1}.get(layout.shape, 0)
    if len(group.negative_ids) < wanted:
        return f"has {len(group.negative_ids)} negatives, wants {wanted}"
    if layout.scores and not layout.ids and lacks_scores(group):
        return "lacks teacher scores, which a file without ids cannot leave out"
    if layout.margins and None in _margins(group):
        return "lacks a margin, or the two scores that one follows from"
    return None


def _margins(group: TrainingGroup) -> list[Score]:
    count = len(group.positive_ids)
    scores = group.teacher_scores or (None,) * (count + len(group.negative_ids))
    return known_margins(scores[:count], scores[count:], group.margins)


def _row_count(group: TrainingGroup, shape: Shape) -> int:
    positives, negatives = len(group.positive_ids), len(group.negative_ids)
    return {"triplet": positives * negatives, "labeled-pair": positives + negatives}.get(shape, positives)


def read_sentence_transformers(path: Path) -> TrainingParts:
    """Read a training file of any of the shapes; which one follows from its columns.

    The first text column is the anchor, the next the positive or the document(s), the others are negatives,
    whatever their names. Columns whose name ends in `_id` or `_ids` are no texts; those that the writer
    adds are read. Rows of one query, by id or else by text, make one group. A text without an id gets one
    that follows from the text; equal texts have equal ids.

    Args:
        path: A name that ends in `.jsonl`, `.jsonl.gz` or `.parquet`.

    Returns:
        Corpus, queries and training set, in the order of the file. A document's text is all that the
        file says; titles are part of it.

    Raises:
        SettingsError: The name has another suffix.
        DataError: The columns have no known shape, or rows have faults; each is listed with its line (in
            Parquet, its row from 1).
    """
    path, problems = Path(path), list[Problem]()
    return parts_of(sentence_transformers_examples(path, problems, {}), problems, str(path))


def sentence_transformers_examples(
    path: Path, problems: list[Problem], facts: dict[str, Any]
) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each row with its line; faults are noted, and `facts` stays as it is.

    Raises:
        SettingsError: The name has no suffix of such a file.
        DataError: The columns have no known shape.
    """
    # Elsewhere lines of JSON often lie under the name of one object.
    check_name(path, *_ENDS, ".json", ".json.gz")
    return examples_of_rows(read_rows(path, problems), str(path))


def examples_of_rows(rows: Iterable[tuple[Line, dict[str, Any]]], where: str) -> Iterator[tuple[Line, Example]]:
    """Yield what the rows of a file or data set hold; the first row tells the columns.

    Raises:
        DataError: The columns have no known shape.
    """
    columns = None
    for line, row in rows:
        columns = columns or ExampleColumns.of(row, where)
        example = columns.parse(line, row)
        if line.valid and example:
            yield line, example
