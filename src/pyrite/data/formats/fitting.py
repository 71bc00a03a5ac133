"""Which groups a layout can hold, and the account of what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data.formats.examples import TrainingParts, used_documents, with_negatives
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import Corpus, TrainingSet
from pyrite.errors import DataError, Problem

__all__ = ["Fitted", "Holds", "Incomplete", "Written", "fit", "lacks_scores", "written"]

Incomplete = Literal["error", "drop"]
"""What becomes of a group that a layout cannot hold."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer of training files did, and what the file does not hold.

    Attributes:
        rows: Rows in the file.
        dropped_groups: Groups left out because the layout cannot hold them.
        unused_negatives: Negatives of the other groups that are in no row: beyond the number that was asked for, or
            without what the layout wants of each.
        unused_positives: Positives of the other groups that are in no row.
        unused_weights: Groups whose negatives' weights the file does not hold.
        unused_example_weights: Groups whose own weight it does not hold.
        unused_scores: Groups whose teacher scores it does not hold.
        unused_margins: Groups whose margins it does not hold.
        unused_sources: Groups whose negatives' sources it does not hold.
        unused_ids: Groups whose ids it does not hold.
        joined_titles: Documents in use whose title stands in front of their text and not apart.
    """

    rows: int
    dropped_groups: int = 0
    unused_negatives: int = 0
    unused_positives: int = 0
    unused_weights: int = 0
    unused_example_weights: int = 0
    unused_scores: int = 0
    unused_margins: int = 0
    unused_sources: int = 0
    unused_ids: int = 0
    joined_titles: int = 0

    def told(self) -> list[str]:
        """Return a sentence for each thing that the file does not hold.

        Example:
            >>> Written(rows=3, dropped_groups=1, unused_scores=2).told()
            ['left out because they do not fit: 1 group', "the teacher's scores of 2 groups have no place in the file"]
        """
        return [
            sentence.format(_count(number, what))
            for name, what, sentence in _SENTENCES
            if (number := getattr(self, name))
        ]


_SENTENCES = (
    ("dropped_groups", "group", "left out because they do not fit: {}"),
    ("unused_negatives", "negative", "in no row: {}"),
    ("unused_positives", "positive", "in no row: {}"),
    ("unused_scores", "group", "the teacher's scores of {} have no place in the file"),
    ("unused_margins", "group", "the teacher's margins of {} have no place in the file"),
    ("unused_weights", "group", "the weights of {} have no place in the file"),
    ("unused_example_weights", "group", "the example weights of {} have no place in the file"),
    ("unused_sources", "group", "the sources of {} have no place in the file"),
    ("unused_ids", "group", "the ids of {} have no place in the file"),
    ("joined_titles", "document", "the title of {} stands in front of the text, no longer apart"),
)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


@dataclass(frozen=True, slots=True)
class Holds:
    """What a file holds beside texts or ids, as its layout is set; weights are those of negatives and of groups."""

    weights: bool = False
    scores: bool = False
    margins: bool = False
    sources: bool = False
    ids: bool = True
    titles: bool = False


class Fitted(NamedTuple):
    """The groups that a layout holds, and the count of the rest."""

    groups: TrainingSet
    dropped: int = 0
    unused_negatives: int = 0
    unused_positives: int = 0


def fit(
    training_set: TrainingSet,
    fault: Callable[[TrainingGroup], str | None],
    incomplete: Literal["error", "drop", "keep"],
    refusal: str,
    negatives: int | None = None,
) -> Fitted:
    """Return the groups that a layout holds.

    Args:
        training_set: All groups.
        fault: Says what a layout misses in a group, such as "has no negatives", or None.
        incomplete: What becomes of a group with a fault; "keep" keeps it.
        refusal: What the error says.
        negatives: How many negatives of a group to keep, the first ones; None for all. `fault` sees the group so cut.

    Raises:
        DataError: A group has a fault and `incomplete` is "error" (each is listed), or no group is left.
    """
    faults: dict[str, str] = {}
    unused = kept = 0
    for group in training_set.rows():
        less = _cut(group, negatives)
        found = fault(less)
        if found and incomplete != "keep":
            faults[group.query_id] = found
        else:
            unused += len(group.negative_ids) - len(less.negative_ids)
            kept += 1
    if faults and incomplete == "error":
        problems = [Problem("training_set", None, f"the query {key!r} {found}") for key, found in faults.items()]
        raise DataError(refusal, problems)
    if not kept:
        raise DataError(f"the training set has no group that can be written: {refusal}")
    if not faults and not unused:
        return Fitted(training_set)
    rows = (_cut(group, negatives) for group in training_set.rows() if group.query_id not in faults)
    return Fitted(TrainingSet.from_rows(rows, training_set.metadata), len(faults), unused)


def _cut(group: TrainingGroup, negatives: int | None) -> TrainingGroup:
    return group if negatives is None else with_negatives(group, negatives)


def lacks_scores(group: TrainingGroup) -> bool:
    """Say whether a teacher score of the group is missing."""
    return not group.teacher_scores or None in group.teacher_scores


def written(parts: TrainingParts, fitted: Fitted, holds: Holds, rows: int) -> Written:
    """Count what a file does not hold.

    Args:
        parts: The tables that the groups refer to.
        fitted: The groups written.
        holds: What the file holds.
        rows: How many rows it has.
    """
    groups = fitted.groups
    missing = {
        "unused_weights": 0 if holds.weights else _valid(groups, "weights"),
        "unused_example_weights": 0 if holds.weights else _valid(groups, "example_weight"),
        "unused_scores": 0 if holds.scores else _valid(groups, "teacher_scores"),
        "unused_margins": 0 if holds.margins else _valid(groups, "margins"),
        "unused_sources": 0 if holds.sources else _valid(groups, "sources"),
        "unused_ids": 0 if holds.ids else len(groups),
        "joined_titles": 0 if holds.titles else _titles(parts.corpus, used_documents(groups)),
    }
    return Written(rows, fitted.dropped, fitted.unused_negatives, fitted.unused_positives, **missing)


def _valid(groups: TrainingSet, name: str) -> int:
    column = groups.column(name)
    return len(column) - int(column.null_count)


def _titles(corpus: Corpus, doc_ids: list[str]) -> int:
    rows = pa.array(_positions(corpus, doc_ids), pa.int64())
    filled = pc.not_equal(corpus.column("title").take(rows), "")
    return int(pc.sum(filled, min_count=0).as_py())


def _positions(corpus: Corpus, doc_ids: list[str]) -> Iterator[int]:
    return (corpus.position(doc_id) for doc_id in doc_ids if doc_id in corpus)
