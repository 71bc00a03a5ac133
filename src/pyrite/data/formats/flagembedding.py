"""Training files of FlagEmbedding: one JSON object a line, one line a query.

`{"query", "pos": [], "neg": [], "pos_scores": [], "neg_scores": [], "prompt", "type"}`, where the scores, the prompt
and the type may be absent. Its trainer ignores other keys, so ids do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import (
    EXAMPLE_WEIGHT,
    id_field,
    ids_field,
    numbers_field,
    sources_field,
    text_field,
    texts_field,
    weight_field,
    weights_field,
)
from pyrite.data.formats.fitting import Holds, Written, fit, lacks_scores, written
from pyrite.data.formats.lines import Line
from pyrite.data.formats.parts import parts_of
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import TrainingSet
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["FlagEmbeddingLayout", "flag_embedding_examples", "read_flag_embedding", "write_flag_embedding"]

_WHOLE_FILE = ("prompt", "type")
_ENDS = (".jsonl", ".jsonl.gz", ".json", ".json.gz")


class FlagEmbeddingLayout(Settings):
    """How a training file for FlagEmbedding looks."""

    type: Literal["flag-embedding"] = "flag-embedding"
    prompt: str | None = None
    """The instruction that its trainer puts before each query; None for the training set's own, if any."""
    task: str | None = None
    """What its key `type` says, such as "normal" or "symmetric_class"; None for the training set's own, if any."""
    incomplete: Literal["error", "drop", "keep"] = "error"
    """What becomes of a group without negatives or, with scores, with missing ones: its trainer fails on
    either. "keep" writes the empty list, and null for a missing score. Nothing is ever padded."""
    ids: bool = True
    """Whether to add `query_id`, `pos_id` and `neg_id`, and `neg_weights`, `neg_sources` and `margins` where there
    are any."""
    scores: bool = False
    """Whether to add the teacher's scores as `pos_scores` and `neg_scores`."""


def write_flag_embedding(parts: TrainingParts, path: Path, layout: FlagEmbeddingLayout | None = None) -> Written:
    """Write a training file.

    With ids and scores, `read_flag_embedding` gives back the ids, texts, order, scores and weights of
    the groups written.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        path: The file.
        layout: What goes into it; by default, ids and no scores.

    Returns:
        What was written and what was left out.

    Raises:
        DataError: An id has no text, a group is incomplete (each is listed), or none is left.
    """
    path, layout = Path(path), layout or FlagEmbeddingLayout()
    check_name(path, *_ENDS)
    refusal = "FlagEmbedding's trainer fails on some groups; drop them or keep them knowingly"
    fitted = fit(parts.training_set, lambda group: _fault(group, layout), layout.incomplete, refusal)
    facts = _facts(parts.training_set, layout)
    found = examples(parts._replace(training_set=fitted.groups))
    rows = write_rows(path, (_record(example, layout) | facts for example in found))
    kept = layout.ids
    return written(parts, fitted, Holds(weights=kept, scores=layout.scores, margins=kept, sources=kept, ids=kept), rows)


def _fault(group: TrainingGroup, layout: FlagEmbeddingLayout) -> str | None:
    if not group.negative_ids:
        return "has no negatives"
    if layout.scores and lacks_scores(group):
        return "lacks teacher scores"
    return None


def _facts(training_set: TrainingSet, layout: FlagEmbeddingLayout) -> dict[str, str]:
    given = {"prompt": layout.prompt, "type": layout.task}
    facts = {key: training_set.metadata.get(key) if value is None else value for key, value in given.items()}
    return {key: value for key, value in facts.items() if value is not None}


def _record(example: Example, layout: FlagEmbeddingLayout) -> dict[str, Any]:
    sides = {"pos": example.positives, "neg": example.negatives}
    record: dict[str, Any] = {"query": example.query}
    record |= {side: [passage.full for passage in passages] for side, passages in sides.items()}
    if layout.scores:
        record |= {f"{side}_scores": [passage.score for passage in passages] for side, passages in sides.items()}
    if layout.ids:
        record["query_id"] = example.query_id
        record |= {f"{side}_id": [passage.doc_id for passage in passages] for side, passages in sides.items()}
        if any(passage.weight is not None for passage in example.negatives):
            record["neg_weights"] = [passage.weight for passage in example.negatives]
        if any(passage.sources for passage in example.negatives):
            record["neg_sources"] = [list(passage.sources) for passage in example.negatives]
        if example.margins:
            record["margins"] = list(example.margins)
        if example.weight is not None:
            record[EXAMPLE_WEIGHT] = example.weight
    return record


def read_flag_embedding(path: Path) -> TrainingParts:
    """Read a training file.

    A prompt and a type that all lines share go into the metadata of the training set. A text without
    an id gets one that follows from the text; equal texts have equal ids. Lines of one query, by id or
    else by text, make one group.

    Args:
        path: The file, JSONL, plain or with `.gz`, or Parquet.

    Returns:
        Corpus, queries and training set, in the order of the file.

    Raises:
        DataError: A line has a fault; each is listed with its line.
    """
    path, problems, facts = Path(path), list[Problem](), dict[str, Any]()
    return parts_of(flag_embedding_examples(path, problems, facts), problems, str(path), facts)


def flag_embedding_examples(
    path: Path, problems: list[Problem], facts: dict[str, Any]
) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each line; faults are noted, and the prompt and type of all lines go into `facts`."""
    for position, (line, record) in enumerate(read_rows(path, problems)):
        said = {key: record[key] for key in _WHOLE_FILE if record.get(key) is not None}
        if position == 0:
            facts |= said
        _check_facts(line, said, facts)
        example = _example(line, record)
        if line.valid:
            yield line, example


def _check_facts(line: Line, said: dict[str, Any], facts: dict[str, Any]) -> None:
    for key in _WHOLE_FILE:
        if said.get(key) != facts.get(key):
            line.fault(
                f"`{key}` is {said.get(key)!r} and was {facts.get(key)!r} in the first line; part the file by it"
            )


def _example(line: Line, record: dict[str, Any]) -> Example:
    for key in ("query", "pos", "neg"):
        if key not in record:
            line.fault(f"`{key}` is missing")
    query_id = None if record.get("query_id") is None else id_field(line, record, "query_id")
    positives, negatives = (tuple(_passages(line, record, side)) for side in ("pos", "neg"))
    margins = numbers_field(line, record, "margins", len(positives) * len(negatives), "pairs")
    query = text_field(line, record, "query") or ""
    known = tuple(margins) if record.get("margins") else None
    return Example(query, query_id, positives, negatives, known, weight_field(line, record))


def _passages(line: Line, record: dict[str, Any], side: str) -> Iterator[Passage]:
    texts = texts_field(line, record, side)
    ids = ids_field(line, record, f"{side}_id", len(texts))
    scores = numbers_field(line, record, f"{side}_scores", len(texts))
    weights = weights_field(line, record, f"{side}_weights", len(texts))
    sources = sources_field(line, record, f"{side}_sources", len(texts))
    columns = zip(texts, ids, scores, weights, sources, strict=True)
    return (Passage(text, doc_id, score, weight, sources=found) for text, doc_id, score, weight, found in columns)
