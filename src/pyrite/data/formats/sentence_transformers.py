"""Training files of sentence-transformers, as JSONL or Parquet, told apart by their suffix.

Its trainers read columns by their *order*; only a label column is known by its name:

| shape | columns |
|---|---|
| triplet | anchor, positive, negative (, scores) |
| n-tuple | anchor, positive, negative_1 to negative_N (, scores: the positive's first) |
| labeled-pair | anchor, document, label (or score) |
| labeled-list | anchor, documents, labels (or scores): the positive first |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from pyrite.data.formats.columns import ExampleColumns
from pyrite.data.formats.examples import PartsBuilder, TrainingParts, Written, examples, with_negatives
from pyrite.data.formats.lines import Line, json_line, read_objects, write_lines
from pyrite.data.formats.shapes import ROWS, Row, Shape, fields
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import TrainingSet
from pyrite.errors import DataError, Problem, SettingsError
from pyrite.settings import Settings

__all__ = [
    "SentenceTransformersLayout",
    "parts_of_rows",
    "read_sentence_transformers",
    "training_batches",
    "write_sentence_transformers",
]

_BATCH_ROWS = 1024


class SentenceTransformersLayout(Settings):
    """How a training file for sentence-transformers looks."""

    type: Literal["sentence-transformers"] = "sentence-transformers"
    shape: Shape = "n-tuple"
    """One row for each positive and negative (triplet), each positive (n-tuple, labeled-list) or each text."""
    negatives: int | None = Field(default=None, ge=0)
    """How many negatives of a group to write, the first ones; None for all. An n-tuple has exactly that
    many, and by default as many as the largest group."""
    incomplete: Literal["error", "drop"] = "error"
    """What becomes of a group that has too few negatives for its shape or, with scores and without ids, lacks
    a score. Nothing is ever padded."""
    ids: bool = True
    """Whether to add columns of ids, and of weights where there are any. The trainer would take them for
    texts, so a file that it is to read as it stands has none."""
    scores: bool = False
    """Whether to add the teacher's scores. Beside ids a missing one stays null; without ids they take the
    place of labels, as the trainer wants it."""


def write_sentence_transformers(
    parts: TrainingParts, path: Path, layout: SentenceTransformersLayout | None = None
) -> Written:
    """Write a training file.

    With ids and scores, in any shape, `read_sentence_transformers` gives back the ids, texts, order, scores
    and weights of the groups written. To train on a file with ids, take its other columns alone:
    `dataset.remove_columns([c for c in dataset.column_names if c.endswith(("_id", "_ids", "weight", "weights"))])`.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        path: A name that ends in `.jsonl` or `.parquet`.
        layout: The shape and what goes with it; by default, n-tuples with ids.

    Returns:
        What was written and what was left out.

    Raises:
        SettingsError: The name has another suffix.
        DataError: An id has no text, a group does not fit the layout (each is listed), or none is left.
    """
    path, layout = Path(path), layout or SentenceTransformersLayout()
    _check_suffix(path)
    schema, batches, written = training_batches(parts, layout)
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    else:
        write_lines(path, (json_line(row) for batch in batches for row in batch.to_pylist()))
    return written


def _check_suffix(path: Path) -> None:
    if path.suffix not in {".jsonl", ".parquet"}:
        raise SettingsError(f"{path}: the name of a training file ends in .jsonl or .parquet")


def training_batches(
    parts: TrainingParts, layout: SentenceTransformersLayout
) -> tuple[pa.Schema, Iterator[pa.RecordBatch], Written]:
    """Return the rows of a training file as Arrow batches, with their schema and what is left out.

    Arguments and errors as in `write_sentence_transformers`.
    """
    groups, written = _fit(parts.training_set, layout)
    weighted = any(group.weights is not None for group in groups)
    widest = max(len(group.negative_ids) for group in groups)
    schema = pa.schema(fields(layout.shape, widest, layout.ids, layout.scores, weighted))
    kept = parts._replace(training_set=TrainingSet.from_rows(groups))
    rows = (row for example in examples(kept) for row in ROWS[layout.shape](example))
    return schema, _batches(rows, schema), written


def _batches(rows: Iterator[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while some := list(islice(rows, _BATCH_ROWS)):
        yield pa.RecordBatch.from_pylist(some, schema)


def _fit(training_set: TrainingSet, layout: SentenceTransformersLayout) -> tuple[list[TrainingGroup], Written]:
    """Return the groups that the layout holds, cut to its number of negatives, and the count of the rest."""
    groups = list(training_set.rows())
    limit = max((len(group.negative_ids) for group in groups), default=0)
    limit = limit if layout.negatives is None else layout.negatives
    cut = [with_negatives(group, limit) for group in groups]
    faults = {group.query_id: fault for group in cut if (fault := _fault(group, limit, layout))}
    kept = [group for group in cut if group.query_id not in faults]
    if faults and layout.incomplete == "error":
        problems = [Problem("training_set", None, f"the query {key!r} {fault}") for key, fault in faults.items()]
        raise DataError(f"groups do not fit the shape {layout.shape}; drop them, or ask for fewer negatives", problems)
    if not kept:
        raise DataError(f"the training set has no group that fits the shape {layout.shape}")
    unused = sum(len(group.negative_ids) for group in groups if group.query_id not in faults)
    return kept, Written(
        rows=sum(_row_count(group, layout.shape) for group in kept),
        dropped_groups=len(faults),
        unused_negatives=unused - sum(len(group.negative_ids) for group in kept),
        unused_weights=0 if layout.ids else sum(group.weights is not None for group in kept),
    )


def _fault(group: TrainingGroup, limit: int, layout: SentenceTransformersLayout) -> str | None:
    wanted = {"n-tuple": limit, "triplet": 1}.get(layout.shape, 0)
    if len(group.negative_ids) < wanted:
        return f"has {len(group.negative_ids)} negatives, wants {wanted}"
    if layout.scores and not layout.ids and (not group.teacher_scores or None in group.teacher_scores):
        return "lacks teacher scores, which a file without ids cannot leave out"
    return None


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
        path: A name that ends in `.jsonl` or `.parquet`.

    Returns:
        Corpus, queries and training set, in the order of the file. A document's text is all that the
        file says; titles are part of it.

    Raises:
        SettingsError: The name has another suffix.
        DataError: The columns have no known shape, or rows have faults; each is listed with its line (in
            Parquet, its row from 1).
    """
    path = Path(path)
    _check_suffix(path)
    problems: list[Problem] = []
    rows = _parquet_rows(path, problems) if path.suffix == ".parquet" else read_objects(path, problems)
    return parts_of_rows(rows, problems, str(path))


def parts_of_rows(rows: Iterable[tuple[Line, dict[str, Any]]], problems: list[Problem], where: str) -> TrainingParts:
    """Return what the rows of a file or data set hold; the first row tells the columns.

    Raises:
        DataError: As in `read_sentence_transformers`.
    """
    builder, columns = PartsBuilder(), None
    for line, row in rows:
        columns = columns or ExampleColumns.of(row, where)
        example = columns.parse(line, row)
        if line.valid and example:
            builder.add(line, example)
    return builder.build(problems, where)


def _parquet_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[Line, dict[str, Any]]]:
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=_BATCH_ROWS)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield Line(str(path), number, "", problems), row
    except FileNotFoundError:
        problems.append(Problem(str(path), None, "there is no such file"))
    except (pa.ArrowException, OSError) as error:
        problems.append(Problem(str(path), None, f"cannot be read as Parquet: {error}"))
