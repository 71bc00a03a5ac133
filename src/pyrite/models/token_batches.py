"""Texts as tokens, and tokens in batches that hold little padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Tokens", "cut_batches"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a tokenizer gives for texts, without padding.

    Attributes:
        columns: {name: the values of all texts, one text behind the other: int32, shape (tokens,)}, such as
            `input_ids` and `attention_mask`.
        starts: Where each text begins, and where the last one ends: int64, shape (texts + 1,).
    """

    columns: Mapping[str, np.ndarray]
    starts: np.ndarray

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Sequence[int]]]) -> Tokens:
        """Take what a tokenizer gives: {name: one list for each text}, all columns alike in length.

        Example:
            >>> Tokens.of({"input_ids": [[101, 7, 102], [101, 102]]}).lengths.tolist()
            [3, 2]
        """
        lengths = [len(row) for row in next(iter(columns.values()))]
        flat = {name: np.array([token for row in rows for token in row], np.int32) for name, rows in columns.items()}
        return cls(flat, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    @property
    def lengths(self) -> np.ndarray:
        """The tokens of each text: int64, shape (texts,)."""
        return np.diff(self.starts)

    def padded(self, rows: np.ndarray, width: int, fills: Mapping[str, int], *, left: bool) -> dict[str, np.ndarray]:
        """Return some texts as matrices.

        Args:
            rows: The texts, shape (n,).
            width: The number of columns, at least the longest of the texts.
            fills: {name: what stands where a text has no token}; 0 for a name that is missing.
            left: Whether a text stands at the right end of its row.

        Returns:
            {name: int64, shape (n, width)}.
        """
        lengths = self.lengths[rows]
        places = np.arange(width)
        first = (width - lengths if left else np.zeros_like(lengths))[:, None]
        here = (places >= first) & (places < first + lengths[:, None])
        sources = (self.starts[rows][:, None] + places - first)[here]
        matrices = {}
        for name, values in self.columns.items():
            matrix = np.full((len(rows), width), fills.get(name, 0), dtype=np.int64)
            matrix[here] = values[sources]
            matrices[name] = matrix
        return matrices


def cut_batches(lengths: np.ndarray, budget: int, multiple: int = 1) -> list[np.ndarray]:
    """Cut texts into batches of like length, the longest first, each with at most `budget` tokens, padding included.

    The longest come first, so that a batch too large for the memory shows at once.

    Args:
        lengths: The tokens of each text, shape (texts,).
        budget: Tokens of a batch; a text longer than that is a batch of its own.
        multiple: What the width of a batch is rounded up to.

    Returns:
        The texts of each batch, each once.

    Example:
        >>> [batch.tolist() for batch in cut_batches(np.array([2, 9, 3, 2]), budget=6)]
        [[1], [2, 0], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        width = -(-max(int(lengths[order[start]]), 1) // multiple) * multiple
        stop = start + max(1, budget // width)
        batches.append(order[start:stop])
        start = stop
    return batches
