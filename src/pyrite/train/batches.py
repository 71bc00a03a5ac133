"""Who shares a batch, and who is a negative of whom in it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.seeds import rng
from pyrite.train.examples import Examples

if TYPE_CHECKING:
    import torch

    from pyrite.train.losses.batch import LossBatch

__all__ = ["Batch", "BatchPlan", "epoch_batches", "make_batch"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's material, as row numbers of the texts in `Examples`.

    B pairs with up to K mined negatives and M further positives each give the C = B (1 + K + M) documents and the masks
    of a `LossBatch`; what is not said here is said there.

    Attributes:
        queries: Shape (B,).
        documents: Shape (C,), in the order of a `LossBatch`; the row number of padding means nothing.
        present: Shape (B, K): whether the group has that many negatives.
        more: Shape (B, M): whether the pair has that many further positives.
        known: Shape (B, C).
        weights: Float32, shape (B, K), or None where all are 1.
        example_weights: Float32, shape (B,), or None where all count alike.
        teacher: Float32, shape (B, 1 + K), or None.
        margins: Float32, shape (B, K), or None.
        guide_queries: Float32, shape (B, W), or None.
        guide_documents: Float32, shape (C, W), or None.
    """

    queries: np.ndarray
    documents: np.ndarray
    present: np.ndarray
    more: np.ndarray
    known: np.ndarray
    weights: np.ndarray | None
    example_weights: np.ndarray | None
    teacher: np.ndarray | None
    margins: np.ndarray | None
    guide_queries: np.ndarray | None
    guide_documents: np.ndarray | None

    def tensors(self) -> dict[str, Any]:
        """Return all but the row numbers, as the fields of a `LossBatch` are named; what is None is left out."""
        import torch

        rows = ("queries", "documents")
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in rows}
        return {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}

    def with_vectors(self, queries: torch.Tensor, documents: torch.Tensor) -> LossBatch:
        """Return what a loss takes, on the device of the vectors.

        Args:
            queries: Shape (B, D).
            documents: Shape (C, D).
        """
        from pyrite.train.losses.batch import LossBatch

        moved = {name: tensor.to(documents.device) for name, tensor in self.tensors().items()}
        return LossBatch(queries, documents, **moved)


def make_batch(examples: Examples, members: np.ndarray) -> Batch:
    """Return the batch of some pairs.

    Args:
        examples: The training set.
        members: Numbers of pairs, shape (B,).
    """
    groups, more = examples.groups[members], examples.more[members]
    negatives = examples.negatives[groups]
    documents = np.concatenate([examples.positives[members], negatives.ravel(), more.ravel()])
    documents, there = np.maximum(documents, 0), documents >= 0
    known = [examples.known[key] for key in examples.query_keys[groups]]
    guide = examples.guide_queries, examples.guide_documents
    return Batch(
        queries=groups,
        documents=documents,
        present=negatives >= 0,
        more=more >= 0,
        known=_known(np.where(there, examples.document_keys[documents], -1), known),
        weights=None if examples.weights is None else examples.weights[groups],
        example_weights=None if examples.example_weights is None else examples.example_weights[groups],
        teacher=None if examples.teacher is None else examples.teacher[members],
        margins=None if examples.margins is None else examples.margins[members],
        guide_queries=None if guide[0] is None else guide[0][groups],
        guide_documents=None if guide[1] is None else guide[1][documents],
    )


def _known(documents: np.ndarray, known: list[np.ndarray]) -> np.ndarray:
    """Mark the documents (by their keys, -1 for padding) that are known positives of each query."""
    rows, keys = np.repeat(np.arange(len(known)), [len(own) for own in known]), np.concatenate(known)
    order = np.argsort(documents, kind="stable")
    first, stop = (np.searchsorted(documents[order], keys, side=side) for side in ("left", "right"))
    # Each key's run of places in the sorted documents, one behind the other.
    counts = stop - first
    places = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    marked = np.zeros((len(known), len(documents)), dtype=bool)
    marked[np.repeat(rows, counts), order[places]] = True
    return marked


def epoch_batches(examples: Examples, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Put each pair into one batch, in an order that depends on the seed and the epoch alone.

    Pairs of the same query, or of copies of one positive, give each other no negatives. A batch holds at most one of
    them; where there are c of them, more than the n = ceil(E / batch_size) batches, it holds at most ceil(c / n). A
    pair that finds no room waits for the next batch, and the last batches may be smaller.

    Args:
        examples: The training set.
        batch_size: Pairs in a batch, from 1.
        seed: The user's seed.
        epoch: From 1.

    Returns:
        For each batch the numbers of its pairs.
    """
    keys, limits = _limits(examples, math.ceil(len(examples) / batch_size))
    pairs = deque(rng(seed, "batches", str(epoch)).permutation(len(examples)).tolist())
    batches: list[np.ndarray] = []
    while pairs:
        members: list[int] = []
        waiting: list[int] = []
        taken: Counter[int] = Counter()
        while pairs and len(members) < batch_size:
            pair = pairs.popleft()
            if all(taken[key] < limits[key] for key in keys[pair]):
                members.append(pair)
                taken.update(keys[pair])
            else:
                waiting.append(pair)
        batches.append(np.array(members))
        pairs.extendleft(reversed(waiting))
    return batches


def _limits(examples: Examples, batches: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the keys of each pair (its query's, its positive's), and how many pairs of a key a batch may hold."""
    queries = examples.query_keys[examples.groups]
    documents = examples.document_keys[examples.positives] + queries.max() + 1
    counts = np.bincount(np.concatenate([queries, documents]))
    return list(zip(queries.tolist(), documents.tolist(), strict=True)), np.ceil(counts / batches).astype(int).tolist()


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The batches of a whole training, one epoch after the other. A step is a batch; steps count from 1.

    Attributes:
        batches: The numbers of the pairs of each batch.
        ends: The steps done when each epoch ends, ascending.
    """

    batches: list[np.ndarray]
    ends: list[int]

    @classmethod
    def build(cls, examples: Examples, batch_size: int, seed: int, epochs: int) -> BatchPlan:
        """Plan all epochs; see `epoch_batches`."""
        batches: list[np.ndarray] = []
        ends: list[int] = []
        for epoch in range(1, epochs + 1):
            batches += epoch_batches(examples, batch_size, seed, epoch)
            ends.append(len(batches))
        return cls(batches, ends)

    @property
    def steps(self) -> int:
        """The steps in all."""
        return len(self.batches)

    def after(self, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the steps that follow a step (0 for the start) with their pairs."""
        for number in range(step + 1, self.steps + 1):
            yield number, self.batches[number - 1]

    def epochs_done(self, step: int) -> float:
        """Return how many epochs are over after a step, the share of the one in work included.

        Example:
            >>> plan = BatchPlan([np.array([0])] * 6, [2, 6])
            >>> [plan.epochs_done(step) for step in (0, 1, 2, 3, 6)]
            [0.0, 0.5, 1.0, 1.25, 2.0]
        """
        done = bisect_right(self.ends, step)
        if done == len(self.ends):
            return float(done)
        start = self.ends[done - 1] if done else 0
        return done + (step - start) / (self.ends[done] - start)

    def ends_epoch(self, step: int) -> int | None:
        """Return the epoch that this step ends, or None."""
        done = bisect_right(self.ends, step)
        return done if done and self.ends[done - 1] == step else None
