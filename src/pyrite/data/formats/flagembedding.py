"""Training files of FlagEmbedding: one JSON object a line, one line a query.

`{"query", "pos": [], "neg": [], "pos_scores": [], "neg_scores": [], "prompt", "type"}`, where the scores, the prompt
and the type may be absent. Its trainer ignores other keys, so ids do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, PartsBuilder, Passage, TrainingParts, Written, examples
from pyrite.data.formats.fields import id_field, ids_field, numbers_field, text_field, texts_field
from pyrite.data.formats.lines import Line, json_line, read_objects, write_lines
from pyrite.data.records import TrainingGroup
from pyrite.data.tables import TrainingSet
from pyrite.errors import DataError, Problem
from pyrite.settings import Settings

__all__ = ["FlagEmbeddingLayout", "read_flag_embedding", "write_flag_embedding"]

_WHOLE_FILE = ("prompt", "type")


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
    """Whether to add `query_id`, `pos_id` and `neg_id`, and `neg_weights` where there are any."""
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
    layout = layout or FlagEmbeddingLayout()
    groups, written = _fit(parts.training_set, layout)
    kept = parts._replace(training_set=TrainingSet.from_rows(groups))
    facts = _facts(parts.training_set, layout)
    write_lines(Path(path), (json_line(_record(example, layout) | facts) for example in examples(kept)))
    return written


def _fit(training_set: TrainingSet, layout: FlagEmbeddingLayout) -> tuple[list[TrainingGroup], Written]:
    groups = list(training_set.rows())
    faults = {group.query_id: fault for group in groups if (fault := _fault(group, layout))}
    if faults and layout.incomplete == "error":
        problems = [Problem("training_set", None, f"the query {key!r} {fault}") for key, fault in faults.items()]
        raise DataError("FlagEmbedding's trainer fails on some groups; drop them or keep them knowingly", problems)
    kept = [group for group in groups if layout.incomplete == "keep" or group.query_id not in faults]
    if not kept:
        raise DataError("the training set has no group that FlagEmbedding's trainer takes")
    unused_weights = 0 if layout.ids else sum(group.weights is not None for group in kept)
    return kept, Written(len(kept), dropped_groups=len(groups) - len(kept), unused_weights=unused_weights)


def _fault(group: TrainingGroup, layout: FlagEmbeddingLayout) -> str | None:
    if not group.negative_ids:
        return "has no negatives"
    if layout.scores and (not group.teacher_scores or None in group.teacher_scores):
        return "lacks teacher scores"
    return None


def _facts(training_set: TrainingSet, layout: FlagEmbeddingLayout) -> dict[str, str]:
    given = {"prompt": layout.prompt, "type": layout.task}
    facts = {key: training_set.metadata.get(key) if value is None else value for key, value in given.items()}
    return {key: value for key, value in facts.items() if value is not None}


def _record(example: Example, layout: FlagEmbeddingLayout) -> dict[str, Any]:
    sides = {"pos": example.positives, "neg": example.negatives}
    record: dict[str, Any] = {"query": example.query}
    record |= {side: [passage.text for passage in passages] for side, passages in sides.items()}
    if layout.scores:
        record |= {f"{side}_scores": [passage.score for passage in passages] for side, passages in sides.items()}
    if layout.ids:
        record["query_id"] = example.query_id
        record |= {f"{side}_id": [passage.doc_id for passage in passages] for side, passages in sides.items()}
        if any(passage.weight is not None for passage in example.negatives):
            record["neg_weights"] = [passage.weight for passage in example.negatives]
    return record


def read_flag_embedding(path: Path) -> TrainingParts:
    """Read a training file.

    A prompt and a type that all lines share go into the metadata of the training set. A text without
    an id gets one that follows from the text; equal texts have equal ids. Lines of one query, by id or
    else by text, make one group.

    Args:
        path: The file, plain or with `.gz`.

    Returns:
        Corpus, queries and training set, in the order of the file.

    Raises:
        DataError: A line has a fault; each is listed with its line.
    """
    path = Path(path)
    problems: list[Problem] = []
    builder, facts = PartsBuilder(), dict[str, Any]()
    for position, (line, record) in enumerate(read_objects(path, problems)):
        said = {key: record[key] for key in _WHOLE_FILE if record.get(key) is not None}
        facts = said if position == 0 else facts
        _check_facts(line, said, facts)
        example = _example(line, record)
        if line.valid:
            builder.add(line, example)
    return builder.build(problems, str(path), facts)


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
    positives = _passages(line, record, "pos")
    negatives = _passages(line, record, "neg")
    return Example(text_field(line, record, "query") or "", query_id, tuple(positives), tuple(negatives))


def _passages(line: Line, record: dict[str, Any], side: str) -> Iterator[Passage]:
    texts = texts_field(line, record, side)
    ids = ids_field(line, record, f"{side}_id", len(texts))
    scores = numbers_field(line, record, f"{side}_scores", len(texts))
    weights = numbers_field(line, record, f"{side}_weights", len(texts))
    return (Passage(*values) for values in zip(texts, ids, scores, weights, strict=True))
