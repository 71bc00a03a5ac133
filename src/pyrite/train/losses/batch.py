"""What a loss is given: the vectors of a batch, who is whose positive in it, and what a teacher said."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["LossBatch"]


@dataclass(frozen=True, slots=True)
class LossBatch:
    """B pairs of a query and its positive, with K mined negatives and M further positives of each query.

    The C = B (1 + K + M) documents stand in this order: the positives, the negatives of the first query, of the second
    and so on, then the further positives likewise. Vectors need not have unit length.

    A batch can show some of its queries only, its rows: see `rows`. Every loss is a sum over the rows divided by a
    number of the whole batch, so that the losses of blocks of rows add up to the loss of the batch.

    Attributes:
        queries: Shape (B, D).
        documents: Shape (C, D).
        present: Boolean, shape (B, K): False marks padding behind a query's negatives.
        more: Boolean, shape (B, M): False marks padding behind a query's further positives.
        known: Boolean, shape (B, C): True where a document is, or is a copy of, a known positive of the query, its own
            ones included. Such a document is nobody's negative by mistake.
        weights: Shape (B, K), from 0 up: how often a query's own negative counts; None for once.
        example_weights: Shape (B,), from 0 up: what a query's loss is multiplied by; None for 1. What the loss is
            divided by does not hang on them, so that a query counts alike in whichever batch it stands; `resolve`
            makes their mean over a training set 1.
        teacher: Shape (B, 1 + K): a teacher's scores of the positive and of each negative, nan where it gave none;
            None without a teacher.
        margins: Shape (B, K): what a teacher gave the positive more than each negative, nan where it said nothing;
            None without such.
        guide_queries: Shape (B, G): another encoder's vectors of the queries, or None.
        guide_documents: Shape (C, G): and of the documents.
        start: The first query in view.
        stop: The one after the last in view; None for the end.
    """

    queries: torch.Tensor
    documents: torch.Tensor
    present: torch.Tensor
    more: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor | None = None
    example_weights: torch.Tensor | None = None
    teacher: torch.Tensor | None = None
    margins: torch.Tensor | None = None
    guide_queries: torch.Tensor | None = None
    guide_documents: torch.Tensor | None = None
    start: int = 0
    stop: int | None = None

    @classmethod
    def of(
        cls,
        queries: torch.Tensor,
        positives: torch.Tensor,
        negatives: torch.Tensor | None = None,
        more: torch.Tensor | None = None,
        **others: Any,
    ) -> LossBatch:
        """Build a batch from vectors, where nothing is padding unless said and nobody knows another's positive.

        Args:
            queries: Shape (B, D).
            positives: Shape (B, D); row i answers query i.
            negatives: Shape (B, K, D), or None for none.
            more: Further positives of each query, shape (B, M, D), or None for none.
            others: Fields of the class, but for the vectors and `more`. `known` may leave a query's own positives out.

        Example:
            >>> import torch
            >>> LossBatch.of(torch.eye(2), torch.eye(2), torch.ones(2, 3, 2)).documents.shape
            torch.Size([8, 2])
        """
        import torch

        size, parts = len(queries), [positives]
        masks = {"present": 0, "more": 0}
        for name, vectors in (("present", negatives), ("more", more)):
            if vectors is not None:
                parts.append(vectors.flatten(0, 1))
                masks[name] = vectors.shape[1]
        device = queries.device
        full = {name: torch.ones(size, number, dtype=torch.bool, device=device) for name, number in masks.items()}
        present = others.pop("present", None)
        known = others.pop("known", None)
        documents = torch.cat(parts)
        if known is None:
            known = torch.zeros(size, len(documents), dtype=torch.bool, device=device)
        kept = full["present"] if present is None else present
        batch = cls(queries, documents, kept, full["more"], known, **others)
        return dataclasses.replace(batch, known=known | batch._own_positives())

    @property
    def size(self) -> int:
        """The number B of queries in the whole batch, in view or not."""
        return len(self.queries)

    @property
    def view(self) -> slice:
        """The queries in view, R of them."""
        return slice(self.start, self.size if self.stop is None else self.stop)

    @property
    def candidates(self) -> torch.Tensor:
        """Which documents are none of the padding: boolean, shape (C,)."""
        import torch

        return torch.cat([self.present.new_ones(self.size), self.present.flatten(), self.more.flatten()])

    @property
    def own_positive(self) -> torch.Tensor:
        """The column of the positive of each query in view: shape (R,)."""
        import torch

        return torch.arange(self.view.start, self.view.stop, device=self.documents.device)

    @property
    def own_negatives(self) -> torch.Tensor:
        """The columns of the negatives of each query in view, padding included: shape (R, K)."""
        import torch

        number = self.present.shape[1]
        return self.size + self.own_positive[:, None] * number + torch.arange(number, device=self.documents.device)

    def _own_positives(self) -> torch.Tensor:
        """Return where a document is a positive that the query itself brought: boolean, shape (B, C)."""
        import torch

        size, mined, number = self.size, self.present.numel(), self.more.shape[1]
        own = torch.zeros(size, len(self.documents), dtype=torch.bool, device=self.documents.device)
        own[:, :size].fill_diagonal_(True)
        rows = torch.arange(size, device=own.device)
        own[:, size + mined :].view(size, size, number)[rows, rows] = self.more
        return own

    def rows(self, start: int, stop: int) -> LossBatch:
        """Return the same batch with only the queries from `start` to before `stop` in view."""
        return dataclasses.replace(self, start=start, stop=stop)

    def with_vectors(self, queries: torch.Tensor, documents: torch.Tensor) -> LossBatch:
        """Return the batch with other vectors of its queries and documents."""
        return dataclasses.replace(self, queries=queries, documents=documents)

    def mean(self, losses: torch.Tensor) -> torch.Tensor:
        """Weigh the losses of the queries in view, shape (R,), and return their sum over B."""
        return self.total(losses) / self.size

    def total(self, losses: torch.Tensor) -> torch.Tensor:
        """Weigh the losses of the queries in view, shape (R,), and return their sum."""
        return (losses if self.example_weights is None else losses * self.example_weights[self.view]).sum()
