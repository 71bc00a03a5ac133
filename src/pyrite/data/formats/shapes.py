"""The four shapes of sentence-transformers' training data: their columns, and an example as rows of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal

import pyarrow as pa

from pyrite.data.formats.examples import Example, Passage, known_margins
from pyrite.data.formats.fields import EXAMPLE_WEIGHT

__all__ = ["ROWS", "Numbers", "Row", "Shape", "fields"]

Shape = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
Numbers = Literal["none", "scores", "margins"]
"""What a teacher's numbers are written as."""

Row = dict[str, Any]

_TEXT, _NUMBER = pa.string(), pa.float64()
_TEXTS, _NUMBERS, _LABELS = pa.list_(_TEXT), pa.list_(_NUMBER), pa.list_(pa.int64())


def fields(
    shape: Shape, negatives: int, ids: bool, numbers: Numbers, weights: Collection[str]
) -> list[tuple[str, pa.DataType]]:
    """Return the columns of a shape in their order: texts, labels or scores, then ids and weights.

    Args:
        shape: The shape.
        negatives: How many an n-tuple has.
        ids: Whether there are columns of ids.
        numbers: Whether there are scores or margins, where there is a place for them; without ids scores take that of
            labels.
        weights: Which weights the groups have, of "weights" and "example_weight"; they stand beside ids only.
    """
    numbered = [f"negative_{number}" for number in range(1, negatives + 1)]
    texts, label, score, weight = {
        "triplet": ({"positive": _TEXT, "negative": _TEXT}, None, ("scores", _NUMBERS), ("weight", _NUMBER)),
        "n-tuple": (dict.fromkeys(["positive", *numbered], _TEXT), None, ("scores", _NUMBERS), ("weights", _NUMBERS)),
        "labeled-pair": ({"document": _TEXT}, ("label", pa.int64()), ("score", _NUMBER), ("weight", _NUMBER)),
        "labeled-list": ({"documents": _TEXTS}, ("labels", _LABELS), ("scores", _NUMBERS), ("weights", _NUMBERS)),
    }[shape]
    columns = [("anchor", _TEXT), *texts.items()]
    if label and (ids or numbers != "scores"):
        columns.append(label)
    if numbers == "scores":
        columns.append(score)
    elif numbers == "margins" and not label:
        columns.append(("label", _NUMBER if shape == "triplet" else _NUMBERS))
    if ids:
        columns += [("query_id", _TEXT), *((_id_name(name), kind) for name, kind in texts.items())]
        columns += [weight] if "weights" in weights else []
        columns += [(EXAMPLE_WEIGHT, _NUMBER)] if EXAMPLE_WEIGHT in weights else []
    return columns


def _id_name(column: str) -> str:
    return "document_ids" if column == "documents" else f"{column}_id"


def _triplets(example: Example) -> Iterator[Row]:
    margins = iter(_margins(example))
    for positive in example.positives:
        for negative in example.negatives:
            yield {
                **_anchor(example),
                **_column("positive", positive),
                **_column("negative", negative),
                "scores": _scores([positive, negative]),
                "label": next(margins),
                "weight": negative.weight,
            }


def _tuples(example: Example) -> Iterator[Row]:
    margins, width = _margins(example), len(example.negatives)
    for place, positive in enumerate(example.positives):
        row = {**_anchor(example), **_column("positive", positive)}
        for number, negative in enumerate(example.negatives, start=1):
            row |= _column(f"negative_{number}", negative)
        row["scores"] = _scores([positive, *example.negatives])
        row["label"] = margins[place * width : (place + 1) * width]
        row["weights"] = _weights(example)
        yield row


def _pairs(example: Example) -> Iterator[Row]:
    for label, passages in ((1, example.positives), (0, example.negatives)):
        for passage in passages:
            yield {
                **_anchor(example),
                **_column("document", passage),
                "label": label,
                "score": passage.score,
                "weight": passage.weight,
            }


def _lists(example: Example) -> Iterator[Row]:
    for positive in example.positives:
        passages = [positive, *example.negatives]
        yield {
            **_anchor(example),
            "documents": [passage.full for passage in passages],
            "labels": [1] + [0] * len(example.negatives),
            "scores": _scores(passages),
            "document_ids": [passage.doc_id for passage in passages],
            "weights": _weights(example),
        }


ROWS: Mapping[Shape, Callable[[Example], Iterator[Row]]] = {
    "triplet": _triplets,
    "n-tuple": _tuples,
    "labeled-pair": _pairs,
    "labeled-list": _lists,
}
"""{shape: an example as rows of it, with every column that `fields` can ask for}."""


def _anchor(example: Example) -> Row:
    return {"anchor": example.query, "query_id": example.query_id, EXAMPLE_WEIGHT: example.weight}


def _column(name: str, passage: Passage) -> Row:
    return {name: passage.full, _id_name(name): passage.doc_id}


def _margins(example: Example) -> list[float | None]:
    positives, negatives = ([passage.score for passage in side] for side in (example.positives, example.negatives))
    return known_margins(positives, negatives, example.margins)


def _scores(passages: list[Passage]) -> list[float | None] | None:
    scores = [passage.score for passage in passages]
    return None if all(score is None for score in scores) else scores


def _weights(example: Example) -> list[float | None] | None:
    weights = [negative.weight for negative in example.negatives]
    return None if all(weight is None for weight in weights) else weights
