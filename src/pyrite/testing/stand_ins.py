"""Models without weights that stand where a SentenceTransformer or a CrossEncoder does: results follow from texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["HashedCrossEncoder", "HashedSentenceTransformer"]


class HashedSentenceTransformer:
    """Gives each text a unit vector that looks random, and notes how it was asked.

    Args:
        dimension: Components of a vector.
        similarity: The name of one of sentence-transformers' functions.
    """

    def __init__(self, dimension: int = 6, similarity: str = "cosine") -> None:
        import torch
        from sentence_transformers.util import SimilarityFunction

        self.device = torch.device("cpu")
        self.model_card_data = SimpleNamespace(base_model="hashed")
        self.similarity_fn_name = similarity
        self.similarity = SimilarityFunction.to_similarity_fn(similarity)
        self.similarity_pairwise = SimilarityFunction.to_similarity_pairwise_fn(similarity)
        self.dimension = dimension
        self.asked: list[dict[str, Any]] = []
        """The options of each call."""

    def encode_query(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        return self._encode(texts, options)

    def encode_document(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        return self._encode(texts, options)

    def get_embedding_dimension(self) -> int:
        """Return the number of components."""
        return self.dimension

    def _encode(self, texts: Sequence[str], options: dict[str, Any]) -> np.ndarray:
        self.asked.append(options)
        vectors = np.stack([self._vector((options.get("prompt") or "") + text) for text in texts])
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def _vector(self, text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)


class HashedCrossEncoder:
    """Gives each pair of texts a number in [0, 1) that looks random, and notes how many it was asked for at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        """The pairs of each call."""

    def predict(self, pairs: Sequence[tuple[str, str]], **options: Any) -> Any:
        """Return one score for each pair, as a tensor."""
        import torch

        self.asked.append(len(pairs))
        digests = [hashlib.blake2b(f"{a}|{b}".encode(), digest_size=2).digest() for a, b in pairs]
        return torch.tensor([int.from_bytes(digest, "little") / 65536 for digest in digests])
