"""Static embeddings: a text's vector is the mean of its tokens' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import Role
from pyrite.models.settings import Prompts
from pyrite.settings import Json

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

__all__ = ["StaticEncoder", "TokenCache", "mean_vectors", "tokenise"]

# The tokenizer's own records of a text are many times larger than its ids: few texts at a time.
_TEXTS_AT_ONCE = 64


def tokenise(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of texts as (ids, offsets): int32, shapes (tokens,) and (len(texts),)."""
    parts: list[np.ndarray] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        encoded = tokenizer.encode_batch_fast(list(texts[start : start + _TEXTS_AT_ONCE]), add_special_tokens=False)
        parts += [np.array(one.ids, dtype=np.int32) for one in encoded]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
    return ids, (np.cumsum(lengths) - lengths).astype(np.int32)


def mean_vectors(table: Tensor, ids: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the mean of each text's token vectors, scaled to unit length; zeros for a text without tokens.

    Args:
        table: A vector for each token: float32, shape (V, D).
        ids: Tokens of all texts: int32, shape (tokens,).
        offsets: Where each text begins: int32, shape (texts,).

    Returns:
        float32, shape (texts, D).
    """
    import torch
    from torch.nn.functional import embedding_bag, normalize

    with torch.inference_mode():
        bags = embedding_bag(torch.from_numpy(ids), table, torch.from_numpy(offsets), mode="mean")
        vectors: np.ndarray = normalize(bags).numpy()
    return vectors


class TokenCache:
    """Remembers the tokens of lists of texts, for encoding them with one checkpoint after another.

    Args:
        tokenizer: A fast tokenizer; padding and truncation are switched off.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def tokens(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return what `tokenise` gives."""
        key = hash(tuple(texts))
        if key not in self._kept:
            self._kept[key] = tokenise(self._tokenizer, texts)
        return self._kept[key]


class StaticEncoder:
    """An `Encoder` over the token vectors of a static embedding, equal to `SentenceEncoder` on it.

    Args:
        folder: A sentence-transformers folder with a static embedding.
        cache: Tokens of an earlier checkpoint with the same tokenizer; a new one where None.
        prompts: What stands in front of queries and documents.

    Raises:
        ModelError: The folder holds no static embedding.
    """

    def __init__(self, folder: Path, cache: TokenCache | None = None, prompts: Prompts | None = None) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        files = sorted(folder.rglob("model.safetensors"))
        tensors = load_file(files[0]) if len(files) == 1 else {}
        if set(tensors) != {"embedding.weight"}:
            raise ModelError(
                f"{folder}: holds no static embedding alone, which the trainer of type 'static' wants; for a "
                "transformer set type: transformer"
            )
        self._folder = folder
        self._table = tensors["embedding.weight"].float()
        self.prompts = prompts or Prompts()
        self.cache = cache or TokenCache(Tokenizer.from_file(str(files[0].with_name("tokenizer.json"))))

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self._table.shape[1])

    @property
    def score_kind(self) -> ScoreKind:
        """Cosines."""
        return ScoreKind.COSINE

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        prompt = self.prompts.query if role == "query" else self.prompts.document
        return mean_vectors(self._table, *self.cache.tokens([prompt + text for text in texts] if prompt else texts))

    def identity(self) -> Json:
        """Return the weights and the prompts."""
        return {"weights": ModelFolder(self._folder).fingerprint(), "prompts": self.prompts.identity()}
