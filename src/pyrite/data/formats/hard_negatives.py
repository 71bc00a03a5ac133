"""Hard negatives by system, as the MS MARCO set of sentence-transformers and GPL have them.

One JSON object a line: `{"qid", "pos": [pid], "neg": {system: [pid]}}`. In the data set `msmarco-hard-negatives` of
sentence-transformers ids are integers, in GPL's `hard-negatives.jsonl` (gpl/toolkit/mine.py) strings; in an older
version each item is an object with `pid` and `ce-score`. Texts are in a corpus and queries apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import id_field, names_field, numbers_field
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, written
from pyrite.data.formats.lines import Line, describe
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.formats.texts import TextKeys, write_texts_beside
from pyrite.data.records import TrainingGroup
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["HardNegativesLayout", "hard_negatives_examples", "write_hard_negatives"]

_UNKNOWN = "unknown"
_INTEGER = re.compile(r"0|[1-9][0-9]*")


class HardNegativesLayout(Settings):
    """How a file of hard negatives by system looks."""

    type: Literal["hard-negatives"] = "hard-negatives"
    ids: Literal["strings", "integers"] = "strings"
    """Whether ids are written as strings, as GPL wants them, or as integers, as in the MS MARCO set."""
    incomplete: Incomplete = "error"
    """What becomes of a group with an id that is no integer where integers are wanted, or a source called "unknown".
    A query without negatives is written: GPL passes over it."""


def write_hard_negatives(parts: TrainingParts, path: Path, layout: HardNegativesLayout | None = None) -> Written:
    """Write a file of hard negatives by system.

    A negative stands under each of its sources, one whose source is not known under "unknown". Where that loses
    the order of a query's negatives, a key `order` keeps it; the toolkits ignore other keys. Texts at hand go into
    files beside it, with `.corpus` and `.queries` in their names.

    Args:
        parts: The training set, with the documents and queries that it refers to, as far as they are at hand.
        path: A name that ends in `.jsonl` or `.jsonl.gz`.
        layout: How ids are written; by default as strings.

    Raises:
        SettingsError: The name has another suffix.
        DataError: A group is incomplete, an id is no integer where integers are wanted, or a system is called
            "unknown"; each is listed.
    """
    layout = layout or HardNegativesLayout()
    check_name(path, ".jsonl", ".jsonl.gz")
    refusal = "a file of hard negatives by system cannot hold some groups"
    fitted = fit(parts.training_set, lambda group: _fault(group, layout), layout.incomplete, refusal)
    kept = parts._replace(training_set=fitted.groups)
    rows = write_rows(path, (_row(example, layout) for example in examples(kept, queries=False, documents=False)))
    write_texts_beside(kept, path, TextKeys("_id", "_id"))
    return written(parts, fitted, Holds(sources=True, titles=True), rows)


def _fault(group: TrainingGroup, layout: HardNegativesLayout) -> str | None:
    if layout.ids == "integers":
        ids = (group.query_id, *group.positive_ids, *group.negative_ids)
        if odd := [row_id for row_id in ids if not _INTEGER.fullmatch(row_id)]:
            return f"has an id that is no integer: {odd[0]!r}"
    if any(_UNKNOWN in sources for sources in group.sources or ()):
        return f"has a negative of a source called {_UNKNOWN!r}, which means here that there is none"
    return None


def _row(example: Example, layout: HardNegativesLayout) -> dict[str, Any]:
    systems: dict[str, list[str]] = {}
    negatives = [passage.doc_id or "" for passage in example.negatives]
    for doc_id, passage in zip(negatives, example.negatives, strict=True):
        for system in passage.sources or (_UNKNOWN,):
            systems.setdefault(system, []).append(doc_id)
    row: dict[str, Any] = {
        "qid": example.query_id,
        "pos": [passage.doc_id for passage in example.positives],
        "neg": systems,
    }
    order = list(dict.fromkeys(doc_id for ids in systems.values() for doc_id in ids))
    row |= {} if order == negatives else {"order": negatives}
    return _integers(row) if layout.ids == "integers" else row


def _integers(value: Any) -> Any:
    """Return ids as integers, in lists and under keys, which stay strings."""
    if isinstance(value, dict):
        return {key: _integers(item) for key, item in value.items()}
    return [int(item) for item in value] if isinstance(value, list) else int(value)


def hard_negatives_examples(
    path: Path, problems: list[Problem], facts: dict[str, Any]
) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each line; faults are noted, and `facts` stays as it is."""
    for line, record in read_rows(path, problems):
        query_id = id_field(line, record, "qid")
        positives = tuple(_passages(line, record, "pos"))
        negatives = _negatives(line, record)
        if line.valid:
            yield line, Example(None, query_id, positives, negatives)


def _negatives(line: Line, record: dict[str, Any]) -> tuple[Passage, ...]:
    systems = record.get("neg") or {}
    if not isinstance(systems, dict):
        line.fault(f"`neg` is {describe(systems)}, wants an object: for each system the ids that it found")
        return ()
    found: dict[str, Passage] = {}
    for system in systems:
        for passage in _passages(line, systems, system):
            doc_id = passage.doc_id or ""
            before = found.get(doc_id, passage)
            sources = before.sources if system == _UNKNOWN else (*before.sources, system)
            score = passage.score if before.score is None else before.score
            found[doc_id] = Passage(None, doc_id, score, sources=tuple(dict.fromkeys(sources)))
    order = names_field(line, record, "order") or list(found)
    if sorted(order) != sorted(found):
        line.fault("`order` does not name the documents of `neg`, each once")
        return ()
    return tuple(found[doc_id] for doc_id in order)


def _passages(line: Line, record: dict[str, Any], name: str) -> Iterator[Passage]:
    """Yield ids, plain or as objects with a cross-encoder's score; a fault is noted."""
    items = record.get(name)
    if not isinstance(items, list):
        line.fault(f"`{name}` is {describe(items)}, wants a list of ids")
        return
    for item in items:
        given = item if isinstance(item, dict) else {"pid": item}
        doc_id = id_field(line, given, "pid")
        (score,) = numbers_field(line, {"ce-score": [given.get("ce-score")]}, "ce-score", 1)
        if line.valid:
            yield Passage(None, doc_id, score)
