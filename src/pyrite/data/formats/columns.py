"""Which column of sentence-transformers' training data plays which part, and a row as an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage
from pyrite.data.formats.fields import (
    EXAMPLE_WEIGHT,
    id_field,
    ids_field,
    numbers_field,
    texts_field,
    weight_field,
    weights_field,
)
from pyrite.data.formats.lines import Line, describe
from pyrite.errors import DataError

__all__ = ["ExampleColumns"]

Row = Mapping[str, Any]
_LABELS = ("label", "labels", "score", "scores")
_WEIGHTS = ("weight", "weights", EXAMPLE_WEIGHT)
_ID_ENDS = ("_id", "_ids")


@dataclass(frozen=True)
class ExampleColumns:
    """The columns of one file.

    Attributes:
        names: All columns.
        texts: The anchor, the positive or the document(s), then the negatives.
        shape: "tuple" for any number of negatives, "pair" for a label, "list" for a list of labels.
    """

    names: frozenset[str]
    texts: tuple[str, ...]
    shape: Literal["tuple", "pair", "list"]

    @classmethod
    def of(cls, row: Row, where: str) -> ExampleColumns:
        """Tell the columns from the first row of a file.

        Raises:
            DataError: They have none of the known shapes.
        """
        texts = tuple(name for name in row if name not in _LABELS + _WEIGHTS and not name.endswith(_ID_ENDS))
        labels = [name for name in row if name in _LABELS]
        if len(texts) == 2 and isinstance(row[texts[1]], list) and labels:
            return cls(frozenset(row), texts, "list")
        if len(texts) == 2 and "label" in labels:
            return cls(frozenset(row), texts, "pair")
        if len(texts) >= 3 or (len(texts) == 2 and not {"label", "labels", "score"} & set(labels)):
            return cls(frozenset(row), texts, "tuple")
        raise DataError(
            f"{where}: no known shape has the columns {', '.join(row) or '(none)'}; known are anchor, positive, "
            "negatives (, scores, or label with margins); anchor, document, label (, score); anchor, documents, labels "
            "(, scores)"
        )

    def parse(self, line: Line, row: Row) -> Example | None:
        """Return the example of a row, or None where it has a fault."""
        if row.keys() != self.names:
            differing = ", ".join(sorted(row.keys() ^ self.names))
            line.fault(f"has other columns than the first row; they differ in: {differing}")
            return None
        query = _text(line, row, self.texts[0])
        parse = {"tuple": self._tuple, "pair": self._pair, "list": self._list}[self.shape]
        positives, negatives = parse(line, row)
        margins = self._margins(line, row) if self.shape == "tuple" else None
        query_id, weight = _optional_id(line, row, "query_id"), weight_field(line, row)
        return Example(query, query_id, tuple(positives), tuple(negatives), margins, weight)

    def _margins(self, line: Line, row: Row) -> tuple[float | None, ...] | None:
        """Return what MarginMSELoss takes for margins: one number in a triplet, one for each negative in a tuple."""
        name = self._label(row)
        if name is None or self._holds_scores(row, name):
            return None
        values = row[name] if isinstance(row[name], list) else [row[name]]
        return tuple(numbers_field(line, {name: values}, name, len(self.texts) - 2, "negatives"))

    def _holds_scores(self, row: Row, name: str) -> bool:
        """Say whether a label is a score for each document; a column called `scores` is nothing else."""
        return name == "scores" or (isinstance(row[name], list) and len(row[name]) == len(self.texts) - 1)

    def _label(self, row: Row) -> str | None:
        return next((name for name in _LABELS if row.get(name) is not None), None)

    def _tuple(self, line: Line, row: Row) -> tuple[list[Passage], list[Passage]]:
        names = self.texts[1:]
        texts = [_text(line, row, name) for name in names]
        ids = [_optional_id(line, row, f"{name}_id") for name in names]
        label = self._label(row)
        scored = label if label is not None and self._holds_scores(row, label) else "scores"
        scores = numbers_field(line, row, scored, len(names))
        weights = [None, *_weights(line, row, len(names) - 1)]
        passages = [Passage(*values) for values in zip(texts, ids, scores, weights, strict=True)]
        return passages[:1], passages[1:]

    def _pair(self, line: Line, row: Row) -> tuple[list[Passage], list[Passage]]:
        name = self.texts[1]
        (score,) = numbers_field(line, {"score": [row.get("score")]}, "score", 1)
        (weight,) = weights_field(line, {"weight": [row.get("weight")]}, "weight", 1)
        passage = Passage(_text(line, row, name), _optional_id(line, row, f"{name}_id"), score, weight)
        return _divide(line, [passage], [row["label"]])

    def _list(self, line: Line, row: Row) -> tuple[list[Passage], list[Passage]]:
        name = self.texts[1]
        texts = texts_field(line, row, name)
        ids = ids_field(line, row, f"{name.removesuffix('s')}_ids", len(texts))
        scores = numbers_field(line, row, "scores", len(texts))
        # Lists with scores alone are sentence-transformers' own: there the positive stands first.
        labels = row["labels"] if "labels" in row else [1] + [0] * (len(texts) - 1)
        if not isinstance(labels, list) or len(labels) != len(texts):
            line.fault(f"`labels` is not a list of one label for each of {len(texts)} texts")
            return [], []
        passages = [Passage(*values) for values in zip(texts, ids, scores, strict=True)]
        positives, negatives = _divide(line, passages, labels)
        return positives, _weighted(negatives, _weights(line, row, len(negatives)))


def _divide(line: Line, passages: Sequence[Passage], labels: Sequence[Any]) -> tuple[list[Passage], list[Passage]]:
    """Part positives from negatives; labels that are neither 1 nor 0 are noted."""
    sides: tuple[list[Passage], list[Passage]] = ([], [])
    for passage, label in zip(passages, labels, strict=True):
        if isinstance(label, int | float) and label in {0, 1}:
            sides[0 if label else 1].append(passage)
        else:
            line.fault(f"the label {label!r} is neither 1, a positive, nor 0, a negative")
    return sides


def _weighted(passages: list[Passage], weights: list[float | None]) -> list[Passage]:
    return [Passage(p.text, p.doc_id, p.score, weight) for p, weight in zip(passages, weights, strict=True)]


def _weights(line: Line, row: Row, negatives: int) -> list[float | None]:
    """Return the weights of the negatives; a triplet's single one is a number and not a list."""
    if "weight" in row:
        row = {"weights": [row["weight"]]}
    return weights_field(line, row, "weights", negatives)


def _text(line: Line, row: Row, name: str) -> str:
    value = row[name]
    if isinstance(value, str):
        return value
    line.fault(f"`{name}` is {describe(value)}, wants a string")
    return ""


def _optional_id(line: Line, row: Row, name: str) -> str | None:
    return None if row.get(name) is None else id_field(line, row, name)
