"""Hugging Face data sets, at import and export: tables as they are, and training data in the trainers' shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.data.formats.examples import TrainingParts
from pyrite.data.formats.fitting import Written
from pyrite.data.formats.lines import Line
from pyrite.data.formats.parts import parts_of
from pyrite.data.formats.sentence_transformers import SentenceTransformersLayout, examples_of_rows, training_batches
from pyrite.data.table import Table
from pyrite.errors import DataError, Problem

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["from_dataset", "table_from_dataset", "table_to_dataset", "to_dataset"]

_BATCH_ROWS = 1024
_Table = TypeVar("_Table", bound=Table[Any])


def to_dataset(parts: TrainingParts, layout: SentenceTransformersLayout | None = None) -> tuple[Dataset, Written]:
    """Return training data as a data set for sentence-transformers' trainers.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        layout: The shape and what goes with it; by default n-tuples, and unlike a file's without ids, since
            the trainer takes every column for a text.

    Returns:
        The data set, and what was left out of it.

    Raises:
        DataError: An id has no text, a group does not fit the layout, or none is left.
    """
    from datasets import Dataset

    schema, batches, written = training_batches(parts, layout or SentenceTransformersLayout(ids=False))
    table = pa.Table.from_batches(batches, schema)
    # Without a fingerprint, the library pickles the whole table to find one.
    return Dataset(table, fingerprint=fingerprint_arrow(table)[:32]), written


def from_dataset(dataset: Dataset) -> TrainingParts:
    """Return what a data set in any of the trainers' shapes holds, as `read_sentence_transformers` does for a file.

    Args:
        dataset: One split; of a DatasetDict, choose one.

    Raises:
        DataError: It is no single split, its columns have no known shape, or rows have faults; each is
            listed with its row, from 1.
    """
    problems: list[Problem] = []
    return parts_of(examples_of_rows(_rows(dataset, problems), "the data set"), problems, "the data set")


def table_to_dataset(table: Table[Any]) -> Dataset:
    """Return a table as a data set with the same columns; its metadata stay behind."""
    from datasets import Dataset

    return Dataset(table.arrow)


def table_from_dataset(dataset: Dataset, kind: type[_Table], metadata: Mapping[str, Any] | None = None) -> _Table:
    """Return a data set's columns as a table.

    Args:
        dataset: One split, with exactly the columns of the table.
        kind: The class of the table, such as `Corpus`.
        metadata: Facts about the whole table, which a data set does not hold.

    Raises:
        DataError: It is no single split, or its rows do not make such a table.
    """
    return kind(pa.concat_tables(_arrow(dataset)), metadata)


def _arrow(dataset: Dataset) -> Iterator[pa.Table]:
    from datasets import Dataset

    if not isinstance(dataset, Dataset):
        raise DataError(f"wants a datasets.Dataset, this is a {type(dataset).__name__}; choose one split of it")
    # A filtered or shuffled data set keeps its rows in place and an index beside them; only reading applies it.
    yield from dataset.with_format("arrow").iter(_BATCH_ROWS)


def _rows(dataset: Dataset, problems: list[Problem]) -> Iterator[tuple[Line, dict[str, Any]]]:
    rows = (row for table in _arrow(dataset) for row in table.to_pylist())
    for number, row in enumerate(rows, start=1):
        yield Line("the data set", number, "", problems), row
