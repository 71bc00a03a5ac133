"""What a reranker's step reads: the texts of a batch, and what is known of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pyrite.train.examples import Examples
from pyrite.train.reranker.lists import ScoredLists

if TYPE_CHECKING:
    import torch

__all__ = ["ListBatch"]


@dataclass(frozen=True, slots=True)
class ListBatch:
    """B queries, each with its positive and up to K negatives.

    Attributes:
        queries: B texts.
        documents: Their documents, as rows of `texts`: shape (B, 1 + K), the positive first.
        present: Boolean, shape (B, 1 + K): False marks padding.
        texts: The texts of all documents.
        weights: Float32, shape (B, K), or None where all are 1.
        example_weights: Float32, shape (B,), or None where all count alike.
        teacher: Float32, shape (B, 1 + K), nan where there is none; None without a teacher.
        margins: Float32, shape (B, K), likewise.
    """

    queries: list[str]
    documents: np.ndarray
    present: np.ndarray
    texts: Sequence[str]
    weights: np.ndarray | None
    example_weights: np.ndarray | None
    teacher: np.ndarray | None
    margins: np.ndarray | None

    @classmethod
    def of(cls, examples: Examples, members: np.ndarray) -> ListBatch:
        """Gather the batch of some pairs.

        Args:
            examples: The training set.
            members: Numbers of pairs, shape (B,).
        """
        groups = examples.groups[members]
        documents = np.concatenate([examples.positives[members][:, None], examples.negatives[groups]], axis=1)
        return cls(
            queries=[examples.query_texts[group] for group in groups],
            documents=np.maximum(documents, 0),
            present=documents >= 0,
            texts=examples.document_texts,
            weights=None if examples.weights is None else examples.weights[groups],
            example_weights=None if examples.example_weights is None else examples.example_weights[groups],
            teacher=None if examples.teacher is None else examples.teacher[members],
            margins=None if examples.margins is None else examples.margins[members],
        )

    def pairs(self) -> list[tuple[str, str]]:
        """Return the texts of the pairs that are there, row by row."""
        rows, columns = np.nonzero(self.present)
        return [
            (self.queries[row], self.texts[self.documents[row, column]])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        ]

    def with_one_negative(self, columns: np.ndarray) -> ListBatch:
        """Return the batch with the positive and one negative of each query alone.

        Args:
            columns: The column of each query's negative, from 1: shape (B,). It may be padding.
        """
        own = columns[:, None]
        both = np.concatenate([np.zeros_like(own), own], axis=1)
        return ListBatch(
            queries=self.queries,
            documents=np.take_along_axis(self.documents, both, axis=1),
            present=np.take_along_axis(self.present, both, axis=1),
            texts=self.texts,
            weights=None if self.weights is None else np.take_along_axis(self.weights, own - 1, axis=1),
            example_weights=self.example_weights,
            teacher=None if self.teacher is None else np.take_along_axis(self.teacher, both, axis=1),
            margins=None if self.margins is None else np.take_along_axis(self.margins, own - 1, axis=1),
        )

    def without_positives(self) -> ListBatch:
        """Return the batch with the negatives alone; the positives count as padding."""
        present = self.present.copy()
        present[:, 0] = False
        return replace(self, present=present)

    def scored(self, logits: torch.Tensor) -> ScoredLists:
        """Return what an objective takes.

        Args:
            logits: Of `pairs()`, in their order.
        """
        import torch

        device = logits.device
        present = torch.from_numpy(self.present).to(device)
        lists = logits.new_zeros(present.shape).masked_scatter(present, logits)
        known = {name: getattr(self, name) for name in ("weights", "example_weights", "teacher", "margins")}
        moved = {name: None if array is None else torch.from_numpy(array).to(device) for name, array in known.items()}
        return ScoredLists(lists, present, **moved)
