r"""Training files of GPL: `query id \t positive id \t negative id \t margin`, without a header.

The margin is what a cross-encoder gave the positive more than the negative (gpl/toolkit/pl.py), the label of
MarginMSE (arXiv 2112.07577). A margin is one number and says nothing of the two scores behind it: it is read into
`TrainingGroup.margins` and never into `teacher_scores`. Texts are in a corpus and queries apart, as BEIR has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc

from pyrite.data.formats.examples import Example, Passage, TrainingParts, known_margins, used_documents
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, written
from pyrite.data.formats.judgements import unwritable_ids
from pyrite.data.formats.lines import Line, read_lines, write_lines
from pyrite.data.formats.rows import check_name
from pyrite.data.formats.texts import TextKeys, write_texts_beside
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import TrainingSet
from pyrite.errors import DataError, Problem
from pyrite.settings import Settings

__all__ = ["GplLayout", "gpl_examples", "write_gpl"]

Pair = tuple[str, str, float]


class GplLayout(Settings):
    """How a training file for GPL looks."""

    type: Literal["gpl"] = "gpl"
    incomplete: Incomplete = "error"
    """What becomes of a query without a pair that has a margin. Nothing is ever made up."""


def write_gpl(parts: TrainingParts, path: Path, layout: GplLayout | None = None) -> Written:
    """Write one row for each positive and negative whose margin is known.

    It is the group's own margin; where there is none, the difference of the two teacher scores. A positive or a
    negative without any margin is in no row and is counted. Texts at hand go into files beside it, with `.corpus`
    and `.queries` in their names.

    Args:
        parts: The training set, with the documents and queries that it refers to, as far as they are at hand.
        path: A name that ends in `.tsv` or `.tsv.gz`.
        layout: What becomes of groups without margins.

    Raises:
        SettingsError: The name has another suffix.
        DataError: A group has no margin (each is listed), or an id has a tab or a line end in it.
    """
    layout = layout or GplLayout()
    check_name(path, ".tsv", ".tsv.gz")
    refusal = "GPL trains on margins; score the pairs by a teacher, or drop the groups without"
    fitted = fit(parts.training_set, _fault, layout.incomplete, refusal)
    kept = parts._replace(training_set=fitted.groups)
    _check_ids(fitted.groups)
    write_lines(path, (line for group in fitted.groups.rows() for line in _lines(group)))
    write_texts_beside(kept, path, TextKeys("_id", "_id"))
    rows = positives = negatives = 0
    for group in fitted.groups.rows():
        pairs = _pairs(group)
        rows += len(pairs)
        positives += len(group.positive_ids) - len({positive for positive, _, _ in pairs})
        negatives += len(group.negative_ids) - len({negative for _, negative, _ in pairs})
    fitted = fitted._replace(unused_negatives=negatives, unused_positives=positives)
    return written(parts, fitted, Holds(margins=True, titles=True), rows)


def _fault(group: TrainingGroup) -> str | None:
    return None if _pairs(group) else "has no pair with a margin or with two teacher scores"


def _pairs(group: TrainingGroup) -> list[Pair]:
    """Return positive, negative and margin of each pair whose margin is known."""
    count = len(group.positive_ids)
    scores = group.teacher_scores or (None,) * (count + len(group.negative_ids))
    margins = known_margins(scores[:count], scores[count:], group.margins)
    pairs = ((positive, negative) for positive in group.positive_ids for negative in group.negative_ids)
    return [(*pair, margin) for pair, margin in zip(pairs, margins, strict=True) if margin is not None]


def _lines(group: TrainingGroup) -> Iterator[str]:
    for positive, negative, margin in _pairs(group):
        yield f"{group.query_id}\t{positive}\t{negative}\t{margin!r}"


def _check_ids(groups: TrainingSet) -> None:
    ids = {*pc.unique(groups.column("query_id")).to_pylist(), *used_documents(groups)}
    if bad := unwritable_ids(ids):
        problems = [Problem("training_set", None, f"the id {row_id!r}") for row_id in bad]
        raise DataError("a TSV file holds no id that is empty or has a tab or a line end in it", problems)


def gpl_examples(path: Path, problems: list[Problem], facts: dict[str, Any]) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each line; faults are noted, and `facts` stays as it is."""
    for line in read_lines(path, problems):
        columns = line.text.split("\t")
        if len(columns) != 4:
            line.fault(f"{len(columns)} columns, wants 4 with tabs between: query id, positive id, negative id, margin")
            continue
        query_id, positive, negative, margin = columns
        if not (query_id and positive and negative):
            line.fault("an id is empty")
        value = _margin(line, margin)
        if line.valid:
            yield line, Example(None, query_id, (Passage(None, positive),), (Passage(None, negative),), (value,))


def _margin(line: Line, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        line.fault(f"the margin {text!r} is no finite number")
    return value
