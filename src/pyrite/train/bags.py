"""Texts as bags of tokens: what a static encoder needs of them, taken once before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Bags", "bag_means", "tokenise"]

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Bags:
    """A weighted bag of tokens for each of T texts, in one flat array.

    A text's vector is the sum of its tokens' vectors times their weights. A token that a text holds c times among n
    stands in its bag once, with the weight c / n: the sum is the mean over all n, with fewer rows to read.

    Attributes:
        tokens: Rows of the table, shape (N,), ascending within a bag.
        offsets: Where each bag starts, and N at the end: shape (T + 1,).
        weights: Float32, shape (N,); the weights of a bag add up to 1.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> Bags:
        """Return the bags of some texts, in the order of `rows`."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        flat = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Bags(self.tokens[flat], offsets, self.weights[flat])

    def compact(self) -> tuple[Bags, np.ndarray]:
        """Renumber the tokens that occur from 0 on.

        Returns:
            The same bags over the new numbers, and the old number of each new one, ascending.
        """
        used, renumbered = np.unique(self.tokens, return_inverse=True)
        dtype = np.uint16 if len(used) <= 1 << 16 else np.int64
        return Bags(renumbered.astype(dtype), self.offsets, self.weights), used

    def transpose(self, tokens: int) -> Bags:
        """Return for each of so many tokens the bag of the texts that hold it."""
        # On 16 bits, numpy's stable sort is a radix sort.
        order = np.argsort(self.tokens, kind="stable")
        texts = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        counts = np.bincount(self.tokens, minlength=tokens)
        return Bags(texts[order], np.concatenate([[0], np.cumsum(counts)]), self.weights[order])


def tokenise(tokenizer: Tokenizer, texts: Sequence[str]) -> Bags:
    """Turn texts into bags of tokens, without special ones, as `StaticEmbedding` reads them.

    Args:
        tokenizer: A tokenizer of the `tokenizers` package.
        texts: The texts; one without tokens has an empty bag, whose vector is 0.
    """
    ids, lengths = _token_ids(tokenizer, texts)
    size = int(ids.max(initial=0)) + 1
    # One number for each (text, token), so that one sort counts the tokens of all texts.
    places, counts = np.unique(np.repeat(np.arange(len(texts)), lengths) * size + ids, return_counts=True)
    owners = places // size
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(texts)))])
    return Bags(places % size, offsets, (counts / lengths[owners]).astype(np.float32))


def _token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the token ids of all texts in one array, and the number of each text's."""
    ids, lengths = [np.zeros(0, dtype=np.int64)], []
    for start in range(0, len(texts), _CHUNK):
        for encoding in tokenizer.encode_batch(list(texts[start : start + _CHUNK]), add_special_tokens=False):
            ids.append(np.array(encoding.ids, dtype=np.int64))
            lengths.append(len(encoding))
    return np.concatenate(ids), np.array(lengths)


def bag_means(table: torch.Tensor, bags: Bags) -> torch.Tensor:
    """Return the vectors of bags; differentiable by the table.

    The gradient is gathered over the transposed bags, token by token: the same kernel as forward, several times as
    fast as scattering, and the order of the sums is fixed, so that two runs agree bit by bit.

    Args:
        table: A vector for each token: shape (V, D).
        bags: T bags.

    Returns:
        Shape (T, D).
    """
    means: torch.Tensor = _BagMeans.apply(table, bags)  # type: ignore[no-untyped-call]
    return means


class _BagMeans(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, bags: Bags) -> torch.Tensor:
        ctx.bags, ctx.size = bags, len(table)
        return _sums(table, bags)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _sums(gradient.contiguous(), ctx.bags.transpose(ctx.size)), None


def _sums(table: torch.Tensor, bags: Bags) -> torch.Tensor:
    rows, starts, weights = (
        torch.from_numpy(array).to(table.device)
        for array in (bags.tokens.astype(np.int64), bags.offsets[:-1], bags.weights)
    )
    return functional.embedding_bag(rows, table, starts, mode="sum", per_sample_weights=weights)
